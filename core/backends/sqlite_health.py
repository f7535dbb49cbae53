"""What makes a SQLite database unfit to acknowledge writes: lost files, damage, failing writes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from threading import Lock, Timer
from typing import TYPE_CHECKING, Final

from core.domain.errors import Unavailable

if TYPE_CHECKING:
    from os import stat_result
    from pathlib import Path

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DatabaseHealth:
    """The state of a database's files, as far as it is known.

    An open file that was deleted or replaced can still be written, but nobody finds it again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[Path, tuple[int, int]] = {}
        self._damage: str | None = None
        self._write_error: str | None = None
        self._check: sqlite3.Connection | None = None
        self._check_lock = Lock()

    def track(self, path: Path, status: stat_result) -> None:
        """Remember which file is open under a path."""
        self._files[path] = (status.st_dev, status.st_ino)

    def require(self) -> None:
        """Check that what is written now would be found again. Raises Unavailable."""
        if error := self._lasting_error():
            raise Unavailable(error)

    def note_error(self, error: sqlite3.Error) -> None:
        """Remember an error if it shows damage; that stays until the process starts again."""
        if is_damage(error):
            self._damage = self._damage or str(error)

    def note_write(self, error: str | None = None) -> None:
        """Remember the result of the last write."""
        self._write_error = error

    def error(self) -> str | None:
        """Return what is wrong; None if nothing is. Reads no data and writes none."""
        return self._lasting_error() or self._write_error

    def check_integrity(self, seconds: float | None = None) -> None:
        """Look for damage in the whole file (SQLite: "PRAGMA quick_check"), for at most `seconds`.

        What it finds is shown by `error`. It reads about 1 GB/s from memory.
        """
        with closing(
            sqlite3.connect(database_uri(self._path), uri=True, check_same_thread=False)
        ) as connection:
            with self._check_lock:
                self._check = connection
            timer = Timer(seconds, self.stop_check) if seconds else None
            if timer:
                timer.daemon = True
                timer.start()
            try:
                (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if found != "ok":
                    self._damage = self._damage or str(found)
            except sqlite3.DatabaseError as error:  # interrupted, too
                self.note_error(error)
            finally:
                if timer:
                    timer.cancel()
                with self._check_lock:
                    self._check = None

    def stop_check(self) -> None:
        """Interrupt a check in progress, if there is one."""
        with self._check_lock:
            if self._check is not None:
                self._check.interrupt()

    def _lasting_error(self) -> str | None:
        if self._damage:
            return f"The database is damaged: {self._damage}. Restore a backup."
        for path, identity in self._files.items():
            try:
                status = path.stat()
            except OSError:
                return "The database's files were deleted. Restore them and restart the service."
            if (status.st_dev, status.st_ino) != identity:
                return "The database's files were replaced. Restart the service."
        return None


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error shows that the file is damaged, or not a database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def database_uri(path: Path) -> str:
    """Return the URI that opens a database and creates none in place of a deleted one."""
    return f"{path.absolute().as_uri()}?mode=rw"
