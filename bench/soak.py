#!/usr/bin/env python3
"""Whether the embedded service levels off under a steady load of every kind.

    bench/soak.py [--minutes 12] [--uploads 3] [--sockets 200] [--smoke]

The load: uploads of photographs (half of them with bytes that were never seen), a deletion for each
upload once 300 blobs are kept, queries of every list, thumbnails, relabels, idle WebSockets that
subscribe, a WebSocket that receives every event, and clients of Server-Sent Events that vanish
without a word, some in the middle of their request.

The memory of the service and of its children, descriptors, threads and the size of the write-ahead
log are sampled. Each levels off if the mean of the last third of the run is not above that of the
middle third, except by what its kind varies. The exit status is 1 if one of them does not, or if a
request failed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.support.images.photos import as_jpeg, photo
from tests.support.services.process import CREATE, ServiceProcess
from tests.support.services.processes import children, descriptors, memory, threads

KEPT = 300  # blobs; beyond it the oldest is deleted for each upload
SAMPLE_SECONDS = 5.0
CHANCE = random.Random(1)  # noqa: S311  # the same load each time
SUBSCRIBE = (
    "subscription ($labels: LabelFilter) "
    "{ blobEvents(filter: {kinds: [LABELLED], labels: $labels}) { blob { id labels { name } } } }"
)
DELETE = "mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename } }"
RELABEL = "mutation ($id: ID!) { relabelBlob(blobId: $id) { __typename } }"
QUERIES = (
    "{ blobs(first: 50) { nodes { id status thumbnailUrl labels { name confidence } } } }",
    '{ blobsByLabel(label: "Cat", first: 50) { nodes { id } } }',
    "{ labels(first: 50) { nodes { name blobCount } } }",
)
# What a mean may exceed the earlier one by, as a part of it and in its own unit.
MEASURES = {
    "service memory, MB": (0.02, 2.0),
    "children memory, MB": (0.05, 10.0),  # of pictures that are decoded at the moment
    "descriptors": (0.0, 4.0),
    "threads": (0.0, 2.0),
    "WAL, MB": (0.0, 1.0),
    "subscriptions": (0.0, 5.0),
}


@dataclass
class Load:
    """The clients of one run."""

    service: ServiceProcess
    client: httpx.AsyncClient
    pictures: list[bytes]
    kept: deque[str] = field(default_factory=deque)
    done: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Execute an operation; errors are counted."""
        body = {"query": query, "variables": variables}
        answer = (await self.client.post("/graphql", json=body)).json()
        for each in answer.get("errors", ()):
            self.errors[each["message"][:100]] += 1
        return dict(answer.get("data") or {})

    async def upload(self, number: int) -> None:
        """Upload a picture, and delete the oldest one beyond those that are kept."""
        created = (await self.ask(CREATE, input={"contentType": "JPEG"}))["createUpload"]
        target = created["target"]
        headers = {each["name"]: each["value"] for each in target["headers"]}
        picture = self.pictures[number % len(self.pictures)]
        unseen = os.urandom(16) if number % 2 else b""
        sent = await self.client.put(target["url"], content=picture + unseen, headers=headers)
        if sent.status_code != httpx.codes.OK:
            self.errors[f"PUT {sent.status_code}"] += 1
        self.kept.append(created["blob"]["id"])
        if len(self.kept) > KEPT:
            await self.ask(DELETE, id=self.kept.popleft())
            self.done["deletions"] += 1

    async def query(self, number: int) -> None:
        """Ask for a page; fetch a thumbnail of it now and then."""
        (page,) = (await self.ask(QUERIES[number % len(QUERIES)])).values()
        urls = [each["thumbnailUrl"] for each in page["nodes"] if each.get("thumbnailUrl")]
        if urls:
            status = (await self.client.get(CHANCE.choice(urls))).status_code
            if status not in (httpx.codes.OK, httpx.codes.NOT_FOUND):  # deleted meanwhile
                self.errors[f"thumbnail {status}"] += 1
            self.done["thumbnails"] += 1

    async def relabel(self, _number: int) -> None:
        """Have a picture labelled again."""
        if self.kept:
            await self.ask(RELABEL, id=CHANCE.choice(self.kept))

    async def vanish(self, number: int) -> None:
        """Subscribe by Server-Sent Events, and vanish: with a reset, or in the middle of it."""
        url = urlsplit(self.service.url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        body = json.dumps({"query": SUBSCRIBE}).encode()
        head = (
            f"POST /graphql HTTP/1.1\r\nHost: {url.netloc}\r\n"
            "Accept: text/event-stream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        if number % 4:
            writer.write(head + body)
            assert b"200" in await reader.readline()
            await asyncio.sleep(CHANCE.uniform(0, 5))
        else:
            writer.write(head + body[:10])
            await writer.drain()
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async def listen(self, label: str | None, ready: asyncio.Event) -> None:
        """Subscribe by WebSocket until it is cancelled; count the events."""
        url = self.service.url.replace("http", "ws") + "/graphql"
        protocols: Any = ["graphql-transport-ws"]
        async with connect(url, subprotocols=protocols, compression=None) as client:
            await say(client, {"type": "connection_init"})
            await client.recv()
            payload = {"query": SUBSCRIBE, "variables": {"labels": label and {"all": [label]}}}
            await say(client, {"type": "subscribe", "id": "1", "payload": payload})
            ready.set()
            async for message in client:
                kind = json.loads(message)["type"]
                self.done["events"] += kind == "next"
                if kind == "error":
                    self.errors[str(message)[:100]] += 1


async def say(client: ClientConnection, message: dict[str, Any]) -> None:
    """Send a message of the protocol."""
    await client.send(json.dumps(message))


async def every(
    seconds: float, name: str, call: Callable[[int], Awaitable[None]], load: Load
) -> None:
    """Call again and again, without waiting for the call before; count failures."""
    pending: set[asyncio.Task[None]] = set()

    async def once(number: int) -> None:
        try:
            await call(number)
            load.done[name] += 1
        except Exception as error:  # noqa: BLE001  # any is a finding
            load.errors[f"{name}: {type(error).__name__} {error}"[:100]] += 1

    try:
        for number in itertools.count():
            task = asyncio.create_task(once(number))
            pending.add(task)
            task.add_done_callback(pending.discard)
            await asyncio.sleep(seconds)
    finally:
        await asyncio.gather(*pending)


def sample(service: ServiceProcess) -> dict[str, float]:
    """Measure the service once."""
    wal = service.data / "labelling.sqlite-wal"
    return {
        "service memory, MB": memory(service.pid),
        "children memory, MB": sum(map(memory, children(service.pid))),
        "descriptors": descriptors(service.pid),
        "threads": threads(service.pid),
        "WAL, MB": wal.stat().st_size / 1e6,
    }


async def subscriptions(load: Load) -> int:
    """Return the number of live subscriptions, from the service's metrics."""
    text = (await load.client.get("/metrics")).text
    (line,) = (each for each in text.splitlines() if each.startswith(LIVE))
    return int(float(line.split()[-1]))


LIVE = 'labelling_in_progress{kind="subscriptions"}'


async def run(service: ServiceProcess, given: argparse.Namespace) -> tuple[Load, list[Any]]:
    """Load the service for the given time; return the samples."""
    pictures = [as_jpeg(photo(name)) for name in ("rocket.jpg", "chelsea.png", "coffee.png")]
    samples: list[dict[str, float]] = []
    async with httpx.AsyncClient(
        base_url=service.url, timeout=60, limits=httpx.Limits(keepalive_expiry=1)
    ) as client:
        load = Load(service, client, pictures)
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number in range(given.sockets + 1):  # one of them receives every event
                ready = asyncio.Event()
                label = "no such label" if number else None
                tasks.append(group.create_task(load.listen(label, ready)))
                await ready.wait()
            for seconds, name, call in (
                (1 / given.uploads, "uploads", load.upload),
                (given.pace / 2, "queries", load.query),
                (given.pace * 2, "relabels", load.relabel),
                (given.pace, "vanished clients", load.vanish),
            ):
                tasks.append(group.create_task(every(seconds, name, call, load)))
            until = time.monotonic() + given.minutes * 60
            while time.monotonic() < until:
                await asyncio.sleep(given.sample_seconds)
                samples.append({**sample(service), "subscriptions": await subscriptions(load)})
            for task in tasks:
                task.cancel()
    return load, samples


def report(load: Load, samples: list[dict[str, float]], *, judged: bool) -> bool:
    """Print the table; return whether everything levels off."""
    third = len(samples) // 3
    parts = [samples[:third], samples[third : 2 * third], samples[2 * third :]]
    print(", ".join(f"{count} {name}" for name, count in sorted(load.done.items())))
    print(f"{'means of thirds':24}{'first':>9}{'middle':>9}{'last':>9}{'highest':>9}")
    level = True
    for name, (share, slack) in MEASURES.items():
        means = [statistics.mean(each[name] for each in part) for part in parts]
        highest = max(each[name] for each in samples)
        is_level = means[2] <= means[1] * (1 + share) + slack
        level = level and is_level
        verdict = ("levels off" if is_level else "GROWS") if judged else "not judged"
        print(f"{name:24}" + "".join(f"{each:9.1f}" for each in (*means, highest)), "", verdict)
    for message, count in load.errors.items():
        print(f"ERROR {count} times: {message}")
    return not load.errors and (level or not judged)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--minutes", type=float, default=12)
    options.add_argument("--uploads", type=float, default=3, help="a second")
    options.add_argument("--sockets", type=int, default=200, help="idle WebSockets")
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    given.pace, given.sample_seconds = 1.0, SAMPLE_SECONDS
    if given.smoke:
        given.minutes, given.sockets, given.pace, given.sample_seconds = 0.06, 3, 0.4, 0.5
    with tempfile.TemporaryDirectory() as folder:
        service = ServiceProcess(Path(folder), "--log-level", "warning").start()
        try:
            load, samples = asyncio.run(run(service, given))
        finally:
            service.stop()
    print(
        f"{given.minutes:g} minutes, {given.uploads:g} uploads a second, {given.sockets} WebSockets"
    )
    sys.exit(0 if report(load, samples, judged=not given.smoke) else 1)


if __name__ == "__main__":
    main()
