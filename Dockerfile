# The embedded service in a container that runs without root and may write to /data alone.
#
#     docker build --tag labelling --build-arg VERSION=$(python3 -m scripts.build_version) .
#     docker run --rm --volume labels:/data labelling keys create --owner me
#     docker run --read-only --tmpfs /tmp --volume labels:/data --publish 127.0.0.1:8000:8000 labelling

FROM python:3.13-slim-trixie AS build
# Prevents pyvips from compiling against a libvips of the system.
ENV PKG_CONFIG=false PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
WORKDIR /src
COPY requirements requirements
RUN python -m venv /build \
    && /build/bin/pip install --quiet --require-hashes --no-deps --requirement requirements/serve.txt \
    && python -m venv /opt/labelling \
    && /opt/labelling/bin/pip install --quiet --require-hashes --no-deps --requirement requirements/traces.txt \
    && /opt/labelling/bin/pip install --quiet --require-hashes --no-deps --requirement requirements/wheel.txt
COPY . .
ARG VERSION=
RUN /build/bin/python -m scripts.wheel --into /wheels --version "$VERSION" \
    && /opt/labelling/bin/pip install --quiet --no-index --no-deps /wheels/labelling-*.whl \
    && /opt/labelling/bin/pip uninstall --quiet --yes pip \
    && scripts/slim-environment /opt/labelling

FROM python:3.13-slim-trixie
COPY --from=build /opt/labelling /opt/labelling
RUN useradd --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin labelling \
    && chmod 0700 /data
ENV PATH=/opt/labelling/bin:$PATH LABELLING_HOST=0.0.0.0 LABELLING_DATA=/data
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["labelling"]
CMD ["serve"]
