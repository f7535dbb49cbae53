"""Files that have their names only when they are whole and on disk."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from core.domain.errors import ObjectNotFound, StorageFull, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_REMEDIES: Final = {
    errno.EROFS: ". Its file system is mounted read-only: look for disk errors in the kernel's "
    "log, then mount it to be written",
    errno.EACCES: ". Give the data folder and all in it to the service's user",
    errno.EPERM: ". Give the data folder and all in it to the service's user",
}


class IncomingFile:
    """Bytes that are being received: a temporary file that gets its name when it is complete."""

    def __init__(self, path: Path, target: Path) -> None:
        self._path = path
        self._target = target
        self._digest = hashlib.sha256()
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
        self.size = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes written so far, in base64."""
        return base64.b64encode(self._digest.digest()).decode()

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        view = memoryview(chunk)
        while view:
            view = view[self._file.write(view) :]
        self._digest.update(chunk)
        self.size += len(chunk)

    def sync(self) -> None:
        """Write the bytes to disk, under the temporary name, and close the file."""
        os.fsync(self._file.fileno())
        self._file.close()

    def keep(self) -> None:
        """Rename the synced file to its final name, in place of an older file."""
        self._path.replace(self._target)

    def withdraw(self) -> None:
        """Undo `sync`, where another upload or a deletion came first."""

    def sync_name(self) -> None:
        """Write the name to disk: now the file survives a power cut."""
        sync_folder(self._target.parent)

    def discard(self) -> None:
        """Delete the temporary file, if it was not kept; the next start deletes what can't be."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


@contextmanager
def incoming_file(key: str, path: Path, target: Path) -> Iterator[IncomingFile]:
    """Receive bytes for a key at `path`; `target` is the file's final name.

    The end of the block discards them unless they were kept. Raises StorageFull or Unavailable.
    """
    with translated(key):
        make_folder(path.parent)
        make_folder(target.parent)
        incoming = IncomingFile(path, target)
    try:
        with translated(key):
            yield incoming
    finally:
        incoming.discard()


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, and write each to disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Write to disk which names a folder has."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Translate errors of the block, which reads or writes the file of a key.

    Raises ObjectNotFound, StorageFull or Unavailable.
    """
    try:
        yield
    except FileNotFoundError as exc:
        raise ObjectNotFound(key) from exc
    except OSError as exc:
        if exc.errno in _FULL:
            raise StorageFull(f"There is no space left for the file of {key}: {exc}") from exc
        remedy = _REMEDIES.get(exc.errno or 0, "")
        raise Unavailable(f"The file of {key} can't be read or written: {exc}{remedy}") from exc
