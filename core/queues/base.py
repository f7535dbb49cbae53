"""The queue port, with the promises of an SQS standard queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Message:
    """A received message. `receipt` is of this receipt only; `receive_count` counts this one."""

    id: str
    receipt: str
    body: str
    receive_count: int
    sent_at: datetime


class Queue(Protocol):
    """Work to be done at least once, in no promised order."""

    def send(self, body: str, *, delay: timedelta = ...) -> None:
        """Put a message in, to be seen after `delay`."""

    def receive(self, *, limit: int = ..., wait: timedelta = ...) -> Sequence[Message]:
        """Take up to `limit` messages, waiting up to `wait` for the first.

        A taken message is hidden for the queue's visibility timeout, then seen again unless it
        was deleted; taken more often than the queue allows, it goes to the dead letters instead.
        """

    def delete(self, receipt: str) -> None:
        """The work is done. A receipt that is no longer the newest changes nothing."""

    def change_visibility(self, receipt: str, timeout: timedelta) -> None:
        """Let a taken message be seen again after `timeout` (SQS: ChangeMessageVisibility)."""
