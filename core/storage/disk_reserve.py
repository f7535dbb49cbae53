"""Free disk space that uploads may not use, so that deletions always have some."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from core.domain.errors import StorageFull, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

# Other programs can fill the disk below the reserve. A deletion then takes these bytes: enough for
# SQLite's log to grow to its usual size of 1,000 pages.
BALLAST_BYTES: Final = 8_000_000
BALLAST: Final = "reserve"
READ_ONLY: Final = (
    "the file system is mounted read-only; look for disk errors in the kernel's log (dmesg), then "
    "mount it to be written"
)
OTHER_USERS: Final = "give them to the service's user"


def free_bytes(folder: Path) -> int:
    """Return how many bytes a program without privileges can write below `folder`."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def unwritable_folders(root: Path) -> list[str]:
    """Return which folders for images below `root`, or itself, this process can't write."""
    folders = (root, root / ".incoming", root / "originals", root / "derived")
    return [str(each) for each in folders if each.exists() and not os.access(each, os.W_OK)]


def is_read_only(path: Path | str) -> bool:
    """Tell whether the file system of a file or folder is mounted read-only."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


class DiskReserve:
    """Refuses uploads that would leave less than `reserve` bytes free below `root`.

    Bytes of uploads in progress count as used, whether or not they have arrived: an upload is
    refused too early rather than too late. 0 turns all of it off.
    """

    def __init__(self, root: Path, reserve: int, free: Callable[[Path], int] = free_bytes) -> None:
        self._root = root
        self._reserve = reserve
        self._free = free
        self._expected = 0
        self._is_low = False
        self._lock = threading.Lock()
        self._ballast = root / BALLAST

    def check(self, size: int) -> None:
        """Check that there is room for `size` bytes. Raises StorageFull."""
        if not self._reserve:
            return
        with self._lock:
            left = self._left()
            is_low = left < 0
            if is_low != self._is_low:
                self._is_low = is_low
                log.log(
                    logging.ERROR if is_low else logging.INFO,
                    "disk space below the reserve, uploads are refused"
                    if is_low
                    else "disk space above the reserve again",
                    extra={"folder": str(self._root), "reserve_bytes": self._reserve},
                )
        if left < size or is_low:
            raise StorageFull(
                "The service's disk is full. Delete blobs that are no longer needed, or try again "
                "when the operator has made room."
            )

    @contextmanager
    def expecting(self, size: int) -> Iterator[None]:
        """Count `size` bytes as used while the block receives them. Raises StorageFull."""
        self.check(size)
        with self._lock:
            self._expected += size
        try:
            yield
        finally:
            with self._lock:
                self._expected -= size

    def health_error(self) -> str | None:
        """Return why uploads are refused; None if they are accepted. Writes nothing.

        Everybody may read it: it contains no path of the server.
        """
        if not self._root.is_dir():
            return (
                "the data folder was deleted or unmounted: bring it back, and restart the service"
            )
        if unwritable := unwritable_folders(self._root):
            remedy = READ_ONLY if any(map(is_read_only, unwritable)) else OTHER_USERS
            names = [os.path.relpath(each, self._root) for each in unwritable]
            listed = ", ".join(name for name in names if name != os.curdir)
            where = f"{listed} in the data folder" if listed else "the data folder"
            return f"{where} can't be written: {remedy}"
        try:
            self.check(0)
        except StorageFull:
            return (
                f"less than {self._reserve} bytes are free: uploads are refused. Make room, or "
                "change --reserve-bytes"
            )
        except Unavailable:
            return (
                "the free space of the disk can't be read: look for disk errors in the kernel's log"
            )
        return None

    def fill(self) -> None:
        """Take the ballast's bytes, unless that would leave less than the reserve."""
        if not self._reserve or self._has_ballast():
            return
        try:
            if self._free(self._root) < self._reserve + BALLAST_BYTES:
                return
            flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
            with os.fdopen(os.open(self._ballast, flags, 0o600), "wb") as file:
                # Bytes that a compressing file system can't save.
                file.write(os.urandom(BALLAST_BYTES))
        except OSError:
            log.warning("no disk space can be held for deletions", exc_info=True)
            self.release()

    def release(self) -> None:
        """Give the ballast's bytes back: the next write finds them."""
        with suppress(OSError):
            self._ballast.unlink(missing_ok=True)

    def _has_ballast(self) -> bool:
        try:
            return self._ballast.stat().st_size == BALLAST_BYTES
        except OSError:
            return False

    def _left(self) -> int:
        try:
            return self._free(self._root) - self._expected - self._reserve
        except OSError as exc:
            raise Unavailable(f"The free space of {self._root} can't be read: {exc}") from exc
