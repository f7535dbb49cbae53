"""Documents of owners that have a version, each a row of its table, on SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.clock import epoch_ms

if TYPE_CHECKING:
    from datetime import datetime

    from core.backends.sqlite import Database


def put_next(
    database: Database,
    table: str,
    owner: str,
    document: str,
    version: int,
    at: datetime,
    also: str = "",
) -> bool:
    """Store an owner's document in place of that with the version before; it is on disk then.

    `also` sets other columns of a row that is replaced. Return False if the stored document has
    another version.
    """
    values = (document, version, epoch_ms(at), owner)
    with database.write() as connection:
        if version == 1:
            statement = (
                f"INSERT OR IGNORE INTO {table} (document, version, set_at, owner)"
                " VALUES (?, ?, ?, ?)"
            )
            return connection.execute(statement, values).rowcount == 1
        cursor = connection.execute(
            f"UPDATE {table} SET document = ?, version = ?, set_at = ?{also}"
            " WHERE owner = ? AND version = ?",
            (*values, version - 1),
        )
        return cursor.rowcount == 1
