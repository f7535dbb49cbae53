"""Work that waits for a time, when the machine's clock is set back."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from core.domain.clock import epoch_ms, from_epoch_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.clock import Clock
    from core.queues.sqlite import SqliteQueue

log = logging.getLogger(__name__)

CLOCK_SECONDS: Final = 1.0  # between two calls
TOLERANCE: Final = timedelta(seconds=2)  # NTP corrects less than this without a step


class ClockWatch:
    """Notices that the clock was set back, and moves the times that messages and webhooks wait for.

    Otherwise they would wait for as long again as the clock was set back. It notices a step between
    two calls, and at the first call one since the last change of a blob or the last message.
    """

    def __init__(
        self,
        database: Database,
        queues: Sequence[SqliteQueue],
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._queues = queues
        self._clock = clock
        self._monotonic = monotonic
        self._ticks = monotonic()
        self._seen = max(clock(), _last_stored(database))

    def __call__(self) -> None:
        """Compare the clock with the time that has passed. Raises Unavailable."""
        now, ticks = self._clock(), self._monotonic()
        back = self._seen + timedelta(seconds=ticks - self._ticks) - now
        if back > TOLERANCE:
            _move(self._database, now, back)
            for queue in self._queues:
                queue.wake()
            seconds = round(back.total_seconds())
            log.warning("the clock was set back", extra={"seconds": seconds})
        self._seen, self._ticks = now, ticks


def _last_stored(database: Database) -> datetime:
    """Return the time of the newest change or message."""
    with database.read() as connection:
        (at,) = connection.execute(
            "SELECT max("
            "coalesce((SELECT at FROM changes ORDER BY sequence DESC LIMIT 1), 0),"
            " coalesce((SELECT max(sent_at) FROM messages), 0))"
        ).fetchone()
    return from_epoch_ms(at)


def _move(database: Database, now: datetime, back: timedelta) -> None:
    """Move the times after `now` of what waits."""
    values = {"now": epoch_ms(now), "back": back // timedelta(milliseconds=1)}
    with database.write(synced=False) as connection:
        connection.execute(
            "UPDATE messages SET sent_at = min(sent_at, :now),"
            " visible_at = visible_at - CASE WHEN visible_at > :now THEN :back ELSE 0 END"
            " WHERE visible_at > :now OR sent_at > :now",
            values,
        )
        connection.execute(
            "UPDATE deliveries SET due_at = due_at - CASE WHEN due_at > :now THEN :back ELSE 0 END,"
            " look_at = look_at - CASE WHEN look_at > :now THEN :back ELSE 0 END,"
            " lease_until = lease_until - CASE WHEN lease_until > :now THEN :back ELSE 0 END"
            " WHERE state = 'pending'",
            values,
        )
