"""The port to changes as they happen, for subscriptions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.blob import Blob


class PubSub(Protocol):
    """Tells of changes by topic; see `core.events.topics`."""

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[Blob | None]]:
        """Give a topic's changes from now on: each blob as it then was, None once it is deleted.

        Whatever is kept after the context was entered is given. The iterator ends when no more can
        be told here, and raises Refused when its reader is too slow.
        """
