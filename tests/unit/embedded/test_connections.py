"""Bounds of open connections."""

from __future__ import annotations

import logging
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from embedded import connections as module
from embedded.connections import (
    ConnectionCounts,
    affordable_connections,
    count_connections,
    raise_descriptor_limit,
)
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
        self.counts = ConnectionCounts(most, 1)  # this machine has no bound of its own
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        options = {**server_options(), "timeout_graceful_shutdown": 1}
        config = uvicorn.Config(app, log_level="critical", **options)
        count_connections(config, self.counts)
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
            assert refused.recv(1000).startswith(b"HTTP/1.1 503 ")
            assert refused.recv(1000) == b""
        assert ask(asking) == 204
        for ending in (live, idle):
            count = server.counts.total
            ending.close()
            wait_until(lambda count=count: server.counts.total == count - 1)
        assert ask(connect()) == 204
        assert ask(connect(), HANDSHAKE) == 101
        assert connect().recv(1000).startswith(b"HTTP/1.1 503 ")
    wait_until(lambda: server.counts.total == 0)
    assert not server.counts._open
    messages = [record.message for record in caplog.records]
    assert messages == ["too many connections, new ones are refused"]


def test_address_has_a_bound_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    counts = ConnectionCounts(100, 2)
    assert [counts.add("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert counts.add("192.0.2.2")
    assert [counts.add(f"2001:db8::{n}") for n in range(3)] == [True, True, False]
    assert all(counts.add("127.0.0.1") for _ in range(10))
    assert all(counts.add("::1") for _ in range(10))
    counts.remove("192.0.2.1")
    assert counts.add("192.0.2.1")
    (record,) = caplog.records
    assert (vars(record)["address"], vars(record)["limit"]) == ("192.0.2.1", 2)


def test_bound_that_stays_met_is_logged_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    counts = ConnectionCounts(1, 1, lambda: now[0])
    counts.add("192.0.2.1")
    for seconds in range(25):
        now[0] = float(seconds)
        assert not counts.add("192.0.2.2")
    assert len(caplog.records) == 3
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


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
