"""When a database is unfit to acknowledge writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.backends.sqlite import Database
from core.domain.errors import Unavailable
from embedded.migrations import MIGRATIONS
from tests.support.services.damaged_database import damage_table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labelling.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(path, MIGRATIONS)
    yield database
    database.close()


def test_sound_database_has_no_error(database: Database) -> None:
    database.health.check_integrity()
    database.check_writable()
    assert database.health.error() is None


def count(database: Database) -> int:
    with database.read() as connection:
        (found,) = connection.execute("SELECT count(*) FROM facts").fetchone()
    return int(found)


def test_deleted_file_ends_writes_before_they_begin(database: Database, path: Path) -> None:
    """The block does not run, so that no file is renamed for it. No new database is created."""
    database.check_writable()
    assert count(database) == 1
    path.unlink()
    ran = False
    with pytest.raises(Unavailable, match="deleted"), database.write():
        ran = True
    assert not ran
    assert count(database) == 1  # by a connection that was open
    with database.read(), pytest.raises(Unavailable, match="deleted"):
        count(database)
    assert not path.exists()


def test_file_deleted_during_a_write_is_an_error_of_it(database: Database, path: Path) -> None:
    """The client gets no success."""

    def write() -> None:
        with database.write() as connection:
            connection.execute("INSERT INTO facts VALUES ('a', 'b')")
            path.unlink()

    with pytest.raises(Unavailable, match="deleted"):
        write()


def test_file_that_comes_back_is_not_the_same(database: Database, path: Path) -> None:
    database.check_writable()
    path.rename(path.with_name("moved"))
    assert "deleted" in str(database.health.error())
    path.write_bytes(b"")
    assert "replaced" in str(database.health.error())
    path.with_name("moved").replace(path)
    assert database.health.error() is None
    database.check_writable()


def test_write_error_lasts_until_the_next_success(database: Database) -> None:
    database._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(Unavailable):
        database.check_writable()
    assert "readonly" in str(database.health.error())
    database._writer.execute("PRAGMA query_only = OFF")
    database.check_writable()
    assert database.health.error() is None


def test_damage_that_a_read_meets_ends_writes(database: Database, path: Path) -> None:
    database.check_writable()
    database._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage_table(path, "facts")
    fresh = Database(path, MIGRATIONS)
    with pytest.raises(Unavailable), fresh.read() as connection:
        connection.execute("SELECT * FROM facts").fetchall()
    assert "damaged" in str(fresh.health.error())
    with pytest.raises(Unavailable, match="damaged"):
        fresh.check_writable()
    fresh.close()


def test_check_can_be_stopped(database: Database) -> None:
    """From another thread; a stopped check finds nothing."""
    with database.write(synced=False) as connection:
        rows = ((f"row {number}", "x" * 3000) for number in range(20_000))
        connection.executemany("INSERT INTO facts VALUES (?, ?)", rows)
    checking = threading.Thread(target=database.health.check_integrity)
    checking.start()
    while checking.is_alive():
        database.health.stop_check()
    checking.join()
    assert database.health.error() is None


def test_check_without_time_finds_nothing(database: Database) -> None:
    database.health.check_integrity(seconds=0.000001)
    assert database.health.error() is None
