"""Deliveries on SQLite."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from core.domain.clock import epoch_ms
from core.domain.delivery import (
    LINE_TIMEOUT,
    MAX_ATTEMPTS_KEPT,
    MAX_PER_ENDPOINT,
    MAX_PER_OWNER,
    Attempt,
    Claim,
    Delivery,
    DeliveryState,
    DisabledEndpoint,
    Verdict,
)
from core.repositories.sqlite.delivery_rows import insert_delivery, marks, read_deliveries
from core.repositories.sqlite.endpoints import Endpoints

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from core.backends.sqlite import Database

_READ_BATCH: Final = 100


class SqliteDeliveryRepository:
    """Deliveries in a `Database`."""

    def __init__(
        self,
        database: Database,
        per_endpoint: int = MAX_PER_ENDPOINT,
        per_owner: int = MAX_PER_OWNER,
        senders: int | None = None,
    ) -> None:
        self._database = database
        self._endpoints = Endpoints(database, per_endpoint, per_owner, senders)

    def add(self, delivery: Delivery) -> bool:
        """Store a new delivery; tell whether to send a delivery job for it."""
        with self._database.write(synced=False) as connection:
            now = delivery.created_at
            deleted = connection.execute(
                "SELECT 1 FROM deleted_blobs WHERE id = ?", (delivery.blob_id,)
            ).fetchone()
            if deleted:
                return False
            line = self._endpoints.line_of(connection, delivery.owner, delivery.endpoint, now)
            look_at = now + LINE_TIMEOUT if line else delivery.due_at
            added = insert_delivery(connection, delivery, in_line=line, look_at=look_at)
            return added and not line

    def claim(self, delivery_id: str, now: datetime, lease_for: timedelta) -> Claim | None:
        """Lease a delivery that is pending, due and not leased, for one attempt."""
        lease, at = secrets.token_hex(8), epoch_ms(now)
        with self._database.write(synced=False) as connection:
            row = connection.execute(
                "SELECT owner, endpoint FROM deliveries"
                " WHERE id = ? AND state = 'pending' AND due_at <= ? AND lease_until <= ?",
                (delivery_id, at, at),
            ).fetchone()
            if row is None:
                return None
            owner, endpoint = row
            if line := self._endpoints.line_by_leases(connection, owner, endpoint, now):
                connection.execute(
                    "UPDATE deliveries SET in_line = ?, look_at = ? WHERE id = ?",
                    (line, epoch_ms(now + LINE_TIMEOUT), delivery_id),
                )
                return None
            connection.execute(
                "UPDATE deliveries SET in_line = 0, lease = ?, lease_until = ? WHERE id = ?",
                (lease, epoch_ms(now + lease_for), delivery_id),
            )
            (number,) = connection.execute(
                "SELECT coalesce(max(number), 0) + 1 FROM attempts WHERE delivery_id = ?",
                (delivery_id,),
            ).fetchone()
            connection.execute(
                "INSERT INTO attempts (delivery_id, number, started) VALUES (?, ?, ?)",
                (delivery_id, number, at),
            )
            disabled_at = self._endpoints.disabled_at(connection, owner, endpoint)
            (delivery,) = read_deliveries(connection, [delivery_id])
        return Claim(delivery, number, lease, disabled_at)

    def finish(self, claim: Claim, attempt: Attempt, verdict: Verdict) -> bool:
        """Record an attempt's outcome. Return False if the lease was lost."""
        ended = epoch_ms(attempt.ended or attempt.started)
        due_at = epoch_ms(verdict.due_at or claim.delivery.due_at)
        with self._database.write(synced=False) as connection:
            cursor = connection.execute(
                "UPDATE deliveries SET state = ?, due_at = ?, look_at = ?, ended_at = ?,"
                " lease = NULL, lease_until = 0 WHERE id = ? AND lease = ?",
                (
                    verdict.state,
                    due_at,
                    due_at,
                    None if verdict.state is DeliveryState.PENDING else ended,
                    claim.delivery.id,
                    claim.lease,
                ),
            )
            if cursor.rowcount != 1:
                return False
            connection.execute(
                "UPDATE attempts SET ended = ?, status = ?, error = ?, response = ?, address = ?"
                " WHERE delivery_id = ? AND number = ?",
                (
                    epoch_ms(attempt.ended) if attempt.ended else None,
                    attempt.status,
                    attempt.error,
                    attempt.response,
                    attempt.address,
                    claim.delivery.id,
                    claim.attempt,
                ),
            )
            return True

    def redeliver(self, delivery_id: str, now: datetime) -> bool:
        """Make a delivery of any state due now; tell whether to send a delivery job for it."""
        at = epoch_ms(now)
        with self._database.write(synced=False) as connection:
            row = connection.execute(
                "SELECT owner, endpoint, state, in_line FROM deliveries"
                " WHERE id = ? AND lease_until <= ?",
                (delivery_id, at),
            ).fetchone()
            if row is None:
                return False
            owner, endpoint, state, in_line = row
            if in_line:
                return False
            if state != DeliveryState.PENDING:
                connection.execute(
                    "UPDATE deliveries SET earlier ="
                    " (SELECT coalesce(max(number), 0) FROM attempts WHERE delivery_id = id)"
                    " WHERE id = ?",
                    (delivery_id,),
                )
                connection.execute(
                    "DELETE FROM attempts WHERE delivery_id = ? AND number <="
                    " (SELECT earlier FROM deliveries WHERE id = ?) - ?",
                    (delivery_id, delivery_id, MAX_ATTEMPTS_KEPT),
                )
            line = self._endpoints.line_of(connection, owner, endpoint, now)
            look_at = epoch_ms(now + LINE_TIMEOUT) if line else at
            connection.execute(
                "UPDATE deliveries SET state = 'pending', ended_at = NULL, due_at = ?,"
                " in_line = ?, look_at = ? WHERE id = ?",
                (at, line, look_at, delivery_id),
            )
            return not line

    def remove(self, blob_id: str, now: datetime) -> Sequence[str]:
        """Delete a blob's deliveries; return the ids of those that may start in their place."""
        with self._database.write(synced=False) as connection:
            rows = connection.execute(
                "DELETE FROM deliveries WHERE blob_id = ? RETURNING id, state, owner, endpoint",
                (blob_id,),
            ).fetchall()
            connection.executemany(
                "DELETE FROM attempts WHERE delivery_id = ?", [row[:1] for row in rows]
            )
            endpoints = {(row[2], row[3]) for row in rows if row[1] == DeliveryState.PENDING}
            return [
                each
                for owner, endpoint in sorted(endpoints)
                for each in self.next_in_line(owner, endpoint, now)
            ]

    def find(self, owner: str, delivery_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the deliveries that exist and belong to the owner, by id."""
        with self._database.read() as connection:
            found = read_deliveries(connection, delivery_ids)
        return {delivery.id: delivery for delivery in found if delivery.owner == owner}

    def get(self, delivery_id: str) -> Delivery | None:
        """Return a delivery of any owner."""
        with self._database.read() as connection:
            return next(iter(read_deliveries(connection, [delivery_id])), None)

    def find_latest(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the newest delivery of each of the owner's blobs that has any, by blob id."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, max(created_at) FROM deliveries"
                f" WHERE blob_id IN ({marks(blob_ids)}) AND owner = ? GROUP BY blob_id",
                (*blob_ids, owner),
            ).fetchall()
            found = read_deliveries(connection, [row[0] for row in rows])
        return {delivery.blob_id: delivery for delivery in found}

    def find_due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of pending deliveries that are due and not leased."""
        at = epoch_ms(now)
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id FROM (SELECT id, look_at,"
                " row_number() OVER (PARTITION BY owner, endpoint ORDER BY look_at) AS place"
                # Otherwise SQLite scans the whole index that has the window's order.
                " FROM deliveries INDEXED BY deliveries_due"
                " WHERE state = 'pending' AND look_at <= ? AND lease_until <= ?)"
                " ORDER BY place, look_at LIMIT ?",
                (at, at, limit),
            ).fetchall()
        return [row[0] for row in rows]

    def find_by_state(
        self, state: DeliveryState, *, owner: str | None = None, since: datetime | None = None
    ) -> Iterator[Delivery]:
        """Yield the deliveries of a state, of one owner or all."""
        where, order = "state = 'pending'", "look_at"
        values: list[object] = [owner, owner]
        if state is not DeliveryState.PENDING:
            where, order = "state = ? AND state <> 'pending' AND ended_at >= ?", "ended_at DESC"
            values = [state, epoch_ms(since) if since else 0, *values]
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT id FROM deliveries WHERE {where} AND (? IS NULL OR owner = ?)"
                f" ORDER BY {order}",
                values,
            ).fetchall()
        ids = [row[0] for row in rows]
        for start in range(0, len(ids), _READ_BATCH):
            wanted = ids[start : start + _READ_BATCH]
            with self._database.read() as connection:
                found = {delivery.id: delivery for delivery in read_deliveries(connection, wanted)}
            yield from (found[each] for each in wanted if each in found)

    def next_in_line(self, owner: str, endpoint: str, now: datetime) -> Sequence[str]:
        """Take from an endpoint's line as many deliveries as may start, the longest due first."""
        return self._endpoints.next_in_line(owner, endpoint, now)

    def disable_endpoint(self, owner: str, endpoint: str, now: datetime) -> None:
        """Stop deliveries to an owner's endpoint."""
        self._endpoints.disable(owner, endpoint, now)

    def enable_endpoint(self, owner: str, endpoint: str) -> bool:
        """Allow deliveries to an endpoint again. Return False if it was not disabled."""
        return self._endpoints.enable(owner, endpoint)

    def disabled_endpoints(self, owner: str) -> Sequence[DisabledEndpoint]:
        """Return an owner's disabled endpoints, in the order in which they were disabled."""
        return self._endpoints.disabled(owner)

    def release_leases(self) -> None:
        """End every lease. Only for a process that knows it is the only one, when it starts."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                "UPDATE deliveries SET lease = NULL, lease_until = 0"
                " WHERE state = 'pending' AND lease IS NOT NULL"
            )
