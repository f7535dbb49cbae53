"""Pub/sub in one process: it hands the events of committed changes to subscriptions."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from api.errors import Code, RequestError
from core.domain.blob_event import event_of
from core.domain.clock import utc_now
from core.events.topics import topics_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from core.domain.blob_event import BlobEvent
    from core.domain.change import Change
    from core.domain.clock import Clock
    from core.repositories.sqlite.change_log import SqliteChangeLog

# Events that may wait for one subscription; beyond this it ends with an error.
MAX_WAITING: Final = 100


class LocalPubSub:
    """Listeners by topic in one event loop; any thread may publish.

    It does not poll, keeps nothing for topics without listeners, and passes an event only to those
    that listen to its topics.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: dict[str, set[_Listener]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def listen(self, topics: Collection[str]) -> AsyncIterator[_Listener]:
        """Yield the events of topics from now on; see `api.services.pubsub.PubSub`."""
        self._loop = asyncio.get_running_loop()
        listener = _Listener(self)
        for topic in topics:
            self._listeners.setdefault(topic, set()).add(listener)
        try:
            yield listener
        finally:
            for topic in topics:
                self.remove(topic, listener)

    def remove(self, topic: str, listener: _Listener) -> None:
        """Pass a topic's events to a listener no more."""
        listeners = self._listeners.get(topic, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(topic, None)

    def publish(self, change: Change) -> None:
        """Hand the event of a committed change to the listeners of its topics.

        A subscription that begins to listen later reads a state that includes the change.
        """
        if not self._listeners or self._loop is None or self._loop.is_closed():
            return
        event = event_of(change, self._clock())
        if event is None:
            return
        for topic in topics_of(event):
            if topic in self._listeners:
                self._loop.call_soon_threadsafe(self._deliver, topic, event)

    def __len__(self) -> int:
        """Count the listeners."""
        return len(set().union(*self._listeners.values()))

    def _deliver(self, topic: str, event: BlobEvent) -> None:
        for listener in self._listeners.get(topic, ()):
            listener.put(event)


class _Listener:
    resumed: Final = False

    def __init__(self, pubsub: LocalPubSub) -> None:
        self._pubsub = pubsub
        self._waiting: asyncio.Queue[BlobEvent] = asyncio.Queue()
        self._too_slow = False

    def end(self, topic: str) -> None:
        """Receive no more events of a topic."""
        self._pubsub.remove(topic, self)

    def put(self, event: BlobEvent) -> None:
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put_nowait(event)
        else:
            self._too_slow = True

    async def __aiter__(self) -> AsyncIterator[BlobEvent]:
        while not self._too_slow:
            yield await self._waiting.get()
        raise RequestError(
            Code.LIMIT_EXCEEDED,
            f"More than {MAX_WAITING} events wait for this subscription. Read them faster, or "
            "subscribe to fewer blobs or kinds of events.",
        )


def build_pubsub(changes: SqliteChangeLog) -> LocalPubSub:
    """Make the pub/sub that publishes each change when its transaction commits."""
    pubsub = LocalPubSub(utc_now)
    changes.watch(pubsub.publish)
    return pubsub
