"""Queues in SQLite. Senders wake receivers, so that nothing polls."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from core.domain.clock import epoch_ms, from_epoch_ms
from core.queues.base import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.backends.sqlite import Database
    from core.domain.clock import Clock

_NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class DeadLetter(Message):
    """A message that was received too often. `error` tells why the last attempt failed, or None."""

    error: str | None = None


class SqliteQueue:
    """One named queue in a `Database`.

    A message that was received `max_receives` times moves to the queue `<name>-dead` (SQS: redrive
    policy with maxReceiveCount). `on_dead` is called with each such message in the same
    transaction: if it raises, the message stays. `on_dead` may be set later, by code that itself
    needs the queue.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        clock: Clock,
        *,
        visibility: timedelta,
        max_receives: int,
        on_dead: Callable[[Message], None] = lambda _message: None,
    ) -> None:
        self._database = database
        self._name = name
        self._clock = clock
        self._visibility = visibility
        self._max_receives = max_receives
        self._dead = f"{name}-dead"
        self.on_dead = on_dead
        self._wake = threading.Condition()
        self._wakes = 0
        self._closed = False

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._name

    def send(self, body: str, *, delay: timedelta = _NOW) -> None:
        """Send a message, as part of the current transaction if there is one."""
        now = self._clock()
        with self._database.write(synced=False) as connection:
            connection.execute(
                "INSERT INTO messages (queue, body, visible_at, sent_at) VALUES (?, ?, ?, ?)",
                (self._name, body, epoch_ms(now + delay), epoch_ms(now)),
            )
            self._database.after_commit(self.wake)

    def receive(self, *, limit: int = 1, wait: timedelta = _NOW) -> Sequence[Message]:
        """Receive up to `limit` messages; wait up to `wait` for the first.

        Once the queue is closed, return no messages, without waiting.
        """
        deadline = time.monotonic() + wait.total_seconds()
        while not self._closed:
            seen = self._wakes
            pause = self._pause()
            if pause <= 0:
                if messages := self._take(limit):
                    return messages
                continue  # another received it, or it moved to the dead letters
            left = deadline - time.monotonic()
            if left <= 0:
                break
            with self._wake:
                self._wake.wait_for(
                    lambda seen=seen: self._wakes != seen,  # type: ignore[misc]
                    timeout=min(left, pause),
                )
        return []

    def delete(self, receipt: str) -> None:
        """Delete a received message."""
        with self._database.write(synced=False) as connection:
            connection.execute("DELETE FROM messages WHERE receipt = ?", (receipt,))

    def change_visibility(self, receipt: str, timeout: timedelta) -> None:
        """Make a received message visible after `timeout`."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                "UPDATE messages SET visible_at = ? WHERE receipt = ?",
                (epoch_ms(self._clock() + timeout), receipt),
            )
            self._database.after_commit(self.wake)

    def wake(self) -> None:
        """Wake one waiting `receive`."""
        with self._wake:
            self._wakes += 1
            self._wake.notify()

    def close(self) -> None:
        """Close the queue: every `receive` returns, now and later, without messages."""
        self._closed = True
        with self._wake:
            self._wakes += 1
            self._wake.notify_all()

    def release_all(self) -> None:
        """Make every received message visible now.

        Only for a process that knows it is the only one, when it starts: the messages that a
        former process had received are processed at once instead of after the visibility timeout.
        """
        with self._database.write(synced=False) as connection:
            connection.execute(
                "UPDATE messages SET visible_at = ? WHERE queue = ? AND receipt IS NOT NULL"
                " AND visible_at > ?",
                (now := epoch_ms(self._clock()), self._name, now),
            )

    def depth(self) -> int:
        """Return the number of messages, including received ones."""
        return self._count(self._name)

    def dead_depth(self) -> int:
        """Return the number of dead letters."""
        return self._count(self._dead)

    def note_error(self, message_id: str, error: str) -> None:
        """Store why processing a message failed. A power cut may lose it."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                "UPDATE messages SET error = ? WHERE queue = ? AND id = ?",
                (error, self._name, message_id),
            )

    def dead_letters(self, limit: int, skip: int = 0) -> Sequence[DeadLetter]:
        """Return dead letters behind the first `skip`, oldest first, without receiving them."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, body, receives, sent_at, error FROM messages WHERE queue = ?"
                " ORDER BY visible_at, id LIMIT ? OFFSET ?",
                (self._dead, limit, skip),
            ).fetchall()
        return [
            DeadLetter(str(letter_id), "", body, receives, from_epoch_ms(sent_at), error)
            for letter_id, body, receives, sent_at, error in rows
        ]

    def send_dead_letter(self, body: str) -> None:
        """Send a message to the dead-letter queue."""
        now = epoch_ms(self._clock())
        with self._database.write(synced=False) as connection:
            connection.execute(
                "INSERT INTO messages (queue, body, visible_at, sent_at) VALUES (?, ?, ?, ?)",
                (self._dead, body, now, now),
            )

    def redrive(self, message_id: str | None = None) -> int:
        """Move dead letters back to the queue, with no receives: all, or the one with an id.

        Return their number.
        """
        with self._database.write(synced=False) as connection:
            moved = connection.execute(
                "UPDATE messages SET queue = ?, receives = 0, visible_at = ?, error = NULL"
                " WHERE queue = ? AND (? IS NULL OR id = ?)",
                (self._name, epoch_ms(self._clock()), self._dead, message_id, message_id),
            ).rowcount
            self._database.after_commit(self.wake)
        return moved

    def discard(self, message_id: str) -> bool:
        """Delete a dead letter for good. Return False if there is none with this id."""
        with self._database.write() as connection:
            statement = "DELETE FROM messages WHERE queue = ? AND id = ?"
            return connection.execute(statement, (self._dead, message_id)).rowcount == 1

    def _count(self, queue: str) -> int:
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT count(*) FROM messages WHERE queue = ?", (queue,)
            ).fetchone()
        return int(row[0])

    def _pause(self) -> float:
        """Return the seconds until a message is visible; infinity if there is none."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT min(visible_at) FROM messages WHERE queue = ?", (self._name,)
            ).fetchone()
        if row[0] is None:
            return float("inf")
        return float(row[0] - epoch_ms(self._clock())) / 1000

    def _take(self, limit: int) -> list[Message]:
        now = self._clock()
        at = epoch_ms(now)
        with self._database.write(synced=False) as connection:
            rows = connection.execute(
                "SELECT id, body, receives, sent_at FROM messages"
                " WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, id LIMIT ?",
                (self._name, at, limit + 1),
            ).fetchall()
            if len(rows) > limit:
                # Messages that were sent together may have woken only one receiver: wake the next.
                self._database.after_commit(self.wake)
                rows.pop()
            dying = [row for row in rows if row[2] >= self._max_receives]
            messages = [
                _message((row[0], row[1], row[2] + 1, row[3]), receipt=secrets.token_hex(12))
                for row in rows
                if row[2] < self._max_receives
            ]
            connection.executemany(
                "UPDATE messages SET queue = ?, receipt = NULL, visible_at = ? WHERE id = ?",
                [(self._dead, at, row[0]) for row in dying],
            )
            connection.executemany(
                "UPDATE messages SET receipt = ?, receives = receives + 1, visible_at = ?"
                " WHERE id = ?",
                [(m.receipt, epoch_ms(now + self._visibility), int(m.id)) for m in messages],
            )
            for row in dying:
                self.on_dead(_message(row, receipt=""))
        return messages


def _message(row: tuple[int, str, int, int], receipt: str) -> Message:
    sent_at = from_epoch_ms(row[3])
    return Message(str(row[0]), receipt, row[1], row[2], sent_at)
