"""Request heads and bodies that are large, slow or never end."""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

from bench.attacks.target import Row, Target, received, status_of
from tests.support.services.processes import cpu_seconds, memory
from tests.support.waiting import wait_until

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = (
    b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"X-Forwarded-For: 192.0.2.7\r\nContent-Length: 1000\r\n\r\n"
)
MAX_TAKEN = 10e6  # bytes: those in the buffers of both sockets, most of them
REFUSED = "limit exceeded, refused"
TOLERANCE = 3.0  # seconds, of a machine that runs the attack too
BODY_SECONDS = 5  # --body-timeout of the target
LIMITS = {"slow headers": 10.0, "silent": 10.0, "idle keep-alive": 5.0, "slow bodies": BODY_SECONDS}


def large_head(target: Target, name: str, begin: bytes, piece: bytes, size: float) -> Row:
    """Send a head without an end, of at most `size` bytes."""
    target.stall = 0
    cpu, before, sent = cpu_seconds(target.pid), memory(target.pid), 0
    with target.connect() as client, suppress(ConnectionError):
        client.sendall(begin)
        while sent < size:
            client.sendall(piece)
            sent += len(piece)
    used, grown = cpu_seconds(target.pid) - cpu, memory(target.pid) - before
    return Row(
        name,
        "10 MB taken, 1 s of CPU, 10 MB of memory",
        f"{sent / 1e6:.1f} MB taken, {used:.2f} s of CPU, {grown:.1f} MB, "
        f"health {target.longest_wait():.0f} ms",
        sent < MAX_TAKEN and used < 1 and grown < 10,  # the bound
    )


def large_heads(target: Target, *, full: bool) -> Iterator[Row]:
    """150 MB in one header value, and 60 MB of short header lines."""
    scale = 1e6 if full else 0.2e6
    yield large_head(target, "header value of 150 MB", HEAD + b"X: ", b"a" * 65_536, 150 * scale)
    yield large_head(target, "short header lines, 60 MB", HEAD, b"a: b\r\n" * 10_000, 60 * scale)


def slow_clients(target: Target, *, full: bool) -> Iterator[Row]:
    """Many connections of each kind at the same time; each must be closed in its time."""
    target.stall = 0
    number = 500 if full else 5
    counts = {"slow headers": number, "silent": number // 5 or 1}
    counts |= {"idle keep-alive": number // 5 or 1, "slow bodies": number // 5 or 1}
    outcomes = asyncio.run(_all_slow(target, counts))
    for name, found in outcomes.items():
        longest = max(seconds for seconds, _ in found)
        statuses = dict(sorted(Counter(status for _, status in found).items()))
        yield Row(
            f"{len(found)} connections, {name}",
            f"closed after {LIMITS[name]:g} s",
            f"the last after {longest:.1f} s; statuses {statuses}, "
            f"health {target.longest_wait():.0f} ms",
            longest < LIMITS[name] + TOLERANCE,
            is_timed=True,
        )


async def _all_slow(target: Target, counts: dict[str, int]) -> dict[str, list[tuple[float, int]]]:
    kinds = [name for name, count in counts.items() for _ in range(count)]
    ended = await asyncio.gather(*(_slow(target, name) for name in kinds))
    return {
        name: [each for kind, each in zip(kinds, ended, strict=True) if kind == name]
        for name in counts
    }


async def _slow(target: Target, kind: str) -> tuple[float, int]:
    """Be one slow client; return the seconds until the server closed, and its last status."""
    reader, writer = await asyncio.open_connection(target.host, target.port)
    began = time.perf_counter()
    first, again = {
        "slow headers": (HEAD, b"a: b\r\n"),
        "silent": (b"", b""),
        "idle keep-alive": (HEAD + b"\r\n", b""),
        "slow bodies": (POST, b" "),
    }[kind]
    response = b""
    with suppress(ConnectionError):
        writer.write(first)
        while True:
            try:
                async with asyncio.timeout(1):
                    part = await reader.read(65_536)
            except TimeoutError:
                writer.write(again)
                continue
            if not part:
                break
            response += part
    writer.transport.abort()
    return time.perf_counter() - began, status_of(response)


def idle_connections(target: Target, *, full: bool, most: int) -> Iterator[Row]:
    """More idle connections than --max-connections, and a new client once they are gone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    number = 2000 if full else most + 10
    target.logged()
    statuses: Counter[int] = Counter()
    with ExitStack() as stack:
        clients = [stack.enter_context(target.connect()) for _ in range(number)]
        for client in clients[most:]:
            statuses[status_of(received(client))] += 1
    lines: list[dict[str, Any]] = []

    def refusals() -> int:
        lines.extend(each for each in target.logged() if each["message"] == REFUSED)
        return len(lines)

    wait_until(refusals)

    def asks() -> int:
        with target.connect() as client:
            client.sendall(HEAD + b"Connection: close\r\n\r\n")
            return status_of(received(client))

    wait_until(lambda: asks() == 200)  # OK
    refusals()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    yield Row(
        f"{number} idle connections",
        f"at most {most} open, others 503, one log line, others served afterwards",
        f"{statuses[503]} refused with 503, {len(lines)} log line, then 200",
        statuses[503] == number - most and len(lines) == 1,
    )
