"""Uploads of clients that are large, slow, silent or gone, through a real server."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from core.storage.base import UploadTarget
from embedded.http.connection_limits import DEFAULT_LIMITS, ConnectionLimits
from embedded.serve import server_options
from tests.support.services.embedded_stores import MAX_UPLOAD
from tests.support.services.object_routes import PICTURE, Routes
from tests.support.waiting import PATIENCE, wait_until


def test_body_may_arrive_in_pieces(routes: Routes) -> None:
    """Empty ones too."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(PICTURE), 1000):
            yield PICTURE[start : start + 1000]
            yield b""

    assert routes.put(content=pieces(), content_length=str(len(PICTURE))).status_code == 200
    routes.assert_kept()


def test_one_of_two_concurrent_puts_succeeds(routes: Routes) -> None:
    """The other gets 409."""
    target = routes.target()
    pictures = (PICTURE, PICTURE[::-1])

    async def both() -> list[httpx.Response]:
        together = asyncio.Barrier(2)

        async def pieces(content: bytes) -> AsyncIterator[bytes]:
            yield content[:100]
            await together.wait()
            yield content[100:]

        transport = httpx.ASGITransport(routes.app)
        async with httpx.AsyncClient(transport=transport) as client:
            return await asyncio.gather(
                *(
                    client.put(
                        target.url,
                        content=pieces(content),
                        headers={**dict(target.headers), "content-length": str(len(content))},
                    )
                    for content in pictures
                )
            )

    answers = asyncio.run(both())
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (winner,) = (n for n, answer in enumerate(answers) if answer.status_code == 200)
    routes.assert_kept(pictures[winner])


Scope = dict[str, Any]


Event = dict[str, Any]


def call(app: FastAPI, target: UploadTarget, length: int, receive: Any) -> list[Event]:
    """Call the application as a server does; return the sent messages."""
    url = urlsplit(target.url)
    headers = [(name.lower().encode(), value.encode()) for name, value in target.headers]
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "http",
        "path": url.path,
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "headers": [*headers, (b"content-length", str(length).encode())],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 5),
    }
    sent: list[Event] = []

    async def send(event: Event) -> None:
        sent.append(event)

    asyncio.run(app(scope, receive, send))
    return sent


def test_large_upload_uses_little_memory(routes: Routes) -> None:
    """15 MB pass through in less than 2 MB."""

    def upload(size: int) -> int:
        routes.blob = routes.stores.awaiting("anna")
        piece = 65_536
        left = size

        async def receive() -> Event:
            nonlocal left
            now = min(left, piece)
            left -= now
            return {"type": "http.request", "body": bytes(now), "more_body": left > 0}

        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert call(routes.app, routes.target(), size, receive)[0]["status"] == 200
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        upload(1000)  # one-time allocations happen now
        assert upload(MAX_UPLOAD) < 2_000_000
    finally:
        tracemalloc.stop()
    assert routes.stores.storage.size(routes.blob.key) == MAX_UPLOAD


@contextmanager
def served(app: FastAPI, limits: ConnectionLimits = DEFAULT_LIMITS) -> Iterator[int]:
    """Serve on a free loopback port with a real server; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, **server_options(limits)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()
    assert not thread.is_alive()


@pytest.mark.parametrize("abrupt", [False, True], ids=["closed", "reset"])
def test_interrupted_put_stores_nothing(routes: Routes, abrupt: bool) -> None:
    """The URL works for the next try."""
    target = routes.target()
    url = urlsplit(target.url)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nhost: testserver\r\ncontent-length: 100000\r\n"
    with served(routes.app) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"{head}content-type: image/jpeg\r\n\r\n".encode() + b"x" * 1000)
            wait_until(
                lambda: any(path.stat().st_size == 1000 for path in routes.stores.incoming())
            )
            if abrupt:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until(lambda: not routes.stores.incoming())
        routes.assert_nothing_happened()
        answer = httpx.put(
            f"http://127.0.0.1:{port}{url.path}?{url.query}",
            content=PICTURE,
            headers=dict(target.headers),
        )
        assert answer.status_code == 200
    routes.assert_kept()


def test_silent_client_gets_408(routes: Routes) -> None:
    """After the limit without a byte. Nothing is stored."""
    url = urlsplit(routes.target().url)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nhost: testserver\r\ncontent-length: 1000\r\n"
    with (
        served(routes.app, ConnectionLimits(body_idle_seconds=0.05)) as port,
        socket.create_connection(("127.0.0.1", port), timeout=30) as client,
    ):
        client.sendall(f"{head}content-type: image/jpeg\r\n\r\nsome".encode())
        response, body = b"".join(iter(lambda: client.recv(1000), b"")).split(b"\r\n\r\n")
        assert response.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body)["code"] == "RequestTimeout"
        wait_until(lambda: not routes.stores.incoming())
    routes.assert_nothing_happened()


def test_rejection_comes_before_the_body(routes: Routes) -> None:
    """With `Expect: 100-continue`, as curl sends it, the client saves the upload."""
    url = urlsplit(routes.target().url)
    head = (
        f"PUT {url.path}?{url.query}0 HTTP/1.1\r\nhost: testserver\r\nexpect: 100-continue\r\n"
        "content-type: image/jpeg\r\ncontent-length: 10000000\r\n\r\n"
    )
    with (
        served(routes.app) as port,
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client,
    ):
        client.sendall(head.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 403 ")
    routes.assert_nothing_happened()
