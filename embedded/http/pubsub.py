"""Pub/sub in one process: it hands committed changes to the subscriptions that listen."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from api.errors import Code, RequestError
from core.events.topics import topics_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from core.domain.blob import Blob
    from core.domain.change import Change

# Changes that may wait for one subscription; beyond this it ends with an error.
MAX_WAITING: Final = 100


class LocalPubSub:
    """Listeners by topic in one event loop; any thread may publish.

    It does not poll, keeps nothing for topics without listeners, and passes a change only to those
    that listen to its topics.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, set[_Listener]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[AsyncIterator[Blob | None]]:
        """Yield a topic's changes from now on; see `api.services.pubsub.PubSub`."""
        self._loop = asyncio.get_running_loop()
        listener = _Listener()
        self._listeners.setdefault(topic, set()).add(listener)
        try:
            yield listener.changes()
        finally:
            listeners = self._listeners[topic]
            listeners.discard(listener)
            if not listeners:
                del self._listeners[topic]

    def publish(self, change: Change) -> None:
        """Hand a committed change to the listeners of its topics.

        A subscription that begins to listen later reads a state that includes the change.
        """
        for topic in topics_of(change):
            if topic in self._listeners and self._loop and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._deliver, topic, change.new)

    def __len__(self) -> int:
        """Count the listeners."""
        return sum(map(len, self._listeners.values()))

    def _deliver(self, topic: str, blob: Blob | None) -> None:
        for listener in self._listeners.get(topic, ()):
            listener.put(blob)


class _Listener:
    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Blob | None] = asyncio.Queue()
        self._too_slow = False

    def put(self, blob: Blob | None) -> None:
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put_nowait(blob)
        else:
            self._too_slow = True

    async def changes(self) -> AsyncIterator[Blob | None]:
        while not self._too_slow:
            yield await self._waiting.get()
        raise RequestError(
            Code.LIMIT_EXCEEDED,
            f"More than {MAX_WAITING} changes wait for this subscription. Read them faster, or "
            "subscribe to fewer blobs.",
        )
