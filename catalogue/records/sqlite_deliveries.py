"""Delivery records on SQLite."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from catalogue.clock import epoch_ms, from_epoch_ms
from catalogue.delivery import Attempt, Claim, Delivery, DeliveryState, Verdict

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from catalogue.sqlite import Database

_COLUMNS: Final = "id, blob_id, owner, url, body, created_at, due_at, state"


class SqliteDeliveries:
    """Delivery records in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, delivery: Delivery) -> bool:
        """Keep a new delivery; False when that id is known already."""
        with self._database.write(synced=False) as connection:
            cursor = connection.execute(
                f"INSERT OR IGNORE INTO deliveries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    delivery.id,
                    delivery.blob_id,
                    delivery.owner,
                    delivery.url,
                    delivery.body,
                    epoch_ms(delivery.created_at),
                    epoch_ms(delivery.due_at),
                    delivery.state,
                ),
            )
            return cursor.rowcount == 1

    def claim(self, delivery_id: str, now: datetime, lease_for: timedelta) -> Claim | None:
        """Take the right to attempt a delivery that is pending, due and not under lease."""
        lease, at = secrets.token_hex(8), epoch_ms(now)
        with self._database.write(synced=False) as connection:
            cursor = connection.execute(
                "UPDATE deliveries SET lease = ?, lease_until = ?"
                " WHERE id = ? AND state = 'pending' AND due_at <= ? AND lease_until <= ?",
                (lease, epoch_ms(now + lease_for), delivery_id, at, at),
            )
            if cursor.rowcount != 1:
                return None
            (number,) = connection.execute(
                "SELECT coalesce(max(number), 0) + 1 FROM attempts WHERE delivery_id = ?",
                (delivery_id,),
            ).fetchone()
            connection.execute(
                "INSERT INTO attempts (delivery_id, number, started) VALUES (?, ?, ?)",
                (delivery_id, number, at),
            )
            (delivery,) = _read(connection, "id = ?", (delivery_id,))
        return Claim(delivery, number, lease)

    def finish(self, claim: Claim, attempt: Attempt, verdict: Verdict) -> bool:
        """Record an attempt's outcome; False when the lease was lost."""
        due_at = verdict.due_at or claim.delivery.due_at
        with self._database.write(synced=False) as connection:
            cursor = connection.execute(
                "UPDATE deliveries SET state = ?, due_at = ?, lease = NULL, lease_until = 0"
                " WHERE id = ? AND lease = ?",
                (verdict.state, epoch_ms(due_at), claim.delivery.id, claim.lease),
            )
            if cursor.rowcount != 1:
                return False
            connection.execute(
                "UPDATE attempts SET ended = ?, status = ?, error = ?, response = ?"
                " WHERE delivery_id = ? AND number = ?",
                (
                    epoch_ms(attempt.ended) if attempt.ended else None,
                    attempt.status,
                    attempt.error,
                    attempt.response,
                    claim.delivery.id,
                    claim.attempt,
                ),
            )
            return True

    def latest(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the newest delivery of each of the owner's blobs that has one, by blob id."""
        marks = ", ".join("?" * len(blob_ids))
        with self._database.read() as connection:
            found = _read(connection, f"blob_id IN ({marks}) AND owner = ?", (*blob_ids, owner))
        return {delivery.blob_id: delivery for delivery in found}

    def find_due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return ids of pending deliveries that are due and not under lease."""
        at = epoch_ms(now)
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id FROM deliveries WHERE state = 'pending' AND due_at <= ?"
                " AND lease_until <= ? ORDER BY due_at LIMIT ?",
                (at, at, limit),
            ).fetchall()
        return [row[0] for row in rows]

    def release_leases(self) -> None:
        """End every lease: only for a process that knows it is the only one, at its start."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                "UPDATE deliveries SET lease = NULL, lease_until = 0"
                " WHERE state = 'pending' AND lease IS NOT NULL"
            )


def _read(connection: sqlite3.Connection, where: str, values: Sequence[object]) -> list[Delivery]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM deliveries WHERE {where} ORDER BY blob_id, created_at",
        values,
    ).fetchall()
    attempts: dict[str, list[Attempt]] = {}
    for delivery_id, *values_ in connection.execute(
        "SELECT delivery_id, number, started, ended, status, error, response FROM attempts"
        f" WHERE delivery_id IN ({', '.join('?' * len(rows))}) ORDER BY delivery_id, number",
        [row[0] for row in rows],
    ):
        number, started, ended, status, error, response = values_
        attempts.setdefault(delivery_id, []).append(
            Attempt(
                number,
                from_epoch_ms(started),
                None if ended is None else from_epoch_ms(ended),
                status,
                error,
                response,
            )
        )
    return [
        Delivery(
            id=row[0],
            blob_id=row[1],
            owner=row[2],
            url=row[3],
            body=row[4],
            created_at=from_epoch_ms(row[5]),
            due_at=from_epoch_ms(row[6]),
            state=DeliveryState(row[7]),
            attempts=tuple(attempts.get(row[0], ())),
        )
        for row in rows
    ]
