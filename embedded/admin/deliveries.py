"""Webhooks of all owners by state, and the endpoints that they wait for."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import epoch_ms, from_epoch_ms, to_text
from core.domain.delivery import DeliveryState, failure_reason
from core.repositories.sqlite.delivery_rows import read_deliveries

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.delivery import Delivery

DAY: Final = timedelta(days=1)
# A partial index is used only where its condition is in the statement.
_PENDING: Final = """
    SELECT id FROM deliveries INDEXED BY deliveries_due
    WHERE state = 'pending' AND state = ? ORDER BY look_at LIMIT ? OFFSET ?
"""
_ENDED: Final = """
    SELECT id FROM deliveries INDEXED BY deliveries_ended
    WHERE state <> 'pending' AND state = ? ORDER BY ended_at DESC LIMIT ? OFFSET ?
"""
_MAX_EXPLAINED: Final = 1000  # failures of a day whose reasons are counted


def delivery_record(delivery: Delivery) -> dict[str, Any]:
    """Return a webhook as JSON values."""
    last = delivery.attempts[-1] if delivery.attempts else None
    return {
        "id": delivery.id,
        "blob_id": delivery.blob_id,
        "owner": delivery.owner,
        "url": delivery.url,
        "state": delivery.state.value,
        "attempts": len(delivery.attempts),
        "created_at": to_text(delivery.created_at),
        "due_at": None if delivery.ended_at else to_text(delivery.due_at),
        "ended_at": delivery.ended_at and to_text(delivery.ended_at),
        "last_error": last and last.ended and _error(last.error, last.status),
        "reason": failure_reason(delivery),
    }


def summarise_deliveries(database: Database, now: datetime) -> dict[str, Any]:
    """Count pending webhooks, and those that ended within a day. Raises Unavailable.

    `failures` tells why the latest of the day's exhausted ones failed at last, most often first.
    """
    since = epoch_ms(now - DAY)
    with database.read() as connection:
        pending, next_at = connection.execute(
            "SELECT count(*), min(look_at) FROM deliveries INDEXED BY deliveries_due"
            " WHERE state = 'pending'"
        ).fetchone()
        ended = {
            state.value: _count_ended(connection, state, since)
            for state in DeliveryState
            if state is not DeliveryState.PENDING
        }
        rows = connection.execute(
            "SELECT error, status FROM (SELECT id FROM deliveries INDEXED BY deliveries_ended"
            " WHERE state = ? AND state <> 'pending' AND ended_at >= ?"
            " ORDER BY ended_at DESC LIMIT ?) AS d JOIN attempts ON delivery_id = d.id"
            " AND number = (SELECT max(number) FROM attempts WHERE delivery_id = d.id)",
            (DeliveryState.EXHAUSTED, since, _MAX_EXPLAINED),
        )
        failures = Counter(_error(error, status) for error, status in rows)
    return {
        "pending": pending,
        "next_attempt_at": None if next_at is None else to_text(from_epoch_ms(next_at)),
        "last_day": ended,
        "failures": dict(failures.most_common()),
    }


def list_deliveries(
    database: Database, state: DeliveryState, limit: int, skip: int = 0
) -> list[Delivery]:
    """Return webhooks of a state behind the first `skip`. Raises Unavailable.

    Pending ones are in the order in which they are due; of others, the last to end comes first.
    """
    statement = _PENDING if state is DeliveryState.PENDING else _ENDED
    with database.read() as connection:
        rows = connection.execute(statement, (state, limit, skip)).fetchall()
        ids = [row[0] for row in rows]
        found = {each.id: each for each in read_deliveries(connection, ids)}
    return [found[each] for each in ids if each in found]  # else deleted meanwhile


def list_endpoints(database: Database, limit: int, skip: int = 0) -> list[dict[str, Any]]:
    """Return endpoints that are disabled or have pending webhooks. Raises Unavailable.

    The disabled ones come first, then those with the most webhooks.
    """
    with database.read() as connection:
        rows = connection.execute(
            "WITH waiting AS (SELECT owner, endpoint, count(*) AS pending, min(due_at) AS due"
            " FROM deliveries INDEXED BY deliveries_in_line WHERE state = 'pending'"
            " GROUP BY owner, endpoint),"
            " known AS (SELECT owner, endpoint FROM disabled_endpoints"
            " UNION SELECT owner, endpoint FROM waiting)"
            " SELECT owner, endpoint, at, coalesce(pending, 0), due FROM known"
            " LEFT JOIN disabled_endpoints USING (owner, endpoint)"
            " LEFT JOIN waiting USING (owner, endpoint)"
            " ORDER BY at IS NULL, at, 4 DESC, 1, 2 LIMIT ? OFFSET ?",
            (limit, skip),
        ).fetchall()
    return [
        {
            "owner": owner,
            "url": endpoint,
            "disabled_at": None if at is None else to_text(from_epoch_ms(at)),
            "pending": pending,
            "next_attempt_at": None if due is None else to_text(from_epoch_ms(due)),
        }
        for owner, endpoint, at, pending, due in rows
    ]


def _count_ended(connection: sqlite3.Connection, state: DeliveryState, since: int) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM deliveries INDEXED BY deliveries_ended"
        " WHERE state = ? AND state <> 'pending' AND ended_at >= ?",
        (state, since),
    ).fetchone()
    return int(count)


def _error(error: str | None, status: int | None) -> str | None:
    return f"status {status}" if status and error else error
