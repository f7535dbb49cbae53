"""Reserved uploads on SQLite. One transaction checks the limits and stores the upload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.clock import epoch_ms
from core.domain.errors import IdempotencyKeyReused
from core.repositories.ports.uploads import (
    KEY_RETENTION,
    IdempotencyKey,
    UploadLimits,
    open_uploads_error,
    rate_limit_error,
)

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.blob import Blob
    from core.repositories.sqlite.blobs import SqliteBlobRepository

_MINUTE = 60_000  # milliseconds


class SqliteUploadRepository:
    """Reserved uploads in a `Database`. Its limits are exact."""

    def __init__(
        self, database: Database, blobs: SqliteBlobRepository, limits: UploadLimits
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._limits = limits

    def reserve(self, blob: Blob, key: IdempotencyKey | None = None) -> Blob:
        """Store a new blob, or return the one that was reserved under the same key."""
        with self._database.write() as connection:
            if key and (kept := self._reserved(connection, blob, key)):
                return kept
            self._count(connection, blob)
            self._blobs.create(blob)
            if key:
                connection.execute(
                    "INSERT OR REPLACE INTO upload_keys VALUES (?, ?, ?, ?, ?)",
                    (
                        blob.owner,
                        key.hash,
                        key.digest,
                        blob.id,
                        epoch_ms(blob.created_at + KEY_RETENTION),
                    ),
                )
        return blob

    def trim(self, now: datetime) -> None:
        """Delete expired keys and counts."""
        at = epoch_ms(now)
        with self._database.write(synced=False) as connection:
            connection.execute("DELETE FROM upload_keys WHERE expires_at <= ?", (at,))
            connection.execute("DELETE FROM upload_counts WHERE minute < ?", (at // _MINUTE,))

    def _reserved(
        self, connection: sqlite3.Connection, blob: Blob, key: IdempotencyKey
    ) -> Blob | None:
        row = connection.execute(
            "SELECT blob_id, digest FROM upload_keys"
            " WHERE owner = ? AND key = ? AND expires_at > ?",
            (blob.owner, key.hash, epoch_ms(blob.created_at)),
        ).fetchone()
        kept = self._blobs.get(row[0]) if row else None
        if kept and row[1] != key.digest:
            raise IdempotencyKeyReused(kept.id)
        return kept

    def _count(self, connection: sqlite3.Connection, blob: Blob) -> None:
        """Count an upload. Raises QuotaExceeded."""
        if self._limits.per_minute:
            row = connection.execute(
                "INSERT INTO upload_counts VALUES (?, ?, 1)"
                " ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count",
                (epoch_ms(blob.created_at) // _MINUTE, blob.owner),
            ).fetchone()
            if row[0] > self._limits.per_minute:
                raise rate_limit_error(self._limits.per_minute, blob.created_at)
        if self._limits.open:
            last = connection.execute(
                "SELECT 1 FROM blobs INDEXED BY blobs_by_status"
                " WHERE owner = ? AND status = 'AWAITING_UPLOAD' AND deletes_at IS NULL"
                " LIMIT 1 OFFSET ?",
                (blob.owner, self._limits.open - 1),
            ).fetchone()
            if last:
                raise open_uploads_error(self._limits.open, blob.created_at)
