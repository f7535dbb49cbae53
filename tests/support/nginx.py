"""A real nginx in front of the service, with the configuration of the documentation."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Final, Self

import pytest

from tests.support.certificates import Authority
from tests.support.waiting import PATIENCE, wait_until

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "nginx.conf"
NGINX: Final = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
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


def require_nginx() -> None:
    """Skip the test, with the reason, where there is no nginx; fail in CI."""
    if NGINX:
        return
    missing = "nginx is not installed: apt-get install nginx-light"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


class Nginx:
    """Runs examples/nginx.conf on a loopback port before a service that listens on `service_port`.

    `changes` are replacements in its text, such as those that the documentation names.
    """

    def __init__(self, folder: Path, service_port: int, changes: dict[str, str]) -> None:
        folder.mkdir()
        self.port = free_port()
        authority = Authority(folder)
        authority.server("127.0.0.1")
        self.trusted = authority.trusted()
        site = EXAMPLE.read_text()
        for old, new in {
            **changes,
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "/etc/ssl/private/example.com.pem": f"{folder}/127.0.0.1.pem",
            "http://127.0.0.1:8000": f"http://127.0.0.1:{service_port}",
        }.items():
            assert old in site
            site = site.replace(old, new)
        (folder / "site.conf").write_text(site)
        (folder / "nginx.conf").write_text(_AROUND.format(folder=folder))
        self._folder = folder

    def __enter__(self) -> Self:
        assert NGINX
        log = str(self._folder / "error.log")
        self._process = subprocess.Popen(
            [NGINX, "-p", self._folder, "-e", log, "-c", self._folder / "nginx.conf"]
        )
        wait_until(self._answers)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=PATIENCE)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "error.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def free_port() -> int:
    """Return a port that nobody listens on now, to start something on it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
