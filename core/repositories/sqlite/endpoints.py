"""Endpoints of webhooks on SQLite: the limit of attempts, the waiting line, disabled ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.clock import epoch_ms, from_epoch_ms
from core.domain.delivery import DisabledEndpoint

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from core.backends.sqlite import Database


class Endpoints:
    """The endpoints in a `Database`. At most `most` attempts at one are leased at a time."""

    def __init__(self, database: Database, most: int) -> None:
        self._database = database
        self._most = most

    def room(self, connection: sqlite3.Connection, owner: str, endpoint: str, now: datetime) -> int:
        """Return how many more deliveries of an endpoint may be in progress or have a job."""
        taken = connection.execute(
            "SELECT 1 FROM deliveries WHERE owner = ? AND endpoint = ?"
            " AND state = 'pending' AND in_line = 0 AND due_at <= ? LIMIT ?",
            (owner, endpoint, epoch_ms(now), self._most),
        ).fetchall()
        return self._most - len(taken)

    def is_full(
        self, connection: sqlite3.Connection, owner: str, endpoint: str, now: datetime
    ) -> bool:
        """Tell whether the maximum number of attempts at an endpoint is leased."""
        (leased,) = connection.execute(
            "SELECT count(*) FROM deliveries"
            " WHERE owner = ? AND endpoint = ? AND lease IS NOT NULL AND lease_until > ?",
            (owner, endpoint, epoch_ms(now)),
        ).fetchone()
        return int(leased) >= self._most

    def next_in_line(self, owner: str, endpoint: str, now: datetime) -> Sequence[str]:
        """Take from an endpoint's line as many deliveries as may start, the longest due first."""
        with self._database.write(synced=False) as connection:
            rows = connection.execute(
                "UPDATE deliveries SET in_line = 0, look_at = due_at WHERE id IN ("
                "SELECT id FROM deliveries WHERE owner = ? AND endpoint = ? AND state = 'pending'"
                " AND in_line = 1 ORDER BY due_at LIMIT ?) RETURNING due_at, id",
                (owner, endpoint, self.room(connection, owner, endpoint, now)),
            ).fetchall()
        return [delivery_id for _, delivery_id in sorted(rows)]

    def disable(self, owner: str, endpoint: str, now: datetime) -> None:
        """Stop deliveries to an owner's endpoint."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO disabled_endpoints VALUES (?, ?, ?)",
                (owner, endpoint, epoch_ms(now)),
            )

    def enable(self, owner: str, endpoint: str) -> bool:
        """Allow deliveries to an endpoint again. Return False if it was not disabled."""
        with self._database.write() as connection:
            cursor = connection.execute(
                "DELETE FROM disabled_endpoints WHERE owner = ? AND endpoint = ?",
                (owner, endpoint),
            )
            return cursor.rowcount == 1

    def disabled_at(
        self, connection: sqlite3.Connection, owner: str, endpoint: str
    ) -> datetime | None:
        """Return when an endpoint was disabled; None if it is enabled."""
        row = connection.execute(
            "SELECT at FROM disabled_endpoints WHERE owner = ? AND endpoint = ?", (owner, endpoint)
        ).fetchone()
        return from_epoch_ms(row[0]) if row else None

    def disabled(self, owner: str) -> Sequence[DisabledEndpoint]:
        """Return an owner's disabled endpoints, in the order in which they were disabled."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT endpoint, at FROM disabled_endpoints WHERE owner = ?", (owner,)
            ).fetchall()
        found = [DisabledEndpoint(owner, row[0], from_epoch_ms(row[1])) for row in rows]
        return sorted(found, key=lambda endpoint: endpoint.at)
