"""Start the embedded service and say where it is."""

from __future__ import annotations

import gc
import ipaddress
import logging
import signal
import socket
import sys
import textwrap
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import uvicorn

from api.limits import MAX_REQUEST
from core.domain.errors import LabellingError
from core.domain.webhook_url import CallbackRules
from embedded.detection.pool import DetectorPool
from embedded.logs import set_up_logging
from embedded.service import Service
from embedded.stores import open_stores
from labeller.detectors.base import Options
from labeller.detectors.efficientnet_lite import MODEL_NAME, build_model
from labeller.detectors.registry import ONNX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from embedded.settings import Settings

log = logging.getLogger(__name__)

GRACE_FOR_REQUESTS: Final = 5  # seconds
HIGHEST_PORT: Final = 65_535
# Proxies close what is silent for a minute; who answers no ping is gone.
PING_SECONDS: Final = 20
# Milliseconds after which a connection is cut whose peer takes in nothing of what was sent.
UNREAD_MS: Final = 60_000


class CannotServe(LabellingError):
    """The service can't start as it is set up."""


def serve(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status.

    Raises:
        CannotServe: the address can't be used, or would open the service to strangers.

    """
    set_up_logging(settings.log_format, settings.log_level)
    keyless = is_for_this_machine(settings)
    if not keyless and settings.oidc_issuer is None:
        require_key(settings)
    with ExitStack() as stack:
        listener = stack.enter_context(listen(settings.host, settings.port))
        host, port = listener.getsockname()[:2]
        base_url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        ours = settings.detector == ONNX and settings.classifier is None
        options = Options(
            max_pixels=settings.max_pixels,
            max_bytes=settings.max_upload_bytes,
            faces=settings.faces,
            classifier=settings.classifier,
            model=model_at(settings.data) if ours else None,
        )
        detector = DetectorPool(settings.detector, options, size=settings.workers)
        stack.callback(detector.close)
        service = Service(
            settings,
            detector,
            base_url=base_url,
            keyless=keyless,
            make_thumbnail=detector.thumbnail,
            model_health_error=detector.health_error,
        )
        detector.wait_until_ready()  # late: the processes load while this one wires up
        server = _Server(
            uvicorn.Config(
                service.app,
                log_config=None,
                access_log=False,
                server_header=False,
                **server_options(),
            ),
            service.end_streams,
            welcome(
                settings.public_url or base_url,
                settings.data,
                keyless=keyless,
                rules=CallbackRules.from_settings(settings, private_default=keyless),
            ),
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            # uvicorn raises the signal anew once it has stopped cleanly: nothing is left to do.
            signal.signal(number, lambda *_: None)
        # What was made so far stays: looking through all of it takes the collector 40 ms each time.
        gc.collect()
        gc.freeze()
        server.run(sockets=[listener])
    return 0


def server_options() -> dict[str, Any]:
    """Return how uvicorn treats connections."""
    return {
        "ws": "websockets-sansio",
        "ws_max_size": MAX_REQUEST,
        "ws_per_message_deflate": False,  # a client could have us inflate, and hold windows
        "ws_ping_interval": PING_SECONDS,
        "ws_ping_timeout": PING_SECONDS,
        "timeout_graceful_shutdown": GRACE_FOR_REQUESTS,
    }


def model_at(data: Path) -> Path:
    """Return the model's file in the data folder, built if it is not there."""
    path = data / "model" / MODEL_NAME
    if not path.exists():
        say(f"Building the model in {path.parent} (once, some seconds) ...")
        build_model(path)
        say(f"Built {path} ({path.stat().st_size / 1e6:.0f} MB).")
    return path


def is_for_this_machine(settings: Settings) -> bool:
    """Tell whether nobody else can reach the service, by its address or a public URL before it."""
    if settings.public_url is None:
        return is_loopback(settings.host)
    return is_loopback(settings.host) and is_loopback(urlsplit(settings.public_url).hostname or "")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a service that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_key(settings: Settings) -> None:
    """Refuse to listen for strangers while nobody holds an API key. Raises CannotServe."""
    stores = open_stores(settings)
    try:
        keys = stores.owners.list_keys()
    finally:
        stores.database.close()
    if not keys:
        raise CannotServe(
            f"On {settings.public_url or settings.host} others can reach the service, and there is "
            "no API key yet. "
            f"Make one with 'labelling keys create --owner NAME --data {settings.data}', "
            "or listen on 127.0.0.1 without a public URL."
        )


def listen(host: str, port: int) -> socket.socket:
    """Bind the address. Raises CannotServe."""
    if port > HIGHEST_PORT:
        raise CannotServe(f"There is no port {port}: choose one up to {HIGHEST_PORT} with --port.")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, UnicodeError) as exc:
        raise CannotServe(
            f"Can't listen on {host} port {port}: {exc}. Choose another with --host and --port."
        ) from exc
    # Of every connection accepted (Linux, tcp(7)): else one that isn't read would stay for ever.
    if option := getattr(socket, "TCP_USER_TIMEOUT", None):
        listener.setsockopt(socket.IPPROTO_TCP, option, UNREAD_MS)
    return listener


def welcome(url: str, data: Path, *, keyless: bool, rules: CallbackRules) -> str:
    """Say where everything is, with commands to paste."""
    if rules.private:
        reach = "anywhere, this machine and private networks too; --private-callbacks no forbids it"
    else:
        reach = "to public addresses only" + ("" if rules.http else ", by https")
    key = "" if keyless else " -H 'Authorization: Bearer YOUR_KEY'"
    return textwrap.dedent(f"""
        Image labelling is ready.
          Gallery   {url}/
          GraphiQL  {url}/graphql
          Webhooks  go {reach}
          Data      {data.resolve()}

        Try it (any JPEG in place of cat.jpg):
          BLOB=$(curl -s -X POST {url}/blobs{key})
          field() {{ python3 -c "import json,sys; print(json.load(sys.stdin)['$1'])"; }}
          curl -s -T cat.jpg -H 'Content-Type: image/jpeg' "$(echo "$BLOB" | field upload_url)"
          sleep 1; curl -s{key} {url}/blobs/"$(echo "$BLOB" | field blob_id)"

        Stop with Ctrl-C.
        """)


def say(text: str) -> None:
    """Tell the person who started us, at once."""
    print(text, file=sys.stdout, flush=True)


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, end_streams: Callable[[], None], greeting: str
    ) -> None:
        super().__init__(config)
        self._end_streams = end_streams
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            say(self._greeting)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)
