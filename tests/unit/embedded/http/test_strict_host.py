"""Host headers that two readers could understand differently."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from embedded.http.app import allowed_origins
from embedded.http.strict_host import StrictHost
from embedded.serve import server_options
from tests.support.problems import read_problem
from tests.support.services.app_client import AppClient

HANDSHAKE = (
    "upgrade: websocket",
    "connection: upgrade",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
)


async def inner(scope: Scope, _receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    elif scope["type"] == "websocket":
        await send({"type": "websocket.accept"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a real server with the middleware."""
    config = uvicorn.Config(
        StrictHost(inner), host="127.0.0.1", port=0, log_level="critical", **server_options()
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def status(port: int, *lines: str, version: str = "1.1") -> int:
    """Send a request with these header lines as they are; return the status."""
    request = "\r\n".join([f"GET / HTTP/{version}", *lines, "", ""])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.encode("latin-1"))
        return int(connection.recv(1000).split()[1])


@pytest.mark.parametrize(
    "lines",
    [
        ("host: localhost", "host: localhost"),
        ("host: localhost", "host: evil.example"),
        ("host: localhost", "Host: localhost"),
        ("host: anna@localhost",),
        ("host: anna:secret@localhost:8000",),
        ("host: localhost:8000@evil.example",),
        ("host: localhost/path",),
        ("host: localhost, evil.example",),
        ("host: localhost evil.example",),
        ("host: localhost:port",),
        ("host: [::1",),
        ("host: loc\xe4lhost",),
        ("host: localhost", "origin: http://localhost", "origin: http://evil.example"),
        (),
    ],
)
@pytest.mark.parametrize("handshake", [(), HANDSHAKE], ids=["http", "websocket"])
def test_ambiguous_host_is_rejected(
    port: int, lines: tuple[str, ...], handshake: tuple[str, ...]
) -> None:
    assert status(port, *lines, *handshake) == 400


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1:80", "[::1]:8000", "a_b.example", "xn--a", ""],
)
def test_plain_host_is_accepted(port: int, host: str) -> None:
    assert status(port, f"host: {host}") == 204
    assert status(port, f"host: {host}", *HANDSHAKE) == 101


def test_rejection_is_a_problem() -> None:
    with AppClient(StrictHost(inner)) as client:
        answer = client.get("/v1/blobs/x", headers={"host": "anna@localhost"})
    assert "without user info" in read_problem(answer, "BAD_REQUEST")["detail"]


def test_http_1_0_needs_no_host(port: int) -> None:
    assert status(port, version="1.0") == 204


def test_server_without_denial_responses_closes_the_socket() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "websocket", "headers": []}
    asyncio.run(StrictHost(inner)(scope, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close"}]


def test_lifespan_passes() -> None:
    asyncio.run(StrictHost(inner)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keyless", "given", "allowed"),
    [
        (True, ("auto",), ("loopback",)),
        (False, ("auto",), ()),
        (False, ("loopback",), ("loopback",)),
        (False, ("auto", "https://a.example"), ("https://a.example",)),
        (True, ("https://a.example",), ("https://a.example",)),
    ],
)
def test_keyed_service_allows_pages_of_this_machine_only_if_listed(
    keyless: bool, given: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    assert allowed_origins(given, keyless=keyless) == allowed
