"""Endpoints of webhooks on SQLite: the limits of attempts, the waiting lines, disabled ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from core.domain.clock import epoch_ms, from_epoch_ms
from core.domain.delivery import LINE_TIMEOUT, DisabledEndpoint

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from core.backends.sqlite import Database


NO_LINE: Final = 0
ENDPOINT_LINE: Final = 1
OWNER_LINE: Final = 2


class Endpoints:
    """The endpoints in a `Database`, with their limits of attempts that are leased at a time.

    At most `per_endpoint` attempts run at one endpoint, and at most `per_owner` at all endpoints of
    an owner. With a number of `senders`, an owner also has at most half of those that others leave.
    A delivery waits in the line of its endpoint until that has room, then in the line of its owner.
    There the first to come is the first to leave, so that a long line of one endpoint does not stay
    in front of the owner's others.
    """

    def __init__(
        self, database: Database, per_endpoint: int, per_owner: int, senders: int | None
    ) -> None:
        self._database = database
        self._per_endpoint = per_endpoint
        self._per_owner = per_owner
        self._senders = senders

    def line_of(
        self, connection: sqlite3.Connection, owner: str, endpoint: str, now: datetime
    ) -> int:
        """Return the line that a new job's delivery must wait in, or NO_LINE."""
        if not self._endpoint_room(connection, owner, endpoint, now):
            return ENDPOINT_LINE
        return NO_LINE if self._owner_room(connection, owner, now) else OWNER_LINE

    def line_by_leases(
        self, connection: sqlite3.Connection, owner: str, endpoint: str, now: datetime
    ) -> int:
        """Return the line that an attempt must wait in because of leases, or NO_LINE."""
        (at_endpoint,) = connection.execute(
            "SELECT count(*) FROM deliveries"
            " WHERE owner = ? AND endpoint = ? AND lease IS NOT NULL AND lease_until > ?",
            (owner, endpoint, epoch_ms(now)),
        ).fetchone()
        if at_endpoint >= self._per_endpoint:
            return ENDPOINT_LINE
        (of_owner,) = connection.execute(
            "SELECT count(*) FROM deliveries"
            " WHERE owner = ? AND lease IS NOT NULL AND lease_until > ?",
            (owner, epoch_ms(now)),
        ).fetchone()
        limit = self._owner_limit(connection, owner, now)
        return OWNER_LINE if of_owner >= limit else NO_LINE

    def next_in_line(self, owner: str, endpoint: str, now: datetime) -> Sequence[str]:
        """Take from the lines as many deliveries as may start, the longest due first."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                f"UPDATE deliveries SET in_line = {OWNER_LINE}, look_at = ? WHERE id IN ("
                "SELECT id FROM deliveries WHERE owner = ? AND endpoint = ? AND state = 'pending'"
                f" AND in_line = {ENDPOINT_LINE} ORDER BY due_at LIMIT ?)",
                (
                    epoch_ms(now + LINE_TIMEOUT),
                    owner,
                    endpoint,
                    self._endpoint_room(connection, owner, endpoint, now),
                ),
            )
            rows = connection.execute(
                f"UPDATE deliveries SET in_line = {NO_LINE}, look_at = due_at WHERE id IN ("
                "SELECT id FROM deliveries WHERE owner = ? AND state = 'pending'"
                f" AND in_line = {OWNER_LINE} ORDER BY look_at LIMIT ?) RETURNING due_at, id",
                (owner, self._owner_room(connection, owner, now)),
            ).fetchall()
        return [delivery_id for _, delivery_id in sorted(rows)]

    def _endpoint_room(
        self, connection: sqlite3.Connection, owner: str, endpoint: str, now: datetime
    ) -> int:
        """Return how many more deliveries of an endpoint may leave its line."""
        taken = connection.execute(
            "SELECT 1 FROM deliveries WHERE owner = ? AND endpoint = ? AND state = 'pending'"
            f" AND in_line IN ({NO_LINE}, {OWNER_LINE}) AND due_at <= ? LIMIT ?",
            (owner, endpoint, epoch_ms(now), self._per_endpoint),
        ).fetchall()
        return self._per_endpoint - len(taken)

    def _owner_room(self, connection: sqlite3.Connection, owner: str, now: datetime) -> int:
        """Return how many more deliveries of an owner may be in progress or have a job."""
        taken = connection.execute(
            "SELECT 1 FROM deliveries WHERE owner = ? AND state = 'pending'"
            f" AND in_line = {NO_LINE} AND look_at <= ? LIMIT ?",
            (owner, epoch_ms(now), self._per_owner),
        ).fetchall()
        return max(0, self._owner_limit(connection, owner, now) - len(taken))

    def _owner_limit(self, connection: sqlite3.Connection, owner: str, now: datetime) -> int:
        """Return how many attempts of an owner may be in progress: at least 1.

        An owner without attempts always gets the sender that asks. So lines cannot stand still.
        """
        if self._senders is None:
            return self._per_owner
        of_others: int
        (of_others,) = connection.execute(
            "SELECT count(*) FROM deliveries"
            " WHERE owner <> ? AND lease IS NOT NULL AND lease_until > ?",
            (owner, epoch_ms(now)),
        ).fetchone()
        return max(1, min(self._per_owner, (self._senders - of_others + 1) // 2))

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
