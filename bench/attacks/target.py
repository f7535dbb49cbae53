"""A service under attack, what it uses, and the row that an attack adds to the table."""

from __future__ import annotations

import http.client
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.images.models import link_models
from tests.support.services.process import ServiceProcess
from tests.support.waiting import wait_until

SECONDS = 60  # that a socket waits; far more than any limit


@dataclass(frozen=True, slots=True)
class Row:
    """An attack, the bound that must hold, what was measured, and whether it held.

    `is_timed` marks a bound of time, which a smoke run does not judge.
    """

    attack: str
    bound: str
    measured: str
    held: bool
    is_timed: bool = False


class Target:
    """A running service, watched by a client that asks for its health again and again."""

    def __init__(self, service: ServiceProcess) -> None:
        self.service = service
        self.pid = service.pid
        self.url = service.url
        self.netloc = urlsplit(service.url).netloc
        self.host, port = self.netloc.split(":")
        self.port = int(port)
        self.stall = 0.0  # seconds: the longest response to a health check since the last reset
        self.failed_checks = 0
        self._checks = 0
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection((self.host, self.port), timeout=SECONDS)

    def stop(self) -> None:
        """Stop the watcher."""
        self._stopping.set()
        self._watcher.join(SECONDS)

    def longest_wait(self) -> float:
        """Return the milliseconds of the slowest health check since the last reset."""
        begun = self._checks
        wait_until(lambda: self._checks > begun + 1)
        return self.stall * 1000

    def logged(self) -> list[dict[str, Any]]:
        """Return the log lines since the last call."""
        lines = []
        while True:
            try:
                lines.append(self.service.logs.get_nowait())
            except queue.Empty:
                return lines

    def _watch(self) -> None:
        client = http.client.HTTPConnection(self.netloc, timeout=SECONDS)
        while not self._stopping.wait(0.02):
            began = time.perf_counter()
            try:
                client.request("GET", "/healthz")
                healthy = client.getresponse().read() == b'{"status":"ok"}'
            except (OSError, http.client.HTTPException):
                client.close()
                healthy = False
            self._checks += 1
            self.failed_checks += not healthy
            self.stall = max(self.stall, time.perf_counter() - began)
        client.close()


@contextmanager
def running(data: Path, model: Path | None, *flags: str) -> Iterator[Target]:
    """Run a service over a data folder; it takes the model of another one, if there is one."""
    if model is not None:
        link_models(data, model)
    service = ServiceProcess(data, *flags).start()
    target = Target(service)
    try:
        yield target
    finally:
        target.stop()
        service.stop()


def received(client: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection."""
    parts = []
    try:
        while part := client.recv(65_536):
            parts.append(part)
    except ConnectionError:  # it closes with bytes of ours unread
        pass
    return b"".join(parts)


def status_of(response: bytes) -> int:
    """Return the status of the last response; 0 if there is none."""
    _, found, rest = response.rpartition(b"HTTP/1.1 ")
    return int(rest[:3]) if found else 0
