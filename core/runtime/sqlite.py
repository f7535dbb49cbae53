"""One SQLite file shared by the records and the queues, so that one transaction can span both."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from core.domain.errors import LabellingError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LAYOUT_1: Final = """
CREATE TABLE blobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL, version INTEGER NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX blobs_by_owner ON blobs (owner, id);
CREATE INDEX blobs_by_status ON blobs (owner, status, id);
CREATE INDEX blobs_awaiting ON blobs (id) WHERE status = 'AWAITING_UPLOAD';

CREATE TABLE label_entries (
    owner TEXT NOT NULL, label TEXT NOT NULL, blob_id TEXT NOT NULL, confidence REAL NOT NULL,
    PRIMARY KEY (owner, label, blob_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX label_entries_by_confidence ON label_entries (owner, label, confidence, blob_id);

CREATE TABLE label_summaries (
    owner TEXT NOT NULL, label TEXT NOT NULL, name TEXT NOT NULL, blob_count INTEGER NOT NULL,
    PRIMARY KEY (owner, label)
) WITHOUT ROWID, STRICT;
CREATE TABLE counted_labels (
    blob_id TEXT PRIMARY KEY, version INTEGER NOT NULL, names TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, blob_id TEXT NOT NULL, at INTEGER NOT NULL,
    old TEXT, new TEXT
) STRICT;
CREATE TABLE feeds (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID, STRICT;

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY, blob_id TEXT NOT NULL, owner TEXT NOT NULL, url TEXT NOT NULL,
    body BLOB NOT NULL, created_at INTEGER NOT NULL, state TEXT NOT NULL, due_at INTEGER NOT NULL,
    lease TEXT, lease_until INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
CREATE INDEX deliveries_by_blob ON deliveries (blob_id, created_at);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE TABLE attempts (
    delivery_id TEXT NOT NULL, number INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER,
    status INTEGER, error TEXT, response BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID, STRICT;

CREATE TABLE owners (id TEXT PRIMARY KEY, webhook_secrets TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE api_keys (
    hash TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, created_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, body TEXT NOT NULL,
    visible_at INTEGER NOT NULL, sent_at INTEGER NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0, receipt TEXT
) STRICT;
CREATE INDEX messages_visible ON messages (queue, visible_at);
CREATE UNIQUE INDEX messages_by_receipt ON messages (receipt) WHERE receipt IS NOT NULL;

CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
"""

_LAYOUT_2: Final = """
ALTER TABLE deliveries ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN earlier INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN ended_at INTEGER;
ALTER TABLE deliveries ADD COLUMN in_line INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN look_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN address TEXT;
UPDATE deliveries SET endpoint = substr(url, 1, instr(url || '?', '?') - 1), look_at = due_at;
UPDATE deliveries SET ended_at = coalesce(
    (SELECT max(ended) FROM attempts WHERE delivery_id = deliveries.id), due_at
) WHERE state <> 'pending';
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (look_at) WHERE state = 'pending';
CREATE INDEX deliveries_in_line ON deliveries (owner, endpoint, in_line, due_at)
    WHERE state = 'pending';
CREATE INDEX deliveries_leased ON deliveries (owner, endpoint, lease_until)
    WHERE lease IS NOT NULL;
CREATE INDEX deliveries_ended ON deliveries (state, ended_at) WHERE state <> 'pending';

ALTER TABLE owners RENAME COLUMN webhook_secrets TO document;
UPDATE owners SET document = json_object('webhook_secrets', json(document));

CREATE TABLE disabled_endpoints (
    owner TEXT NOT NULL, endpoint TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (owner, endpoint)
) WITHOUT ROWID, STRICT;
"""

_LAYOUT_3: Final = """
CREATE TABLE deleted_blobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, at INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
CREATE INDEX deleted_blobs_by_time ON deleted_blobs (at);
CREATE INDEX deleted_blobs_unsettled ON deleted_blobs (at) WHERE settled = 0;

CREATE TABLE upload_keys (
    owner TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, blob_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL, PRIMARY KEY (owner, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX upload_keys_expiring ON upload_keys (expires_at);
CREATE TABLE upload_counts (
    minute INTEGER NOT NULL, owner TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (minute, owner)
) WITHOUT ROWID, STRICT;
"""

_LAYOUT_4: Final = """
ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'admin read upload';
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER
"""

_LAYOUT_5: Final = """
ALTER TABLE blobs ADD COLUMN digest TEXT;
UPDATE blobs SET digest = coalesce(
    json_extract(document, '$.sha256'), json_extract(document, '$.declared_sha256')
) WHERE json_valid(document);
CREATE INDEX blobs_by_digest ON blobs (owner, digest, id) WHERE digest IS NOT NULL
"""

# What takes a file from one layout to the next; a new file takes every step.
_LAYOUTS: Final = (_LAYOUT_1, _LAYOUT_2, _LAYOUT_3, _LAYOUT_4, _LAYOUT_5)
SCHEMA_VERSION: Final = len(_LAYOUTS)


class NewerSchema(LabellingError):
    """The data was written by a later version of this program."""


class Database:
    """A SQLite file in WAL mode: many readers, one writer at a time.

    Errors of the file (locked, full, unreadable) come out as `Unavailable`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connections: list[sqlite3.Connection] = []
        self._idle: list[sqlite3.Connection] = []
        self._depth = 0
        self._committed: list[Callable[[], None]] = []
        self._log: int | None = None
        self._writer = self._connect()
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self, *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """Run a block in a write transaction; a block inside a block is a savepoint of it.

        All of a block is kept, or nothing of it if an exception leaves it. What is kept survives
        the end of the process; with `synced` of the outermost block it also is on disk before the
        block ends, and all that was written before it. What nobody was promised needs no sync: a
        power cut then takes the database back to an earlier whole state of it.
        """
        with self._lock, _translated():
            if self._depth:
                with self._savepoint():
                    yield self._writer
                return
            self._committed = []
            self._writer.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0
                committed, self._committed = self._committed, []
        try:
            if synced:
                self._sync_log()
        finally:  # what is kept is to be worked on, even if it is not on disk yet
            for call in committed:
                call()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read with; inside this thread's own `write`, one that sees it."""
        with _translated():
            if self._lock_is_mine():
                yield self._writer
                return
            # As many as were ever read with at the same time: threads come and go.
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
            try:
                yield connection
            finally:
                self._idle.append(connection)

    def watch(self) -> Callable[[], bool]:
        """Return what tells whether any process has written since it was asked before.

        For one thread to ask, now and then: it costs next to nothing (SQLite: "PRAGMA
        data_version").
        """
        connection = self._connect()

        def version() -> int:
            with _translated():
                (found,) = connection.execute("PRAGMA data_version").fetchone()
            return int(found)

        seen = version()

        def written() -> bool:
            nonlocal seen
            before, seen = seen, version()
            return seen != before

        return written

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have `call` made once the transaction at hand is kept; must be called inside `write`."""
        if call not in self._committed:
            self._committed.append(call)

    def fact(self, name: str, make: Callable[[], str]) -> str:
        """Return what is kept under a name, made and kept at first asking."""
        with self.write() as connection:
            connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, make()))
            row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return str(row[0])

    def check_writable(self) -> None:
        """Write and keep one row. Raises Unavailable when that can't be done."""
        with self.write() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('heartbeat', random())")

    def close(self) -> None:
        """Close every connection; nothing may be in use any more."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._idle.clear()
            if self._log is not None:
                os.close(self._log)
                self._log = None

    def _sync_log(self) -> None:
        # In WAL mode a commit is in the log, so syncing that file keeps it and all before it, as
        # `synchronous = FULL` would; but here no other writer waits for the disk meanwhile, and
        # one sync serves every commit before it. A checkpoint syncs the log by itself.
        try:
            if self._log is None:
                self._log = os.open(f"{self._path}-wal", os.O_RDONLY)
            os.fsync(self._log)
        except OSError as exc:
            raise Unavailable(f"The database can't be put on disk: {exc}") from exc

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        name = f"depth_{self._depth}"
        self._writer.execute(f"SAVEPOINT {name}")
        self._depth += 1
        asked_before = len(self._committed)
        try:
            yield
        except BaseException:
            del self._committed[asked_before:]
            if self._writer.in_transaction:
                self._writer.execute(f"ROLLBACK TO {name}")
            raise
        finally:
            self._depth -= 1
            if self._writer.in_transaction:
                self._writer.execute(f"RELEASE {name}")

    def _lock_is_mine(self) -> bool:
        # Only the thread inside `write` can take the lock again while the depth is not zero.
        if not self._depth or not self._lock.acquire(blocking=False):
            return False
        try:
            return self._depth > 0
        finally:
            self._lock.release()

    def _connect(self) -> sqlite3.Connection:
        with _translated():
            connection = sqlite3.connect(
                self._path, timeout=10, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")  # see _sync_log
                connection.execute("PRAGMA temp_store = MEMORY")
            except BaseException:
                connection.close()
                raise
            self._connections.append(connection)
            return connection

    def _migrate(self) -> None:
        with self.write() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise NewerSchema(
                    f"{self._path} has data layout {version}, this program knows {SCHEMA_VERSION}: "
                    "update the program or choose another data folder."
                )
            for layout in _LAYOUTS[version:]:
                for statement in layout.split(";"):
                    connection.execute(statement)
            if version < SCHEMA_VERSION:
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.DatabaseError) as exc:
        if isinstance(exc, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        raise Unavailable(f"The database can't answer: {exc}") from exc
