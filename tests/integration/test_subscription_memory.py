"""A subscription keeps no memory for the events that it has delivered, on any transport."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.auth.caller import Caller
from api.graphql.context import Context
from api.graphql.execution.documents import Documents
from api.graphql.execution.event_executor import EventExecutor
from api.graphql.schema import schema
from api.services.dependencies import Services
from api.websocket import protocol
from api.websocket.execution import messages_of
from core.domain.blob import Blob
from core.domain.blob_event import BlobEvent, state_event
from core.domain.label import Label
from embedded.http.sse import StreamingGraphQLApp
from embedded.http.websocket import GraphQLSocket
from embedded.limits.concurrency import Concurrency
from embedded.settings import Settings
from tests.conftest import SettableClock
from tests.support.services.embedded_stores import EmbeddedStores

EVENTS = 8_000
WARM_UP = 1000  # events after which caches are full
MAX_BLOCKS = 5000  # of memory; one leaked object for each event exceeds it
MAX_BYTES = 200_000
QUERY = "subscription { blobEvents { id kind blob { id status labels { name confidence } } } }"


class EventSource:
    """A `PubSub` whose stream delivers EVENTS changes, and measures the memory they leave behind.

    `blocks` counts allocated blocks of memory, which costs no time; `size` is in bytes, measured
    only if `traced`.
    """

    resumed = False

    def __init__(self, blob: Blob, *, traced: bool = False) -> None:
        self.blob = blob
        self.delivered = self.blocks = self.size = 0
        self._traced = traced

    @asynccontextmanager
    async def listen(self, _topics: Collection[str]) -> AsyncIterator[EventSource]:
        yield self

    def end(self, _topic: str) -> None:
        raise AssertionError("it follows no single blob")

    async def __aiter__(self) -> AsyncIterator[BlobEvent]:
        for number in range(EVENTS):
            if number == WARM_UP:
                gc.collect()
                if self._traced:
                    tracemalloc.start()
                before = sys.getallocatedblocks()
            yield state_event(self.blob)
            self.delivered += 1
            await asyncio.sleep(0)  # let the transport send it
        gc.collect()
        self.blocks = sys.getallocatedblocks() - before
        if self._traced:
            self.size, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()


Run = Callable[[Services, Documents], Coroutine[Any, Any, int]]


async def in_process(services: Services, documents: Documents) -> int:
    context = Context(services, Caller("anna"), documents, "request")
    results = [0, 0]
    async for result in await schema.stream(QUERY, context_value=context):
        results[result.errors is not None] += 1
    assert results[1] == 0
    return results[0]


async def websocket_messages(services: Services, documents: Documents) -> int:
    context = Context(services, Caller("anna"), documents, "request")
    received = 0
    async for message in messages_of(context, protocol.Subscribe("1", QUERY), 5):
        received += '"next"' in message
    return received


async def websocket(services: Services, documents: Documents) -> int:
    app = GraphQLSocket(services, documents, Concurrency(Settings()), origins=("*",), seconds=5)
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "headers": [],
        "subprotocols": [protocol.PROTOCOL],
    }
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    received = 0

    def hear(message: dict[str, Any]) -> None:
        incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    async def send(message: Any) -> None:
        nonlocal received
        text = message.get("text", "")
        if '"connection_ack"' in text:
            hear({"type": "subscribe", "id": "1", "payload": {"query": QUERY}})
        received += '"next"' in text
        if '"complete"' in text:
            incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})

    incoming.put_nowait({"type": "websocket.connect"})
    hear({"type": "connection_init"})
    await app(scope, incoming.get, send)
    return received


async def over_http(services: Services, documents: Documents, accept: str, event: bytes) -> int:
    app = StreamingGraphQLApp(
        services, documents, subscriptions=Concurrency(Settings()).subscriptions, seconds=5
    )
    body = json.dumps({"query": QUERY}).encode()
    headers = {"accept": accept, "content-type": "application/json"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    requests.put_nowait({"type": "http.request", "body": body})
    received = 0

    async def send(message: Any) -> None:
        nonlocal received
        received += event in message.get("body", b"")

    await app(scope, requests.get, send)
    return received


async def server_sent_events(services: Services, documents: Documents) -> int:
    return await over_http(services, documents, "text/event-stream", b"event: next")


async def multipart(services: Services, documents: Documents) -> int:
    accept = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
    return await over_http(services, documents, accept, b'"blobEvents"')


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[EmbeddedStores]:
    stores = EmbeddedStores(tmp_path, SettableClock())
    yield stores
    stores.close()


@pytest.mark.parametrize(
    "run", [in_process, websocket_messages, websocket, server_sent_events, multipart]
)
def test_memory_is_flat_over_thousands_of_events(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """graphql-core 3.3.2 kept 2 KB for each event (docs/decisions/0034)."""
    source = EventSource(stores.labelled("anna", Label("Cat", 90.0)), traced=run is in_process)
    services = replace(stores.services("anna"), pubsub=source)
    memos: list[int] = []
    per_event = EventExecutor.build_per_event_executor

    def noted(executor: EventExecutor, payload: Any) -> Any:
        memos.append(len(executor._relevant_sub_fields))
        return per_event(executor, payload)

    monkeypatch.setattr(EventExecutor, "build_per_event_executor", noted)
    received = asyncio.run(run(services, Documents(schema._schema)))
    assert received == source.delivered == len(memos) == EVENTS
    assert max(memos) == 0, "events share no memo"
    assert source.blocks < MAX_BLOCKS
    assert source.size < MAX_BYTES
