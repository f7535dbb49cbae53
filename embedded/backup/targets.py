"""Where backups go: a folder, or a bucket of S3 or of what speaks like it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from core.backends.aws_errors import error_code, translated_errors
from core.domain.errors import ObjectNotFound, Unavailable
from core.storage.durable_files import incoming_file, translated
from core.storage.files import path_of
from embedded.s3 import read_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK: Final = 1_000_000  # bytes
_MISSING: Final = frozenset({"NoSuchKey", "404"})
_FORBIDDEN: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class BackupTarget(Protocol):
    """Files under names with slashes. A file has its name only when it is whole and stored."""

    def sizes(self) -> Iterator[tuple[str, int]]:
        """List all names, with the sizes in bytes. Raises Unavailable."""

    def put(self, name: str, source: Path) -> None:
        """Store a copy of a file. Raises ObjectNotFound, StorageFull or Unavailable."""

    def get(self, name: str, into: Path) -> None:
        """Copy what has a name to a path. Raises ObjectNotFound or Unavailable."""

    def delete(self, name: str) -> None:
        """Delete what has a name, if there is anything. Raises Unavailable."""


def open_target(address: str, client: Callable[[str | None], Any]) -> BackupTarget:
    """Return the target of a folder's path, or of s3://BUCKET/PREFIX?endpoint=URL.

    `client` makes a client of S3 for an endpoint, or for AWS. Raises InvalidValue.
    """
    if not address.startswith("s3:"):
        return FolderTarget(Path(address))
    read = read_address("target", address)
    return S3Target(client(read.endpoint), read.bucket, read.prefix)


class FolderTarget:
    """Backups in a folder, which is created when something is stored."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def sizes(self) -> Iterator[tuple[str, int]]:
        """List all names, with the sizes in bytes, and what a killed backup left.

        Raises Unavailable where a folder can't be listed: what needs its names would delete others.
        """
        with translated(str(self._root)):
            for folder, _, names in os.walk(self._root, onerror=_refuse):
                for name in names:
                    path = Path(folder, name)
                    with suppress(FileNotFoundError):  # deleted meanwhile
                        yield path.relative_to(self._root).as_posix(), path.stat().st_size

    def put(self, name: str, source: Path) -> None:
        """Store a copy of a file. Raises ObjectNotFound, StorageFull or Unavailable."""
        path = path_of(self._root, name)
        part = path.with_name(f".{secrets.token_hex(8)}")
        with (
            _writable(self._root),
            translated(name),
            source.open("rb") as stream,
            incoming_file(name, part, path) as incoming,
        ):
            while chunk := stream.read(CHUNK):
                incoming.write(chunk)
            incoming.sync()
            incoming.keep()
            incoming.sync_name()

    def get(self, name: str, into: Path) -> None:
        """Copy what has a name to a path. Raises ObjectNotFound, StorageFull or Unavailable."""
        with translated(name):
            shutil.copyfile(path_of(self._root, name), into)

    def delete(self, name: str) -> None:
        """Delete what has a name, and its folder if that is empty then. Raises Unavailable."""
        path = path_of(self._root, name)
        with translated(name):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()


def _refuse(error: OSError) -> None:
    """Raise the error of a folder that `os.walk` would leave out, unless the folder is gone."""
    if not isinstance(error, FileNotFoundError):
        raise error


@contextmanager
def _writable(root: Path) -> Iterator[None]:
    """Say what to do where the folder can't be written. Raises Unavailable."""
    try:
        yield
    except Unavailable as exc:
        cause = exc.__cause__
        if isinstance(cause, OSError) and cause.errno in _FORBIDDEN:
            raise Unavailable(
                f"The folder {root.absolute()} can't be written: {cause.strerror}. It must belong "
                "to the user that runs this program; under systemd, the unit must name it in "
                "ReadWritePaths=."
            ) from cause
        raise


@contextmanager
def _translated_transfer() -> Iterator[None]:
    """Raise Unavailable for every error of a download, which may break off again and again."""
    from s3transfer.exceptions import RetriesExceededError  # as for botocore  # noqa: PLC0415

    try:
        with translated_errors("S3"):
            yield
    except RetriesExceededError as exc:
        raise Unavailable(f"S3 can't answer: {exc.last_exception}") from exc


class S3Target:
    """Backups in a bucket, below a prefix that is empty or ends with a slash."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def sizes(self) -> Iterator[tuple[str, int]]:
        """List all names, with the sizes in bytes. Raises Unavailable."""
        pages = self._client.get_paginator("list_objects_v2")
        with translated_errors("S3"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(self._prefix), found["Size"]

    def put(self, name: str, source: Path) -> None:
        """Store a copy of a file, in parts if it is large. Raises as `FolderTarget.put`."""
        with translated(name), source.open("rb") as stream, translated_errors("S3"):
            self._client.upload_fileobj(stream, self._bucket, self._prefix + name)

    def get(self, name: str, into: Path) -> None:
        """Copy what has a name to a path. Raises ObjectNotFound or Unavailable."""
        try:
            with translated(name), into.open("wb") as stream, _translated_transfer():
                self._client.download_fileobj(self._bucket, self._prefix + name, stream)
        except Unavailable as exc:
            if error_code(exc.__cause__) in _MISSING:
                raise ObjectNotFound(name) from exc.__cause__
            raise

    def delete(self, name: str) -> None:
        """Delete what has a name, if there is anything. Raises Unavailable."""
        with translated_errors("S3"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
