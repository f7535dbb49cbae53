"""Bounds of open connections."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from core.runtime.refusals import Refusals
from embedded.limits import connections as module
from embedded.limits.concurrency import ConcurrencyLimit, Limits
from embedded.limits.connections import (
    affordable_connections,
    count_connections,
    raise_descriptor_limit,
)
from embedded.proxies import Proxies
from embedded.serve import server_options
from tests.support.waiting import wait_until

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    elif scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await receive()
        await receive()


class Server:
    """A real server that counts its connections."""

    def __init__(self, most: int) -> None:
        limits = Limits(most, per_address=1, per_owner=1)  # this machine has no limit of its own
        self.limit = ConcurrencyLimit("connections", limits, Refusals(), Proxies([]))
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        options = {**server_options(), "timeout_graceful_shutdown": 1}
        config = uvicorn.Config(app, log_level="critical", **options)
        count_connections(config, self.limit)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, daemon=True
        )
        self._thread.start()
        wait_until(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(3)
    yield running
    running.stop()


def ask(connection: socket.socket, request: bytes = REQUEST) -> int:
    connection.sendall(request)
    return int(connection.recv(1000).split()[1])


def test_connection_too_many_gets_503_until_another_ends(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Idle connections and WebSockets count."""
    with ExitStack() as stack:

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(server.address, timeout=10))

        idle, asking, live = (connect() for _ in range(3))
        assert ask(asking) == 204
        assert ask(live, HANDSHAKE) == 101
        for _ in range(3):
            refused = connect()
            response = b"".join(iter(partial(refused.recv, 1000), b""))
            assert response.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 5" in response
            assert b"SERVICE_UNAVAILABLE" in response
        assert ask(asking) == 204
        for ending in (live, idle):
            count = server.limit.total
            ending.close()
            wait_until(lambda count=count: server.limit.total == count - 1)
        assert ask(connect()) == 204
        assert ask(connect(), HANDSHAKE) == 101
        assert connect().recv(1000).startswith(b"HTTP/1.1 503 ")
    wait_until(lambda: server.limit.total == 0)
    assert not server.limit._by_address
    (record,) = caplog.records
    assert (record.message, vars(record)["kind"]) == ("limit exceeded, refused", "connections")


def test_limit_of_open_files_is_raised_to_the_hard_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = min(1024, kept[1])
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowered, kept[1]))
        assert raise_descriptor_limit() == min(kept[1], 2**31)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (kept[1], kept[1])

        def fail(*_: object) -> None:
            raise ValueError("not allowed to raise maximum limit")

        resource.setrlimit(resource.RLIMIT_NOFILE, (lowered, kept[1]))
        monkeypatch.setattr(module.resource, "setrlimit", fail)
        assert raise_descriptor_limit() == lowered
        monkeypatch.undo()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, kept)


@pytest.mark.parametrize(
    ("wanted", "descriptors", "allowed"),
    [
        *[(None, 1_048_576, 10_000), (None, 1024, 384)],
        *[(20_000, 1_048_576, 20_000), (10_000, 1024, 384), (100, 1024, 100), (100, 10, 1)],
    ],
)
def test_connections_leave_descriptors_for_everything_else(
    wanted: int | None, descriptors: int, allowed: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning reports that fewer fit than the operator set."""
    assert affordable_connections(wanted, descriptors) == allowed
    assert bool(caplog.records) is (wanted is not None and allowed < wanted)
