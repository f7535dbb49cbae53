"""The port of queues, with the guarantees of an SQS standard queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Message:
    """A received message. Each receive has its own `receipt`; `receive_count` starts at 1."""

    id: str
    receipt: str
    body: str
    receive_count: int
    sent_at: datetime


class Queue(Protocol):
    """Messages that are delivered at least once, in no guaranteed order."""

    def send(self, body: str, *, delay: timedelta = ...) -> None:
        """Send a message that becomes visible after `delay`."""

    def receive(self, *, limit: int = ..., wait: timedelta = ...) -> Sequence[Message]:
        """Receive up to `limit` messages; wait up to `wait` for the first.

        A received message is invisible for the queue's visibility timeout, and visible again after
        that unless it was deleted. A message that was received as often as the queue allows moves
        to the dead-letter queue instead.
        """

    def delete(self, receipt: str) -> None:
        """Delete a received message. A receipt that is not the latest has no effect."""

    def change_visibility(self, receipt: str, timeout: timedelta) -> None:
        """Make a received message visible after `timeout` (SQS: ChangeMessageVisibility)."""
