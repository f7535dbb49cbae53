"""Limits of HTTP connections, over real sockets.

Each test makes one limit small and leaves the others as they are. The server closes the connection
when the limit is exceeded, however long the machine takes: nothing here measures time.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from embedded.http.connection_limits import ConnectionLimits
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.live_server import LiveServer
from tests.support.waiting import wait_until

Connect = Callable[..., socket.socket]

QUERY = b'{"query": "{ __typename }"}'
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = (
    b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
    b"Content-Type: application/json\r\n"
)
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SECONDS = 30  # in which the server must answer; far more than it takes


@pytest.fixture
def connect(stores: EmbeddedStores) -> Iterator[Connect]:
    """Connect to a server with the given limits."""
    opened: list[Any] = []

    def open_connection(**limits: Any) -> socket.socket:
        server = LiveServer(stores, limits=ConnectionLimits(**limits)).__enter__()
        opened.append(server)
        host, port = server.address.split(":")
        client = socket.create_connection((host, int(port)), timeout=SECONDS)
        opened.append(client)
        return client

    yield open_connection
    for each in reversed(opened):
        each.__exit__(None, None, None)


def received(client: socket.socket) -> bytes:
    """Return all that the server sends until it closes the connection."""
    parts = []
    with suppress(ConnectionResetError):  # it closes with bytes of ours unread
        while part := client.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def send(client: socket.socket, *parts: bytes) -> None:
    """Send what the server takes before it closes the connection."""
    with suppress(ConnectionError):
        for part in parts:
            client.sendall(part)


def drip(client: socket.socket, piece: bytes) -> bytes:
    """Send a piece again and again until the server closes the connection; return its response."""
    client.settimeout(0.01)
    parts: list[bytes] = []
    with suppress(ConnectionError):
        while b"" not in parts:
            client.sendall(piece)
            with suppress(TimeoutError):
                parts.append(client.recv(65_536))
    return b"".join(parts)


def error_in(response: bytes) -> tuple[int, str]:
    """Return the status and the code of an error response."""
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(body)["code"]


MUCH = 100_000_000  # bytes, more than the sockets buffer
TOO_LARGE = (431, "RequestHeaderSectionTooLarge")
TIMEOUT = (408, "RequestTimeout")


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([HEAD, b"X: ", *[b"a" * 10_000] * 100], id="one value"),
        pytest.param([HEAD, *[b"a: b\r\n"] * 200], id="many fields"),
        pytest.param([b"GET /", *[b"a" * 10_000] * 100], id="request target"),
        pytest.param([HEAD + b"X: " + b"a" * 70_000 + b"\r\n\r\n"], id="in one piece"),
        pytest.param([HEAD + b"a: b\r\n" * 101 + b"\r\n"], id="many fields in one piece"),
        pytest.param([*[b"\r\n" * 5000] * 100], id="empty lines"),
    ],
)
def test_large_head_is_rejected(connect: Connect, parts: list[bytes]) -> None:
    """Before its end, and before any key is checked."""
    client = connect()
    send(client, *parts)
    response = received(client)
    if response:  # a reset may overtake it
        assert error_in(response) == TOO_LARGE


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b"0\r\n", *[b"a: " + b"b" * 10_000 + b"\r\n"] * 99], id="bytes"),
        pytest.param([b"0\r\n", *[b"a: b\r\n"] * 200], id="fields"),
        pytest.param([b"0\r\n" + b"a: b\r\n" * 101 + b"\r\n"], id="fields in one piece"),
        pytest.param([b"5;", *[b"a" * 10_000] * 100], id="chunk extension"),
    ],
)
def test_large_trailer_section_or_framing_is_rejected(connect: Connect, parts: list[bytes]) -> None:
    client = connect()
    send(client, CHUNKED, *parts)
    response = received(client)
    if response:
        assert error_in(response) == TOO_LARGE


def test_server_stops_reading_a_large_head(connect: Connect) -> None:
    client = connect()
    client.sendall(HEAD + b"X: ")
    sent = 0
    with suppress(ConnectionError):
        while sent < MUCH:
            sent += client.send(b"a" * 65_536)
    assert sent < MUCH


def test_head_and_trailers_within_the_limits_are_accepted(connect: Connect) -> None:
    """A hundred fields and almost 64 KB. Trailer fields do not become header fields."""
    client = connect()
    fields = b"".join(b"x%d: " % number + b"a" * 600 + b"\r\n" for number in range(95))
    client.sendall(POST + b"Transfer-Encoding: chunked\r\n" + fields + b"\r\n")
    client.sendall(b"%x\r\n" % len(QUERY) + QUERY + b"\r\n0\r\n" + b"authorization: x\r\n" * 99)
    client.sendall(b"\r\n" + HEAD + b"Connection: close\r\n\r\n")
    response = received(client)
    assert response.count(b"HTTP/1.1 200 OK") == 2
    assert b'"__typename"' in response


def test_slow_head_is_rejected(connect: Connect) -> None:
    client = connect(head_seconds=0.1)
    client.sendall(HEAD)
    assert error_in(received(client)) == TIMEOUT


def test_slow_head_that_keeps_sending_is_rejected(connect: Connect) -> None:
    """The limit is for the whole head."""
    client = connect(head_seconds=0.3)
    client.sendall(HEAD)
    response = drip(client, b"x: y\r\n")
    if response:  # a reset may overtake it
        assert error_in(response) == TIMEOUT


def test_silent_connection_is_closed(connect: Connect) -> None:
    """Without a response, as there is no request."""
    assert received(connect(head_seconds=0.1)) == b""


def test_second_head_has_the_same_limit(connect: Connect) -> None:
    client = connect(head_seconds=1)
    client.sendall(HEAD + b"\r\n")
    assert client.recv(1000).startswith(b"HTTP/1.1 200")
    client.sendall(HEAD)
    assert error_in(received(client)) == TIMEOUT


def test_empty_lines_keep_no_connection_open(connect: Connect) -> None:
    """A server ignores them before a request line (RFC 9112, 2.2)."""
    assert drip(connect(head_seconds=0.3), b"\r\n") == b""


def test_idle_connection_is_closed_after_a_response(connect: Connect) -> None:
    client = connect(keep_alive_seconds=0.1)
    client.sendall(HEAD + b"\r\n")
    assert received(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1000\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"]
)
def test_body_without_progress_is_rejected(connect: Connect, framing: bytes) -> None:
    """The route gets no more of it, and its own response is dropped."""
    client = connect(body_idle_seconds=0.1)
    client.sendall(POST + framing)
    assert error_in(received(client)) == TIMEOUT


def test_slow_body_that_keeps_sending_is_rejected(connect: Connect) -> None:
    """The limit is for the whole body."""
    client = connect(body_seconds=0.3)
    client.sendall(POST + b"Content-Length: 1000000\r\n\r\n")
    response = drip(client, b" ")
    if response:
        assert error_in(response) == TIMEOUT


def test_slow_heads_occupy_nothing_but_their_sockets(
    stores: EmbeddedStores, caplog: pytest.LogCaptureFixture
) -> None:
    """Other requests are answered meanwhile. A log line stands for many of them."""
    with LiveServer(stores, limits=ConnectionLimits(head_seconds=1)) as server:
        host, port = server.address.split(":")
        slow = []
        for _ in range(200):
            client = socket.create_connection((host, int(port)), timeout=SECONDS)
            client.sendall(HEAD)  # at once: without a byte it would be closed without an answer
            slow.append(client)
        answer = httpx.get(f"http://{server.address}/healthz", timeout=SECONDS)
        assert answer.status_code == 200
        for client in slow:
            assert error_in(received(client)) == TIMEOUT
            client.close()
        wait_until(lambda: not server.connections())
    lines = [each for each in caplog.records if each.message == "limit exceeded, refused"]
    assert 1 <= len(lines) < 20
    assert (vars(lines[0])["address"], vars(lines[0])["limit"]) == ("127.0.0.1", "RequestTimeout")
