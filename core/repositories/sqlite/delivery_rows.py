"""Deliveries and their attempts as rows of SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from core.domain.clock import epoch_ms, from_epoch_ms
from core.domain.delivery import Attempt, Delivery, DeliveryState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from datetime import datetime

_COLUMNS: Final = (
    "id, blob_id, owner, url, body, created_at, due_at, state, earlier, ended_at, endpoint,"
    " in_line, look_at"
)


def insert_delivery(
    connection: sqlite3.Connection, delivery: Delivery, *, in_line: int, look_at: datetime
) -> bool:
    """Insert a delivery. Return False if its id exists."""
    cursor = connection.execute(
        f"INSERT OR IGNORE INTO deliveries ({_COLUMNS})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            delivery.id,
            delivery.blob_id,
            delivery.owner,
            delivery.url,
            delivery.body,
            epoch_ms(delivery.created_at),
            epoch_ms(delivery.due_at),
            delivery.state,
            delivery.attempts_before,
            epoch_ms(delivery.ended_at) if delivery.ended_at else None,
            delivery.endpoint,
            in_line,
            epoch_ms(look_at),
        ),
    )
    return cursor.rowcount == 1


def read_deliveries(connection: sqlite3.Connection, ids: Collection[str]) -> list[Delivery]:
    """Return the deliveries that exist, ordered by id."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM deliveries WHERE id IN ({marks(ids)}) ORDER BY id", (*ids,)
    ).fetchall()
    attempts: dict[str, list[Attempt]] = {}
    for delivery_id, number, started, ended, *outcome in connection.execute(
        "SELECT delivery_id, number, started, ended, status, error, response, address"
        f" FROM attempts WHERE delivery_id IN ({marks(ids)}) ORDER BY delivery_id, number",
        (*ids,),
    ):
        attempts.setdefault(delivery_id, []).append(
            Attempt(
                number,
                from_epoch_ms(started),
                None if ended is None else from_epoch_ms(ended),
                *outcome,
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
            attempts_before=row[8],
            ended_at=None if row[9] is None else from_epoch_ms(row[9]),
        )
        for row in rows
    ]


def marks(values: Collection[str]) -> str:
    """Return the placeholders for a list of values."""
    return ", ".join("?" * len(values))
