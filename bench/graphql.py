#!/usr/bin/env python3
"""What a GraphQL request costs, compared with graphql-yoga and Apollo Server in the same run.

    npm ci --prefix bench/graphql
    bench/graphql.py [--seconds 2] [--rounds 7] [--connections 16] [--only page] [--gzip] [--smoke]

The service is the embedded one as users start it, over 2,000 labelled blobs in SQLite, with an API
key in each request. The other two answer the same JSON from memory, without keys. All servers run
on one core and the load on another; the servers take turns in slices. Judge by the processor time
per request (of all processes and threads of a server, idle ones too): unlike the requests per
second, it stays the same while other programs use the machine.

The load is one Python process with several connections, each with one request at a time. It sends
up to some 10,000 requests a second, far more than any of the servers takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be this file

import httptools
import httpx
import uvloop

from core.domain.api_key import hash_key, new_key
from core.domain.blob import Blob, BlobStatus, ImageType
from core.domain.clock import new_id, utc_now
from core.domain.label import Label
from core.repositories.ports.owners import ApiKey
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.services.process import ServiceProcess

SERVERS = Path(__file__).with_suffix("")
BLOBS = 2000
SMOKE_BLOBS = 50
NAMES = ("Tabby Cat", "Windowsill", "Flower Pot", "Blanket", "Curtain")
OPERATIONS = {
    "small query": {"query": "{ __typename }"},
    "page of 20 blobs, 5 labels each": {
        "query": """
            query Page($first: Int!, $minConfidence: Float!) {
              blobs(first: $first) {
                pageInfo { hasNextPage endCursor }
                edges {
                  cursor
                  node {
                    id status contentType sizeBytes width height createdAt labelledAt
                    labels(minConfidence: $minConfidence) { name confidence parents }
                  }
                }
              }
            }
        """,
        "variables": {"first": 20, "minConfidence": 50},
    },
    "createUpload": {
        "query": """
            mutation Create($input: CreateUploadInput!) {
              createUpload(input: $input) {
                __typename
                ... on CreatedUpload {
                  blob { id status }
                  target { method url headers { name value } expiresAt maxBytes }
                }
                ... on Error { message }
              }
            }
        """,
        "variables": {"input": {"contentType": "JPEG", "sizeBytes": 123456}},
    },
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server to measure: its name, process and address, and the API key it asks for."""

    name: str
    pid: int
    port: int
    path: str
    key: str | None = None

    def request(self, operation: dict[str, Any], *, gzip: bool) -> bytes:
        """Return a request as it goes over the wire; with `gzip`, it accepts that."""
        body = json.dumps(operation).encode()
        head = [
            f"POST {self.path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Accept: application/graphql-response+json, application/json",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(["Accept-Encoding: gzip"] if gzip else []),
            *([f"Authorization: Bearer {self.key}"] if self.key else []),
        ]
        return "\r\n".join([*head, "", ""]).encode() + body

    def ask(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Send an operation once and return the data."""
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        url = f"http://127.0.0.1:{self.port}{self.path}"
        answer = httpx.post(url, json=operation, headers=headers, timeout=30).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data


@dataclass(slots=True)
class Measured:
    """The figures of the slices of one server and one operation."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # ms for each request
    times: list[float] = field(default_factory=list)  # s

    def __str__(self) -> str:
        times = sorted(self.times)
        p50, p99 = (times[len(times) * rank // 100] * 1000 for rank in (50, 99))
        rate, cpu = statistics.median(self.rates), statistics.median(self.cpu)
        return f"{rate:8.0f} {p50:8.2f} {p99:8.2f} {cpu:8.3f}"


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seconds", type=float, default=2, help="of a slice")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--only", default="", help="part of an operation's name")
    options.add_argument("--gzip", action="store_true", help="accept compressed responses")
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    if given.smoke:
        given.seconds, given.rounds, given.connections = 0.2, 1, 4
    if not (SERVERS / "node_modules").is_dir():
        sys.exit("The other servers are not installed: npm ci --prefix bench/graphql")
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.sched_setaffinity(0, {cores[0]})  # the servers inherit it
        ours = stack.enter_context(service(Path(folder), SMOKE_BLOBS if given.smoke else BLOBS))
        answers = Path(folder) / "answers.json"
        answers.write_text(json.dumps(merged(ours.ask(each) for each in OPERATIONS.values())))
        servers = [ours, *(stack.enter_context(node(name, answers)) for name in ("apollo", "yoga"))]
        os.sched_setaffinity(0, {cores[-1]})
        print(f"{given.rounds} slices of {given.seconds:g} s, {given.connections} connections")
        for name, operation in OPERATIONS.items():
            if given.only in name:
                check(servers, operation)
                show(name, measure(servers, operation, given))


def measure(
    servers: list[Server], operation: dict[str, Any], given: argparse.Namespace
) -> dict[str, Measured]:
    """Load the servers in turn and return the figures of each."""
    measured = {server.name: Measured() for server in servers}
    for number in range(given.rounds + 1):
        for server in servers:
            seconds = given.seconds if number else min(2, given.seconds)  # the first warms up
            request = server.request(operation, gzip=given.gzip)
            before = cpu_seconds(server.pid)
            began = time.perf_counter()
            times = uvloop.run(load(server.port, request, seconds, given.connections))
            took = time.perf_counter() - began
            used = cpu_seconds(server.pid) - before
            if number:
                found = measured[server.name]
                found.rates.append(len(times) / took)
                found.cpu.append(used * 1000 / len(times))
                found.times.extend(times)
    return measured


def show(name: str, measured: dict[str, Measured]) -> None:
    print(f"\n{name:36} {'rps':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8}")
    ours = measured["service"]
    for server, found in measured.items():
        ratios = [mine / other for mine, other in zip(ours.cpu, found.cpu, strict=True)]
        told = "" if found is ours else f"   service's CPU: {statistics.median(ratios):.2f} of it"
        print(f"  {server:34} {found}{told}")


def check(servers: list[Server], operation: dict[str, Any]) -> None:
    """Assert that all servers answer alike, except for values that each answer generates."""
    first, *others = (server.ask(operation) for server in servers)
    for other in others:
        assert shape(other) == shape(first), "the servers answer differently"


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return float if isinstance(value, int) else type(value)


def merged(answers: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for answer in answers for name, value in answer.items()}


# The servers


@contextmanager
def service(data: Path, blobs: int) -> Iterator[Server]:
    """Run the embedded service over blobs of one owner, who has an API key."""
    settings = Settings(data=data, uploads_per_minute=0, open_uploads=0)
    stores = open_stores(settings)
    key, now = new_key(), utc_now()
    stores.owners.add_key(ApiKey(hash_key(key), "anna", "", now))
    with stores.database.write():
        for number in range(blobs):
            # In the future, so that the uploads of the run are listed after them.
            at = now + timedelta(days=1, seconds=-number)
            stores.blobs.create(
                Blob(
                    id=new_id(at),
                    owner="anna",
                    status=BlobStatus.LABELLED,
                    content_type=ImageType.JPEG,
                    created_at=at,
                    max_labels=10,
                    min_confidence=55.0,
                    size=123_456,
                    sha256="rpSoBIUbmRsXFMwx0V3GdJCFnE0VRHjFdl1UYuRnTRU=",
                    width=640,
                    height=480,
                    uploaded_at=at,
                    finished_at=at,
                    labels=tuple(
                        Label(name, 97.5 - 8.25 * place, ("Animal", "Thing"))
                        for place, name in enumerate(NAMES)
                    ),
                    detector="bench",
                    version=3,
                )
            )
    stores.database.close()
    unlimited = (
        *("--uploads-per-minute", "0", "--open-uploads", "0", "--requests-per-second", "0"),
        *("--log-level", "warning"),
    )
    process = ServiceProcess(data, *unlimited).start()
    try:
        yield Server("service", process.pid, int(process.url.rpartition(":")[2]), "/graphql", key)
    finally:
        process.stop()


@contextmanager
def node(name: str, answers: Path) -> Iterator[Server]:
    process = subprocess.Popen(
        ["node", SERVERS / "server.mjs", name, ROOT / "schema.graphql", answers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "NODE_ENV": "production"},
    )
    assert process.stdin
    assert process.stdout
    try:
        yield Server(name, process.pid, int(process.stdout.readline()), "/")
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its children, ended ones included."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    used = sum(int(value) for value in values[11:15]) / os.sysconf("SC_CLK_TCK")
    for task in Path(f"/proc/{pid}/task").iterdir():
        used += sum(cpu_seconds(int(child)) for child in (task / "children").read_text().split())
    return used


# The load


async def load(port: int, request: bytes, seconds: float, connections: int) -> list[float]:
    """Send requests for some seconds; return the seconds that each took."""
    until = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    clients = [Client(request, until) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
    for client in clients:
        await asyncio.wait_for(client.done, seconds + 30)
    return [each for client in clients for each in client.times]


class Client(asyncio.Protocol):
    """A connection that sends one request at a time."""

    def __init__(self, request: bytes, until: float) -> None:
        self.times: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        self._request = request
        self._until = until

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        assert self._parser.get_status_code() == 200
        self.times.append(now - self._began)
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None and time.perf_counter() >= self._until:
            self.done.set_result(None)
        else:
            self.done.set_exception(exc or ConnectionResetError("the server hung up"))

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._began = time.perf_counter()
        self._transport.write(self._request)


if __name__ == "__main__":
    main()
