"""The audit log on SQLite. Triggers keep records from being changed or deleted early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from core.domain.clock import epoch_ms, from_epoch_ms
from core.repositories.ports.audit import RETENTION, AuditAction, AuditRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from core.backends.sqlite import Database

_PAGE: Final = 500


class SqliteAuditLog:
    """The audit log in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, record: AuditRecord) -> None:
        """Store a record; it is on disk when this returns."""
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO audit (at, action, owner, actor, origin, subject)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    epoch_ms(record.at),
                    record.action.value,
                    record.owner,
                    record.actor,
                    record.origin,
                    record.subject,
                ),
            )

    def read(self, since: datetime, until: datetime) -> Iterator[AuditRecord]:
        """Yield the records of a time, `until` excluded, oldest first."""
        after = (epoch_ms(since), 0)
        while True:
            with self._database.read() as connection:
                rows = connection.execute(
                    "SELECT at, id, action, owner, actor, origin, subject FROM audit"
                    " WHERE (at, id) > (?, ?) AND at < ? ORDER BY at, id LIMIT ?",
                    (*after, epoch_ms(until), _PAGE),
                ).fetchall()
            for at, _, action, *texts in rows:
                yield AuditRecord(from_epoch_ms(at), AuditAction(action), *texts)
            if len(rows) < _PAGE:
                return
            after = rows[-1][:2]

    def trim(self, now: datetime) -> None:
        """Delete the records whose retention is over."""
        with self._database.write(synced=False) as connection:
            connection.execute("DELETE FROM audit WHERE at < ?", (epoch_ms(now - RETENTION),))
