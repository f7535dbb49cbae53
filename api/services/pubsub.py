"""The port through which subscriptions receive changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.blob import Blob


class PubSub(Protocol):
    """Delivers changes of blobs by topic; see `core.events.topics`."""

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[Blob | None]]:
        """Return an iterator over a topic's changes: each new state of a blob, None once deleted.

        It yields every change that is stored after the context was entered. It ends when no more
        changes can be delivered here, and raises RequestError when its reader is too slow.
        """
