"""When data of reserved uploads is deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.backends.sqlite import Database
from core.domain.clock import Clock
from core.domain.errors import QuotaExceeded
from core.repositories.ports.uploads import KEY_RETENTION, IdempotencyKey, UploadLimits
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.uploads import SqliteUploadRepository
from tests.support.blobs import NOON, a_blob

KEY = IdempotencyKey("a" * 64, "d1")
MINUTE = timedelta(minutes=1)
TICK = timedelta(milliseconds=1)


@pytest.fixture
def uploads(database: Database, clock: Clock) -> SqliteUploadRepository:
    return SqliteUploadRepository(
        database, SqliteBlobRepository(database, clock), UploadLimits(per_minute=1)
    )


def rows(database: Database) -> tuple[int, int]:
    """Count the keys and counts."""
    with database.read() as connection:
        return (
            connection.execute("SELECT count(*) FROM upload_keys").fetchone()[0],
            connection.execute("SELECT count(*) FROM upload_counts").fetchone()[0],
        )


def test_trim_deletes_only_expired_rows(
    database: Database, uploads: SqliteUploadRepository
) -> None:
    """A key after a day, a count after its minute."""
    blob = uploads.reserve(a_blob(), KEY)
    uploads.trim(NOON)
    assert uploads.reserve(a_blob(), KEY) == blob
    with pytest.raises(QuotaExceeded):
        uploads.reserve(a_blob())
    assert rows(database) == (1, 1)
    uploads.trim(NOON + MINUTE)
    assert rows(database) == (1, 0)
    uploads.trim(NOON + KEY_RETENTION - TICK)
    assert rows(database) == (1, 0)
    uploads.trim(NOON + KEY_RETENTION)
    assert rows(database) == (0, 0)


def test_refused_upload_is_not_stored(database: Database, uploads: SqliteUploadRepository) -> None:
    """Neither under its key nor in the count."""
    uploads.reserve(a_blob())
    for _ in range(3):
        with pytest.raises(QuotaExceeded):
            uploads.reserve(a_blob(), KEY)
    with database.read() as connection:
        assert connection.execute("SELECT count FROM upload_counts").fetchall() == [(1,)]
    assert rows(database) == (0, 1)
