"""The time limits of an HTTP connection, on a clock that the test sets."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from embedded.http.connection_limits import ConnectionLimits, bounded_by

LIMITS = ConnectionLimits(
    head_seconds=10, keep_alive_seconds=5, body_idle_seconds=30, body_seconds=100
)
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
BEGUN = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


class Timer:
    def __init__(self, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.run = lambda: call(*args)
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Task:
    """Work that the test runs, without a pause."""

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self.work = work

    def add_done_callback(self, _call: object) -> None: ...

    def run(self) -> None:
        with suppress(StopIteration):
            self.work.send(None)


class Loop:
    """The part of an event loop that a connection uses."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, int, Timer]] = []
        self.timers_set = 0
        self.tasks: list[Task] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[..., None], *args: Any) -> Timer:
        self.timers_set += 1
        timer = Timer(call, args)
        heapq.heappush(self.timers, (at, self.timers_set, timer))
        return timer

    def call_later(self, seconds: float, call: Callable[..., None], *args: Any) -> Timer:
        return self.call_at(self.now + seconds, call, *args)

    def create_task(self, work: Coroutine[Any, Any, None]) -> Task:
        self.tasks.append(Task(work))
        return self.tasks[-1]


class Transport:
    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 5) if name in ("peername", "sockname") else None

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_protocol(self, _protocol: object) -> None: ...


class WebSocket:
    """What takes over an upgraded connection."""

    def __init__(self, **_: object) -> None: ...

    def connection_made(self, _transport: object) -> None: ...

    def data_received(self, _data: bytes) -> None: ...


class Client:
    """A client of one connection; the test decides when it is answered."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.transport = Transport()
        config = uvicorn.Config(answer, http=bounded_by(LIMITS), log_config=None, access_log=False)
        config.load()
        config.ws_protocol_class = WebSocket
        self.connection = bounded_by(LIMITS)(
            config=config, server_state=ServerState(), app_state={}, _loop=self.loop
        )
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    def send(self, data: bytes) -> None:
        assert not self.transport.closed
        self.connection.data_received(data)

    def wait(self, seconds: float) -> None:
        """Let time pass, with all that is due meanwhile."""
        until = self.loop.now + seconds
        while self.loop.timers and self.loop.timers[0][0] <= until:
            self.loop.now, _, timer = heapq.heappop(self.loop.timers)
            if not timer.cancelled:
                timer.run()
        self.loop.now = until

    def get_response(self) -> bytes:
        """Have the next request answered; return the response."""
        before = len(self.transport.written)
        self.loop.tasks.pop(0).run()
        return self.transport.written[before:]

    @property
    def is_open(self) -> bool:
        return not self.transport.closed

    @property
    def error(self) -> str:
        """The code of the error response."""
        head, _, body = self.transport.written.rpartition(b"\r\n\r\n")
        problem: dict[str, Any] = json.loads(body)
        assert b"content-type: application/problem+json" in head
        assert f" {problem['status']} ".encode() in head
        code: str = problem["code"]
        return code


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body"})


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.connection.connection_lost(None)
    for task in client.loop.tasks:
        task.work.close()


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_head_must_be_complete_in_time(client: Client, sent: bytes) -> None:
    for byte in sent:
        client.send(bytes([byte]))
        client.wait(0.1)
    client.wait(9.9 - 0.1 * len(sent))
    assert client.is_open
    client.wait(0.2)
    assert not client.is_open
    assert (b"408" in client.transport.written) == sent.startswith(b"GET")


def test_response_may_take_any_time(client: Client) -> None:
    client.send(REQUEST)
    client.wait(100_000)
    assert client.is_open
    assert client.get_response().startswith(b"HTTP/1.1 200")


def test_next_head_has_its_own_time(client: Client) -> None:
    for _ in range(3):
        client.wait(4)
        client.send(REQUEST[:20])
        client.wait(4)
        client.send(REQUEST[20:])
        client.get_response()
    client.wait(4)
    client.send(REQUEST[:20])
    client.wait(9.9)
    assert client.is_open
    client.wait(0.2)
    assert not client.is_open
    assert client.error == "RequestTimeout"


def test_idle_connection_is_closed_after_its_keep_alive_time(client: Client) -> None:
    client.send(REQUEST)
    client.get_response()
    client.wait(4.9)
    assert client.is_open
    client.wait(0.2)
    assert not client.is_open


def test_empty_lines_extend_no_time(client: Client) -> None:
    client.send(REQUEST)
    client.get_response()
    for _ in range(9):
        client.wait(1)
        client.send(b"\r\n")
    assert client.is_open
    client.wait(2.1)
    assert not client.is_open


def test_empty_lines_during_a_response_are_harmless(client: Client) -> None:
    client.send(REQUEST)
    client.send(b"\r\n")
    client.wait(1000)
    assert client.is_open
    assert client.get_response().startswith(b"HTTP/1.1 200")


def test_body_that_makes_progress_has_its_whole_time(client: Client) -> None:
    client.send(BEGUN)
    for _ in range(4):
        client.wait(24)
        client.send(b"x")
    assert client.is_open
    client.wait(3.9)
    assert client.is_open
    client.wait(0.2)
    assert not client.is_open
    assert client.error == "RequestTimeout"


def test_body_without_progress_ends_the_request(client: Client) -> None:
    """The route's own response is dropped."""
    client.send(BEGUN)
    client.wait(29.9)
    assert client.is_open
    client.wait(0.2)
    assert not client.is_open
    assert client.error == "RequestTimeout"
    assert client.get_response() == b""


def test_time_while_the_service_does_not_read_is_not_the_clients(client: Client) -> None:
    client.send(BEGUN)
    client.send(b"x" * 100_000)
    assert client.connection.flow.read_paused
    client.wait(10_000)
    assert client.is_open
    client.connection.flow.resume_reading()
    client.wait(61)
    assert not client.is_open


def test_body_after_its_response_has_a_limit_too(client: Client) -> None:
    """Without a second response."""
    client.send(BEGUN)
    client.get_response()
    for _ in range(11):
        if client.is_open:
            client.send(b"x")
        client.wait(10)
    assert not client.is_open
    assert client.transport.written.count(b"HTTP/1.1") == 1


def test_half_a_pipelined_head_ends_the_connection_without_a_response(client: Client) -> None:
    """The response in progress can't be finished before it."""
    client.send(REQUEST + REQUEST[:10])
    client.wait(9.9)
    assert client.is_open
    client.wait(0.2)
    assert not client.is_open
    assert client.transport.written == b""


def test_complete_requests_set_hardly_any_timers(client: Client) -> None:
    """Uvicorn sets one for keep-alive after each response; ours are one in ten seconds."""
    before = client.loop.timers_set
    for _ in range(1000):
        client.send(REQUEST)
        client.get_response()
        client.wait(0.02)
    assert client.loop.timers_set - before <= 1000 + 2


def test_upgraded_connection_has_no_limits_of_a_request(client: Client) -> None:
    """Those of the WebSocket protocol follow."""
    client.send(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert all(timer.cancelled for _, _, timer in client.loop.timers)
