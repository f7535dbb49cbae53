"""The port through which subscriptions receive events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.blob_event import BlobEvent


class EventStream(Protocol):
    """The events of a subscription's topics, from the time at which it was opened.

    Iteration ends when no more events can be delivered here, and raises RequestError when its
    reader is too slow.
    """

    @property
    def resumed(self) -> bool:
        """Whether the subscription began earlier, in another invocation, and goes on here."""

    def end(self, topic: str) -> None:
        """Receive no more events of a topic."""

    def __aiter__(self) -> AsyncIterator[BlobEvent]:
        """Iterate over the events."""


class PubSub(Protocol):
    """Delivers events by topic; see `core.events.topics`."""

    def listen(self, topics: Collection[str]) -> AbstractAsyncContextManager[EventStream]:
        """Return the stream of every event that is stored after the context was entered."""
