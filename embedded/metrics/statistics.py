"""Counts of what is in the database, which its indexes hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from core.domain.clock import epoch_ms
from core.repositories.sqlite.endpoints import ENDPOINT_LINE, NO_LINE, OWNER_LINE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from core.backends.sqlite import Database

LINES: Final = {NO_LINE: "none", ENDPOINT_LINE: "endpoint", OWNER_LINE: "owner"}
# Pending webhooks and their endpoints by line, in one pass over an index whose order is theirs.
_LINES: Final = (
    "SELECT in_line, sum(number), count(*) FROM ("
    " SELECT in_line, count(*) AS number FROM deliveries INDEXED BY deliveries_in_line"
    " WHERE state = 'pending' GROUP BY owner, endpoint, in_line) GROUP BY in_line"
)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The messages of a queue: `due` may be received now, `later` are hidden or under way.

    `oldest_seconds` is how long the first of them has been due; 0 if none is.
    """

    due: int
    later: int
    dead: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts over all owners.

    `waiting` are pending webhooks by the line that they stand in, `endpoints_waiting` the endpoints
    with a line, `blobs` the blobs by status.
    """

    blobs: Counter[str] = field(default_factory=Counter)
    queues: dict[str, QueueDepth] = field(default_factory=dict)
    waiting: Counter[str] = field(default_factory=Counter)
    endpoints_waiting: int = 0
    endpoints_disabled: int = 0


def read_statistics(database: Database, queues: Sequence[str], now: datetime) -> Statistics:
    """Count what is in the database. Raises Unavailable."""
    with database.read() as connection:
        blobs = connection.execute("SELECT status, sum(count) FROM blob_counts GROUP BY status")
        lines = connection.execute(_LINES).fetchall()
        return Statistics(
            Counter({status: int(number) for status, number in blobs}),
            {name: _depth(connection, name, epoch_ms(now)) for name in queues},
            Counter({LINES[line]: int(number) for line, number, _ in lines}),
            sum(int(endpoints) for line, _, endpoints in lines if line == ENDPOINT_LINE),
            _number(connection, "SELECT count(*) FROM disabled_endpoints"),
        )


def _depth(connection: sqlite3.Connection, name: str, now: int) -> QueueDepth:
    count = "SELECT count(*) FROM messages WHERE queue = ?"
    due = _number(connection, f"{count} AND visible_at <= ?", name, now)
    oldest = _number(
        connection, "SELECT coalesce(min(visible_at), ?) FROM messages WHERE queue = ?", now, name
    )
    return QueueDepth(
        due,
        _number(connection, count, name) - due,
        _number(connection, count, f"{name}-dead"),
        max(0, now - oldest) / 1000,
    )


def _number(connection: sqlite3.Connection, statement: str, *values: object) -> int:
    (number,) = connection.execute(statement, values).fetchone()
    return int(number)
