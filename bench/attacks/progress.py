"""Too much in progress at a time: requests, subscriptions, WebSockets; memory of events."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from bench.attacks.target import SECONDS, Row, Target
from tests.support.images.photos import photo
from tests.support.services.processes import memory

REQUESTS_PER_ADDRESS = 20
SUBSCRIPTIONS_PER_ADDRESS = 50
SUBSCRIPTIONS_PER_OWNER = 120
SOCKETS_PER_ADDRESS = 10
FLAGS = (
    *("--concurrent-requests-per-address", str(REQUESTS_PER_ADDRESS)),
    *("--subscriptions-per-address", str(SUBSCRIPTIONS_PER_ADDRESS)),
    *("--subscriptions-per-owner", str(SUBSCRIPTIONS_PER_OWNER)),
    *("--connections-per-address", str(SOCKETS_PER_ADDRESS)),
)
ALL = (
    "subscription { blobEvents(filter: {kinds: [LABELLED]}) "
    "{ blob { id labels { name confidence } } } }"
)
BLOBS = 20  # that are labelled again and again
BYTES_PER_EVENT = 300  # that one subscription may keep; the leak was 2,100


def open_socket(target: Target, stack: ExitStack, address: str) -> ClientConnection:
    """Connect a WebSocket as a client behind a proxy, and begin its protocol."""
    protocols: Any = ["graphql-transport-ws"]
    client = stack.enter_context(
        connect(
            f"ws://{target.netloc}/graphql",
            subprotocols=protocols,
            compression=None,
            additional_headers={"x-forwarded-for": address},
            close_timeout=1,
        )
    )
    client.send(json.dumps({"type": "connection_init"}))
    assert json.loads(client.recv(timeout=SECONDS))["type"] == "connection_ack"
    return client


def subscribe(client: ClientConnection, count: int) -> Counter[str]:
    """Subscribe so many times; return the outcomes: "live", or the code of the error."""
    for number in range(count):
        payload = {"query": ALL}
        client.send(json.dumps({"type": "subscribe", "id": str(number), "payload": payload}))
    client.send(json.dumps({"type": "ping"}))
    outcomes: Counter[str] = Counter()
    while (message := json.loads(client.recv(timeout=SECONDS)))["type"] != "pong":
        outcomes[message["payload"][0]["extensions"]["code"]] += 1
    outcomes["live"] = count - outcomes.total()
    return outcomes


def requests_in_progress(target: Target, *, full: bool) -> Iterator[Row]:
    """Unfinished requests of one address; those of others are answered."""
    number = 100 if full else REQUESTS_PER_ADDRESS + 5
    head = (
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "X-Forwarded-For: 192.0.2.1\r\nContent-Length: 1000\r\n\r\n"
    )
    with ExitStack() as stack:
        clients = [stack.enter_context(target.connect()) for _ in range(number)]
        for client in clients:
            client.sendall(head.encode())
        other = httpx.post(
            f"{target.url}/graphql", json={"query": "{ __typename }"}, timeout=SECONDS
        )
        metric = 'labelling_in_progress{kind="requests"} '
        text = httpx.get(f"{target.url}/metrics", timeout=SECONDS).text
    in_progress = float(text.partition(metric)[2].split()[0])
    refused = text.partition('refused_total{kind="requests",limit="per_address"} ')[2].split()[0]
    yield Row(
        f"{number} unfinished requests of an address",
        f"at most {REQUESTS_PER_ADDRESS} in progress, others of other addresses served",
        f"{in_progress} in progress, {refused} refused so far, another address got "
        f"{other.status_code}",
        in_progress <= REQUESTS_PER_ADDRESS and other.is_success,
    )


def subscriptions(target: Target, *, full: bool) -> Iterator[Row]:
    """Subscriptions of one address, and of one owner from many addresses."""
    with ExitStack() as stack:
        found = subscribe(open_socket(target, stack, "192.0.2.1"), SUBSCRIPTIONS_PER_ADDRESS + 10)
        yield Row(
            f"{found.total()} subscriptions of an address",
            f"at most {SUBSCRIPTIONS_PER_ADDRESS} live, an error for the others",
            f"{found['live']} live, {found['TOO_MANY_REQUESTS']} errors",
            found["live"] <= SUBSCRIPTIONS_PER_ADDRESS,
        )
        for number in range(2, 12 if full else 4):
            client = open_socket(target, stack, f"192.0.2.{number}")
            found += subscribe(client, SUBSCRIPTIONS_PER_ADDRESS)
        yield Row(
            f"{found.total()} subscriptions of an owner, many addresses",
            f"at most {SUBSCRIPTIONS_PER_OWNER} live, an error for the others",
            f"{found['live']} live, {found['TOO_MANY_REQUESTS']} errors",
            found["live"] <= SUBSCRIPTIONS_PER_OWNER,
        )


def sockets(target: Target, *, full: bool) -> Iterator[Row]:
    """WebSockets of one address."""
    refused: Counter[int] = Counter()
    number = 100 if full else SOCKETS_PER_ADDRESS + 3
    opened = 0
    with ExitStack() as stack:
        for _ in range(number):
            try:
                open_socket(target, stack, "192.0.2.50")
                opened += 1
            except InvalidStatus as error:
                refused[error.response.status_code] += 1
    yield Row(
        f"{number} WebSockets of an address",
        f"at most {SOCKETS_PER_ADDRESS} open, others 429",
        f"{opened} open, {refused[429]} got 429",
        opened <= SOCKETS_PER_ADDRESS and refused[429] == number - opened,
    )


def events(target: Target, *, full: bool) -> Iterator[Row]:
    """Real events to many subscriptions: their memory must not grow."""
    rounds, listeners = (25, SUBSCRIPTIONS_PER_ADDRESS) if full else (2, 5)
    blobs = [target.service.upload(photo("rocket.jpg"), "JPEG") for _ in range(BLOBS)]
    for each in blobs:
        target.service.wait_for(each, is_labelled)
    with ExitStack() as stack:
        client = open_socket(target, stack, "192.0.2.60")
        subscribe(client, listeners)
        http = stack.enter_context(httpx.Client(base_url=target.url, timeout=SECONDS))
        for _ in range(5 if full else 1):  # fills caches
            relabel(http, client, blobs, listeners)
        before = memory(target.pid)
        began = time.perf_counter()
        for _ in range(rounds):
            relabel(http, client, blobs, listeners)
        seconds = time.perf_counter() - began
        grown = memory(target.pid) - before
    delivered = rounds * BLOBS * listeners
    yield Row(
        f"{delivered} events to {listeners} subscriptions",
        f"{BYTES_PER_EVENT} bytes an event, and 5 MB",
        f"{grown:.1f} MB, {grown * 1e6 / delivered:.0f} bytes an event, "
        f"{delivered / seconds:.0f} a second",
        grown < delivered * BYTES_PER_EVENT / 1e6 + 5,
    )


def is_labelled(blob: dict[str, Any]) -> bool:
    """Tell whether a blob has its labels."""
    return bool(blob["status"] == "LABELLED")


def relabel(http: httpx.Client, client: ClientConnection, blobs: list[str], listeners: int) -> None:
    """Label all blobs again, and receive the event of each on all listeners."""
    fields = " ".join(
        f'blob{number}: relabelBlob(blobId: "{blob}") {{ __typename }}'
        for number, blob in enumerate(blobs)
    )
    results = http.post("/graphql", json={"query": f"mutation {{ {fields} }}"}).json()["data"]
    assert {each["__typename"] for each in results.values()} == {"RelabelledBlob"}, results
    for _ in range(len(blobs) * listeners):
        assert json.loads(client.recv(timeout=SECONDS))["type"] == "next"
