"""Real proxies in front of the service, with the configurations of the documentation."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Final, Self

import pytest

from tests.support.waiting import PATIENCE, wait_until
from tests.support.webhooks.certificates import Authority

EXAMPLES: Final = Path(__file__).parents[3] / "examples"
PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin"
# What Debian's own nginx.conf provides around a site, in one process and in a folder.
_AROUND: Final = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class Proxy:
    """Runs a proxy with TLS on a loopback port before a service that listens on `service_port`.

    `changes` are replacements in the text of its example, such as those that the documentation
    names.
    """

    program: str
    package: str
    example: str

    def __init__(self, folder: Path, service_port: int, changes: dict[str, str]) -> None:
        found = shutil.which(self.program, path=PATH)
        if not found:
            missing = f"{self.program} is not installed: apt-get install {self.package}"
            if os.environ.get("CI"):
                pytest.fail(missing)
            pytest.skip(missing)
        folder.mkdir()
        self.found = found
        self.folder = folder
        self.port = free_port()
        authority = Authority(folder)
        authority.server("127.0.0.1")
        self.trusted = authority.trusted()
        site = (EXAMPLES / self.example).read_text()
        for old, new in {**changes, **self.local(service_port)}.items():
            assert old in site
            site = site.replace(old, new)
        (folder / "site.conf").write_text(site)

    def local(self, service_port: int) -> dict[str, str]:
        """Return the replacements for this machine."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Return the command that runs the proxy until it is stopped."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        with (self.folder / "error.log").open("w") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder)},
            )
        wait_until(self._answers)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=PATIENCE)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "error.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Nginx(Proxy):
    """Runs examples/nginx.conf."""

    program, package, example = "nginx", "nginx-light", "nginx.conf"

    def __init__(self, folder: Path, service_port: int, changes: dict[str, str]) -> None:
        self.plain_port = free_port()
        self.log = folder / "access.log"
        super().__init__(folder, service_port, changes)

    def local(self, service_port: int) -> dict[str, str]:
        """Return the replacements for this machine."""
        return {
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "    listen [::]:80;\n": "",  # a machine of tests may lack IPv6
            "    listen [::]:443 ssl http2;\n": "",
            "/var/log/nginx/labelling.log": str(self.log),
            "/etc/ssl/private/example.com.pem": f"{self.folder}/127.0.0.1.pem",
            "http://127.0.0.1:8000": f"http://127.0.0.1:{service_port}",
        }

    def command(self) -> list[str]:
        """Return the command that runs the proxy until it is stopped."""
        configuration = self.folder / "nginx.conf"
        configuration.write_text(_AROUND.format(folder=self.folder))
        log = str(self.folder / "error.log")
        return [self.found, "-p", str(self.folder), "-e", log, "-c", str(configuration)]


class Caddy(Proxy):
    """Runs examples/Caddyfile."""

    program, package, example = "caddy", "caddy", "Caddyfile"

    def local(self, service_port: int) -> dict[str, str]:
        """Return the replacements for this machine."""
        certificate = f"{self.folder}/127.0.0.1.pem"
        address = f"https://127.0.0.1:{self.port}"
        return {
            "{$DOMAIN:labels.example.com} {": f"{{\n\tadmin off\n\tauto_https off\n}}\n"
            f"{address} {{\n\ttls {certificate} {certificate}",
            "{$SERVICE:127.0.0.1:8000}": f"127.0.0.1:{service_port}",
        }

    def command(self) -> list[str]:
        """Return the command that runs the proxy until it is stopped."""
        site = str(self.folder / "site.conf")
        return [self.found, "run", "--adapter", "caddyfile", "--config", site]


def free_port() -> int:
    """Return a port that nobody listens on now, to start something on it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
