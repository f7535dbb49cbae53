"""The SQLite database. Repositories and queues share it, so that a transaction can span both."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from core.backends.commit_calls import CommitCalls
from core.backends.sqlite_health import DatabaseHealth, database_uri, is_damage
from core.backends.sqlite_migrations import migrate
from core.domain.errors import StorageFull, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_UNWRITABLE: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})


class Database:
    """A SQLite file in WAL mode: many readers, one writer at a time.

    `migrations` is a folder of SQL files 0001.sql, 0002.sql, ...: file n takes the database from
    schema version n - 1 to n (SQLite: "PRAGMA user_version"). A new database runs all of them, an
    older one those that it lacks, in one transaction. Before that `before_migration` is called,
    which may raise, and a copy of the older one is kept beside it: `<name>.layout-<version>`.

    Errors of the file (locked, unreadable) are raised as `Unavailable`; on a full disk, that is
    `StorageFull`. A database that is damaged, or whose files were deleted or replaced, accepts no
    writes: see `health`.
    """

    def __init__(
        self,
        path: Path,
        migrations: Path,
        before_migration: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connections: list[sqlite3.Connection] = []
        self._idle: list[sqlite3.Connection] = []
        self._depth = 0
        self._committed: list[Callable[[], None]] = []
        self._calls = CommitCalls()
        self._log: int | None = None
        self.health = DatabaseHealth(path)
        with suppress(OSError):  # connecting raises the error
            # SQLite would let all users read it. Its log takes the mode of the database.
            os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
        self._writer = self._connect()
        self.health.track(path, path.stat())
        try:
            with self.write() as connection:
                migrate(connection, path, migrations, before_migration, self._keep_copy)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self, *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """Run a block in a write transaction; a nested block is a savepoint.

        A block is committed as a whole, or rolled back if it raises an exception. A committed block
        survives the end of the process. If the outermost block is `synced`, it is also on disk when
        the block ends, with all commits before it. Use `synced=False` for what no client was
        promised: a power cut then returns the database to an earlier consistent state.
        """
        with self._lock, self._translated(writing=True):
            if self._depth:
                with self._savepoint():
                    yield self._writer
                return
            self.health.require()
            self._committed, commit = [], None
            self._writer.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield self._writer
                self._writer.execute("COMMIT")
                if self._committed:
                    commit = self._calls.add(self._committed)
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0
                self._committed = []
        try:
            if synced:
                self._sync_log()
            self.health.note_write()
        finally:  # the commit is valid even if it is not on disk yet
            if commit:
                self._calls.make(commit)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Provide a connection for reading; inside `write` of this thread, the writing one."""
        with self._translated():
            if self._is_writing():
                yield self._writer
                return
            # The pool grows to the highest number of simultaneous readers; threads come and go.
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
            try:
                yield connection
            finally:
                self._idle.append(connection)

    def watch(self) -> Callable[[], bool]:
        """Return a function that tells whether any process has written since its last call.

        Only one thread may call it. A call is cheap (SQLite: "PRAGMA data_version").
        """
        connection = self._connect()

        def version() -> int:
            with self._translated():
                (found,) = connection.execute("PRAGMA data_version").fetchone()
            return int(found)

        seen = version()

        def written() -> bool:
            nonlocal seen
            before, seen = seen, version()
            return seen != before

        return written

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call `call` once after the current transaction commits. Only inside `write`.

        Calls of several commits are made in the order of the commits, by any of their threads.
        """
        if call not in self._committed:
            self._committed.append(call)

    def get_or_create(self, name: str, make: Callable[[], str]) -> str:
        """Return the stored value of a name; if there is none, store the result of `make`."""
        with self.write() as connection:
            connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, make()))
            row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return str(row[0])

    def copy_to(self, path: Path) -> None:
        """Write a consistent copy to a new file, while others read and write."""
        with self.read() as source, closing(sqlite3.connect(path)) as copy:
            source.backup(copy)

    @contextmanager
    def erasing(self) -> Iterator[None]:
        """Overwrite what the block's transactions delete, in the file and its log.

        Readers that are active at the end keep the log: another checkpoint overwrites it later.
        """
        with self._lock, self._translated(writing=True):
            self._writer.execute("PRAGMA secure_delete = ON")
            try:
                yield
            finally:
                self._writer.execute("PRAGMA secure_delete = OFF")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def check_writable(self) -> None:
        """Commit one row. Raises Unavailable if that fails."""
        with self.write() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('heartbeat', random())")

    def close(self) -> None:
        """Close every connection; none may be in use."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._idle.clear()
            if self._log is not None:
                os.close(self._log)
                self._log = None

    def _sync_log(self) -> None:
        # In WAL mode a commit is in the log, so syncing the log makes this commit and all before
        # it durable, as `synchronous = FULL` would. But here other writers do not wait for the
        # disk, and one sync serves all commits before it. A checkpoint syncs the log itself.
        try:
            if self._log is None:
                log = self._path.with_name(f"{self._path.name}-wal")
                self._log = os.open(log, os.O_RDONLY)
                self.health.track(log, os.fstat(self._log))
            os.fsync(self._log)
        except OSError as exc:
            message = f"The database can't be written to disk: {exc}"
            self.health.note_write(message)
            raise Unavailable(message) from exc
        self.health.require()  # the files must still be there when the client gets its response

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        name = f"depth_{self._depth}"
        self._writer.execute(f"SAVEPOINT {name}")
        self._depth += 1
        calls_before = len(self._committed)
        try:
            yield
        except BaseException:
            del self._committed[calls_before:]
            if self._writer.in_transaction:
                self._writer.execute(f"ROLLBACK TO {name}")
            raise
        finally:
            self._depth -= 1
            if self._writer.in_transaction:
                self._writer.execute(f"RELEASE {name}")

    def _is_writing(self) -> bool:
        # While the depth is not zero, only the thread inside `write` can take the lock again.
        if not self._depth or not self._lock.acquire(blocking=False):
            return False
        try:
            return self._depth > 0
        finally:
            self._lock.release()

    def _connect(self) -> sqlite3.Connection:
        with self._translated():
            self.health.require()  # of a file that was replaced, others are still open
            connection = sqlite3.connect(
                database_uri(self._path),
                uri=True,
                timeout=10,
                isolation_level=None,
                check_same_thread=False,
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

    @contextmanager
    def _translated(self, *, writing: bool = False) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as exc:
            if isinstance(exc, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise
            self.health.note_error(exc)
            translation = _translation(exc)
            if writing:
                self.health.note_write(str(translation))
            raise translation from exc

    def _keep_copy(self, copy: Path) -> None:
        # Not of the writer, in a transaction now: a backup of it would wait for ever.
        self._idle.append(source := self._connect())
        with closing(sqlite3.connect(copy)) as target:
            source.backup(target)


def _translation(error: sqlite3.DatabaseError) -> Unavailable:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return StorageFull(f"The database has no space left: {error}")
    if is_damage(error):
        return Unavailable(f"The database is damaged: {error}. Restore a backup.")
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNWRITABLE:
        return Unavailable(
            f"The database can't be opened or written: {error}. The service's user must be able to "
            "write the data folder and its files."
        )
    return Unavailable(f"The database can't answer: {error}")
