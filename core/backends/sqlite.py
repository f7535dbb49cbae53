"""One SQLite file that repositories and queues share, so that a transaction can span both."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.domain.errors import LabellingError, StorageFull, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class NewerSchema(LabellingError):
    """The data was written by a later version of this program."""


class Database:
    """A SQLite file in WAL mode: many readers, one writer at a time.

    `migrations` is a folder of SQL files 0001.sql, 0002.sql, ...: file n takes the database from
    schema version n - 1 to n (SQLite: "PRAGMA user_version"). A new database runs all of them, an
    older one those that it lacks, in one transaction.

    Errors of the file (locked, unreadable) come out as `Unavailable`, a full disk as `StorageFull`.
    """

    def __init__(self, path: Path, migrations: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connections: list[sqlite3.Connection] = []
        self._idle: list[sqlite3.Connection] = []
        self._depth = 0
        self._committed: list[Callable[[], None]] = []
        self._log: int | None = None
        self._writer = self._connect()
        try:
            self._migrate(migrations)
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

    def get_or_create(self, name: str, make: Callable[[], str]) -> str:
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

    def _migrate(self, migrations: Path) -> None:
        scripts = sorted(migrations.glob("*.sql"))
        latest = len(scripts)
        with self.write() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > latest:
                raise NewerSchema(
                    f"{self._path} has data layout {version}, this program knows {latest}: "
                    "update the program or choose another data folder."
                )
            for script in scripts[version:]:
                for statement in _statements(script.read_text("utf-8")):
                    connection.execute(statement)
            if version < latest:
                connection.execute(f"PRAGMA user_version = {latest}")


def _statements(script: str) -> Iterator[str]:
    """Split a script: `executescript` would commit the transaction."""
    lines: list[str] = []
    for line in script.splitlines():
        lines.append(line)
        if sqlite3.complete_statement(statement := "\n".join(lines)):
            yield statement
            lines.clear()
    if lines:  # the last statement may lack its semicolon
        yield "\n".join(lines)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.DatabaseError) as exc:
        if isinstance(exc, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        if getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise StorageFull(f"The database has no space left: {exc}") from exc
        raise Unavailable(f"The database can't answer: {exc}") from exc
