"""The SQLite database: transactions, savepoints, readers, migrations and disk errors."""

from __future__ import annotations

import errno
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.backends.sqlite import Database
from core.backends.sqlite_migrations import NewerSchema
from core.domain.blob import BlobStatus
from core.domain.blob_list import BlobFilter, plan_blob_list
from core.domain.clock import Clock, from_epoch_ms
from core.domain.delivery import DeliveryState
from core.domain.errors import Unavailable
from core.domain.scope import from_earlier
from core.repositories.serialization import blob_to_document
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from core.repositories.sqlite.owners import SqliteOwnerRepository
from embedded.migrations import MIGRATIONS
from tests.support.blobs import NOON, a_blob, full_blob, uploaded
from tests.support.lists import a_page
from tests.support.waiting import PATIENCE

SCRIPTS = sorted(MIGRATIONS.glob("*.sql"))
SCHEMA_VERSION = len(SCRIPTS)


class Stop(Exception):
    """An exception that ends a block."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labelling.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(path, MIGRATIONS)
    yield database
    database.close()


def put(connection: sqlite3.Connection, *names: str) -> None:
    connection.executemany("INSERT INTO facts VALUES (?, '')", [(name,) for name in names])


def kept(database: Database) -> set[str]:
    with database.read() as connection:
        return {name for (name,) in connection.execute("SELECT name FROM facts")}


@contextmanager
def left_by(error: type[BaseException], database: Database) -> Iterator[sqlite3.Connection]:
    """Provide a `write` block that ends with an exception."""
    with suppress(error), database.write() as connection:
        yield connection
        raise error


def in_a_thread(call: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(timeout=5)


def test_block_is_committed_at_its_end(database: Database, path: Path) -> None:
    """This process and the next see it."""
    with database.write() as connection:
        put(connection, "a", "b")
    assert kept(database) == {"a", "b"}
    database.close()
    reopened = Database(path, MIGRATIONS)
    assert kept(reopened) == {"a", "b"}
    reopened.close()


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, GeneratorExit])
def test_block_with_an_exception_is_rolled_back(
    database: Database, error: type[BaseException]
) -> None:
    """Any kind of exception; the next block works."""
    with left_by(error, database) as connection:
        put(connection, "a")
    assert kept(database) == set()
    with database.write() as connection:
        put(connection, "b")
    assert kept(database) == {"b"}


def test_nested_block_is_a_savepoint(database: Database) -> None:
    """An exception rolls back the nested block only."""
    with database.write() as connection:
        put(connection, "before")
        with left_by(Stop, database):
            put(connection, "outer")
            with database.write():
                put(connection, "inner, of a block that isn't kept")
        with database.write():
            put(connection, "after")
    assert kept(database) == {"before", "after"}


def test_outermost_block_commits_savepoints(database: Database) -> None:
    with left_by(Stop, database), database.write() as connection:
        put(connection, "a")
    assert kept(database) == set()


def test_read_inside_a_write_sees_it(database: Database) -> None:
    """Only in the same thread: others see the last commit."""
    with database.write() as connection:
        put(connection, "a")
        assert kept(database) == {"a"}
        assert in_a_thread(lambda: kept(database)) == set()
    assert in_a_thread(lambda: kept(database)) == {"a"}


def test_second_writer_waits_for_the_first(database: Database) -> None:
    """Two threads never write in one transaction."""
    begun, at_it = threading.Event(), threading.Event()

    def second() -> None:
        begun.set()
        with database.write() as connection:
            at_it.set()
            put(connection, "second")

    thread = threading.Thread(target=second)
    with left_by(Stop, database) as connection:
        thread.start()
        assert begun.wait(5)
        assert not at_it.wait(0.05)
        put(connection, "first")
    thread.join(5)
    assert kept(database) == {"second"}


def test_threads_lose_no_increment(database: Database) -> None:
    """A block reads and writes in one transaction."""
    with database.write() as connection:
        connection.execute("INSERT INTO feeds VALUES ('count', 0)")

    def add_one(_: int) -> None:
        with database.write(synced=False) as connection:
            (n,) = connection.execute("SELECT sequence FROM feeds").fetchone()
            connection.execute("UPDATE feeds SET sequence = ?", (n + 1,))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_one, range(100)))
    with database.read() as connection:
        assert connection.execute("SELECT sequence FROM feeds").fetchone() == (100,)


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[os.stat_result]:
    """Collect the files that are synced to disk from now on."""
    synced: list[os.stat_result] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return synced


def test_synced_block_is_on_disk_at_its_end(
    database: Database, path: Path, syncs: list[os.stat_result]
) -> None:
    """Its commit is in SQLite's log, which is synced."""
    log = Path(f"{path}-wal")
    for name in ("a", "b"):
        with database.write() as connection:
            put(connection, name)
            size = log.stat().st_size
            assert syncs == []
        (synced,) = syncs
        assert os.path.samestat(synced, log.stat())
        assert synced.st_size > size
        syncs.clear()


def test_unsynced_block_does_not_sync(database: Database, syncs: list[os.stat_result]) -> None:
    """The outermost block decides; a rolled-back block does not sync either."""
    with database.write(synced=False), database.write():
        pass
    with left_by(Stop, database):
        pass
    assert syncs == []
    with database.write(), database.write(synced=False):
        pass
    assert len(syncs) == 1


def test_failed_sync_is_unavailable(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fsync)
        with pytest.raises(Unavailable, match="written to disk"):
            database.check_writable()
    database.check_writable()


def test_calls_are_made_after_the_commit_in_order_and_once(database: Database) -> None:
    """Outside the transaction: other threads see the commit and can write."""
    made: list[str] = []

    def first() -> None:
        made.append(f"first, kept {in_a_thread(lambda: kept(database))}")

    def second() -> None:
        with database.write() as connection:
            put(connection, "b")
        made.append("second")

    with database.write() as connection:
        database.after_commit(first)
        with database.write():
            database.after_commit(second)
            database.after_commit(first)
        put(connection, "a")
        assert made == []
    assert made == ["first, kept {'a'}", "second"]
    with database.write():
        pass
    assert len(made) == 2


def test_calls_of_a_later_commit_wait_for_those_of_an_earlier_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the later commit is on disk first."""
    made: list[str] = []
    syncing, synced = threading.Event(), threading.Event()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if not syncing.is_set():
            syncing.set()
            assert synced.wait(PATIENCE)
        real(descriptor)

    def commit(name: str) -> None:
        with database.write():
            database.after_commit(lambda: made.append(name))

    monkeypatch.setattr(os, "fsync", fsync)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(commit, "first")
        assert syncing.wait(PATIENCE)
        try:
            commit("second")
            assert made == []
        finally:
            synced.set()
        first.result()
    assert made == ["first", "second"]


def test_failed_call_does_not_stop_those_of_later_commits(database: Database) -> None:
    made: list[str] = []

    def fail() -> None:
        raise Stop

    with pytest.raises(Stop), database.write():
        database.after_commit(fail)
    with database.write():
        database.after_commit(lambda: made.append("later"))
    assert made == ["later"]


def test_rolled_back_block_makes_no_calls(database: Database) -> None:
    """Nor does a rolled-back savepoint."""
    made: list[str] = []
    with left_by(Stop, database):
        database.after_commit(lambda: made.append("never"))
    with database.write():
        database.after_commit(lambda: made.append("outer"))
        with left_by(Stop, database):
            database.after_commit(lambda: made.append("never"))
    assert made == ["outer"]


def test_value_is_created_once(database: Database) -> None:
    assert database.get_or_create("secret", lambda: "one") == "one"
    assert database.get_or_create("secret", lambda: "two") == "one"


def lay_out(connection: sqlite3.Connection, version: int) -> None:
    """Create the schema of an earlier version."""
    for script in SCRIPTS[:version]:
        connection.executescript(script.read_text("utf-8"))
    connection.execute(f"PRAGMA user_version = {version}")


def schema_of(path: Path) -> tuple[int, list[tuple[str, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return version, connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
        ).fetchall()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [each.name for each in SCRIPTS] == [f"{n:04}.sql" for n in range(1, len(SCRIPTS) + 1)]


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_every_earlier_schema_is_migrated(tmp_path: Path, version: int) -> None:
    new, old = tmp_path / "new.sqlite", tmp_path / "old.sqlite"
    Database(new, MIGRATIONS).close()
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        lay_out(connection, version)
    Database(old, MIGRATIONS).close()
    assert schema_of(old) == schema_of(new)
    assert schema_of(new)[0] == SCHEMA_VERSION


def test_failed_migration_changes_nothing(path: Path, tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "0001.sql").write_text("CREATE TABLE a (x TEXT DEFAULT ';');  -- one; comment\n")
    Database(path, scripts).close()
    before = schema_of(path)
    (scripts / "0002.sql").write_text("DROP TABLE a;\nCREATE TABLE b (y);\nSELECT wrong")
    with pytest.raises(Unavailable, match="no such column: wrong"):
        Database(path, scripts)
    assert schema_of(path) == before
    assert schema_of(copy_of(path, 1)) == before
    (scripts / "0002.sql").write_text("DROP TABLE a;\nCREATE TABLE b (y)")
    Database(path, scripts).close()
    assert schema_of(path) == (2, [("table", "b", "b", "CREATE TABLE b (y)")])
    assert schema_of(copy_of(path, 1)) == before


def copy_of(path: Path, version: int) -> Path:
    """The only copy that was kept before a migration."""
    (kept,) = path.parent.glob(f"{path.name}.layout-*")
    assert kept == path.with_name(f"{path.name}.layout-{version}")
    assert kept.stat().st_mode & 0o777 == 0o600
    return kept


def test_without_room_for_a_copy_nothing_is_migrated(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        lay_out(connection, 1)
    before = schema_of(path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No copy of the database could be made"):
        Database(path, MIGRATIONS)
    assert schema_of(path) == before
    assert list(tmp_path.glob(f"{path.name}.layout-*")) == []


def test_only_the_newest_copy_is_kept(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        lay_out(connection, 2)
    path.with_name(f"{path.name}.layout-1").touch()
    Database(path, MIGRATIONS).close()
    assert schema_of(copy_of(path, 2))[0] == 2


def test_upgrade_is_logged_with_the_place_of_the_copy(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        lay_out(connection, 2)
    with caplog.at_level(logging.INFO):
        for _ in range(2):  # the second start upgrades nothing
            Database(path, MIGRATIONS).close()
    (record,) = (each for each in caplog.records if each.message == "database upgraded")
    assert vars(record)["layout_before"] == 2
    assert vars(record)["layout"] == len(list(MIGRATIONS.glob("*.sql")))
    assert vars(record)["copy_for_the_way_back"] == str(copy_of(path, 2))


def test_data_of_version_1_is_migrated(path: Path) -> None:
    """Pending deliveries are sent, ended ones are listed, secrets still sign."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        lay_out(old, 1)
        url = "https://example.test/hook?a=b"
        old.executemany(
            "INSERT INTO deliveries (id, blob_id, owner, url, body, created_at, state, due_at)"
            " VALUES (?, ?, 'anna', ?, x'7b7d', 1000, ?, 2000)",
            [("msg_1_3", "1", url, "pending"), ("msg_2_3", "2", url, "exhausted")],
        )
        old.execute("INSERT INTO owners VALUES ('anna', '[\"whsec_2\", \"whsec_1\"]')")
        old.execute(
            "INSERT INTO attempts (delivery_id, number, started, ended, error)"
            " VALUES ('msg_2_3', 1, 1500, 1600, 'timeout')"
        )
    database = Database(path, MIGRATIONS)
    deliveries = SqliteDeliveryRepository(database)
    (ended,) = deliveries.find_by_state(DeliveryState.EXHAUSTED)
    assert (ended.ended_at, ended.attempts[0].error) == (from_epoch_ms(1600), "timeout")
    assert list(deliveries.find_due(NOON, 10)) == ["msg_1_3"]
    claim = deliveries.claim("msg_1_3", NOON, timedelta(seconds=30))
    assert claim is not None
    assert (claim.delivery.url, claim.delivery.body, claim.attempt) == (url, b"{}", 1)
    with database.read() as connection:
        endpoints = connection.execute("SELECT DISTINCT endpoint FROM deliveries").fetchall()
    assert endpoints == [(claim.delivery.endpoint,)]
    assert SqliteOwnerRepository(database, str).get_or_create("anna").secrets_at(NOON) == [
        "whsec_2",
        "whsec_1",
    ]
    database.close()


def test_keys_of_version_8_gain_and_lose_nothing(path: Path) -> None:
    """Reading and uploading together allowed to edit and delete."""
    keys = {
        "1": "read upload",
        "2": "admin read upload",
        "3": "read",
        "4": "upload",
        "5": "admin upload",
        "6": "",
    }
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        lay_out(old, 8)
        old.executemany(
            "INSERT INTO api_keys (hash, owner, name, created_at, scopes)"
            " VALUES (?, 'anna', '', 1000, ?)",
            keys.items(),
        )
    database = Database(path, MIGRATIONS)
    owners = SqliteOwnerRepository(database, str)
    found = {key.hash: key.scopes for key in owners.list_keys()}
    assert found == {digest: from_earlier(names.split()) for digest, names in keys.items()}
    database.close()


def test_blobs_of_version_4_are_found_by_their_bytes(path: Path, clock: Clock) -> None:
    """By the SHA-256 of the upload, or else the declared one. Invalid documents are kept."""
    of = {
        "arrived": replace(full_blob(), id="1", sha256="YXJyaXZlZA==", declared_sha256=None),
        "declared": a_blob(id="2", declared_sha256="ZGVjbGFyZWQ="),
        "neither": a_blob(id="3"),
    }
    odd = json.dumps({**blob_to_document(of["neither"]), "id": "4", "width": float("inf")})
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        lay_out(old, 4)
        documents = [(each.id, json.dumps(blob_to_document(each))) for each in of.values()]
        old.executemany(
            "INSERT INTO blobs VALUES (?, 'anna', 'LABELLED', 1, ?)", [*documents, ("4", odd)]
        )
    database = Database(path, MIGRATIONS)
    blobs = SqliteBlobRepository(database, clock)
    for name in ("arrived", "declared"):
        wanted = BlobFilter(sha256=of[name].digest)
        assert a_page(blobs, "anna", wanted, first=9).items == (of[name],)
    assert len(a_page(blobs, "anna", BlobFilter(), first=9).items) == len(of) + 1
    database.close()


def test_blobs_of_version_10_are_counted(path: Path, clock: Clock) -> None:
    """By owner and status, and so are their later changes."""
    made = [a_blob(owner=owner) for owner in ("anna", "anna", "bert")]
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        lay_out(old, 10)
        old.executemany(
            "INSERT INTO blobs (id, owner, status, version, document) VALUES (?, ?, ?, 1, ?)",
            [
                (each.id, each.owner, each.status, json.dumps(blob_to_document(each)))
                for each in made
            ],
        )
    database = Database(path, MIGRATIONS)
    blobs = SqliteBlobRepository(database, clock)
    waiting, all_blobs = BlobFilter((BlobStatus.AWAITING_UPLOAD,)), BlobFilter()
    assert blobs.count("anna", plan_blob_list(waiting)) == 2
    blobs.save(uploaded(made[0]), made[0])
    blobs.delete(made[1], NOON)
    assert blobs.count("anna", plan_blob_list(waiting)) == 0
    assert [blobs.count(each, plan_blob_list(all_blobs)) for each in ("anna", "bert")] == [1, 1]
    database.close()


def test_data_of_a_later_version_is_refused(database: Database, path: Path) -> None:
    """The message has the remedy, and the file does not change."""
    with database.write() as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    layouts = (
        f"data layout {SCHEMA_VERSION + 1}, but this program supports {SCHEMA_VERSION}. Update"
    )
    with pytest.raises(NewerSchema, match=layouts):
        Database(path, MIGRATIONS)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)
    connection.close()


def test_file_that_is_not_a_database_is_unavailable(path: Path) -> None:
    """It does not change."""
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        Database(path, MIGRATIONS)
    assert path.read_bytes().startswith(b"not a database")


def test_missing_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="unable to open"):
        Database(tmp_path / "nowhere" / "labelling.sqlite", MIGRATIONS)


def test_locked_file_is_unavailable(database: Database, path: Path) -> None:
    """While another process writes for too long; later it works again."""
    database._writer.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        database.check_writable()
    other.execute("ROLLBACK")
    other.close()
    database.check_writable()


def fill(database: Database) -> None:
    """Write until the page limit makes SQLite report a full disk."""
    with database.write() as connection:
        put(connection, "part of the block")
        connection.execute("INSERT INTO facts VALUES ('big', ?)", ("x" * 10_000_000,))


def test_full_disk_is_unavailable_and_loses_no_commit(database: Database) -> None:
    """The block is rolled back. Earlier commits stay, and later writes work."""
    with database.write() as connection:
        put(connection, "before")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(Unavailable, match="full"):
        fill(database)
    assert kept(database) == {"before"}
    with pytest.raises(Unavailable, match="full"), database.write():
        fill(database)
    with database.write() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    database.check_writable()
    assert kept(database) == {"before", "heartbeat"}


def test_write_protected_file_is_unavailable(database: Database) -> None:
    """It can still be read."""
    with database.write() as connection:
        put(connection, "a")
    database._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(Unavailable, match="readonly"):
        database.check_writable()
    assert kept(database) == {"a"}


def test_ended_threads_leave_no_connections(database: Database) -> None:
    """The pool has as many connections as there were simultaneous readers, and the writer's."""

    def read() -> None:
        with database.read() as connection:
            connection.execute("SELECT 1").fetchone()

    for _ in range(20):
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert len(database._connections) == 2
