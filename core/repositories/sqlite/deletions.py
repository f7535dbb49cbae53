"""Blobs that wait to be deleted, and records of deleted blobs, on SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.clock import epoch_ms
from core.repositories.ports.blobs import DELETION_RETENTION

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.blob import Blob


def due_time(blob: Blob) -> int | None:
    """Return when a blob is to be deleted, as its row has it."""
    return None if blob.deletes_at is None else epoch_ms(blob.deletes_at)


def set_due_time(connection: sqlite3.Connection, blob: Blob) -> None:
    """Store when a blob is to be deleted, in the current transaction."""
    connection.execute("UPDATE blobs SET deletes_at = ? WHERE id = ?", (due_time(blob), blob.id))


def find_due_deletions(
    database: Database, before: datetime, limit: int
) -> Sequence[tuple[str, str]]:
    """Return (owner, id) of blobs that are to be deleted before a time, the earliest first."""
    with database.read() as connection:
        return connection.execute(
            "SELECT owner, id FROM blobs INDEXED BY blobs_due WHERE deletes_at < ?"
            " ORDER BY deletes_at LIMIT ?",
            (epoch_ms(before), limit),
        ).fetchall()


def record_deletion(connection: sqlite3.Connection, blob: Blob, at: datetime) -> None:
    """Record a blob's deletion in the current transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO deleted_blobs (id, owner, at) VALUES (?, ?, ?)",
        (blob.id, blob.owner, epoch_ms(at)),
    )


def was_deleted(database: Database, owner: str, blob_id: str) -> bool:
    """Tell whether the owner's blob was deleted."""
    with database.read() as connection:
        row = connection.execute(
            "SELECT 1 FROM deleted_blobs WHERE id = ? AND owner = ?", (blob_id, owner)
        ).fetchone()
    return row is not None


def find_unfinished_deletions(
    database: Database, before: datetime, limit: int
) -> Sequence[tuple[str, str]]:
    """Return (owner, id) of blobs deleted before a time whose deletion is not finished."""
    with database.read() as connection:
        return connection.execute(
            "SELECT owner, id FROM deleted_blobs WHERE settled = 0 AND at < ? ORDER BY at LIMIT ?",
            (epoch_ms(before), limit),
        ).fetchall()


def finish_deletion(database: Database, blob_id: str) -> None:
    """Record that all data of a deleted blob is gone."""
    with database.write(synced=False) as connection:
        connection.execute("UPDATE deleted_blobs SET settled = 1 WHERE id = ?", (blob_id,))


def trim_deleted(database: Database, now: datetime) -> None:
    """Delete records older than DELETION_RETENTION."""
    with database.write(synced=False) as connection:
        connection.execute(
            "DELETE FROM deleted_blobs WHERE at < ?", (epoch_ms(now - DELETION_RETENTION),)
        )
