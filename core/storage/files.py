"""Image bytes in a folder: the twin of S3, whose upload door is the embedded service's own."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote

from core.domain.errors import ObjectNotFound, StorageFull, Unavailable
from core.storage.base import URL_LIFETIME, UploadTarget, UploadTerms, key_parts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from core.storage.signed_url import UrlSigner

CHECKSUM_HEADER: Final = "x-amz-checksum-sha256"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class FileStorage:
    """Image bytes as files below `root`; every file is complete and on disk once it has its name.

    File names are the object keys with each part percent-encoded.
    """

    def __init__(self, root: Path, signer: UrlSigner) -> None:
        self._root = root
        self._incoming = root / ".incoming"
        self._signer = signer

    def put(self, key: str, content: bytes) -> None:
        """Keep bytes under a key, in place of those that were there."""
        with self.receive(key) as incoming:
            incoming.write(content)
            incoming.sync()
            incoming.keep()
            incoming.sync_name()

    def open(self, key: str) -> BinaryIO:
        """Open the bytes as a seekable stream. Raises ObjectNotFound."""
        with _translated(key):
            return self.path(key).open("rb")

    def read_start(self, key: str, length: int) -> bytes:
        """Return the first bytes, or all there are. Raises ObjectNotFound."""
        with _translated(key), self.path(key).open("rb") as stream:
            return stream.read(length)

    def size(self, key: str) -> int:
        """Return the size in bytes. Raises ObjectNotFound."""
        with _translated(key):
            return self.path(key).stat().st_size

    def delete(self, key: str) -> None:
        """Forget the bytes and what is `derived` from them; nothing happens when there are none."""
        with _translated(key):
            self.path(key).unlink(missing_ok=True)
            self.derived_path(key).unlink(missing_ok=True)

    def presign_put(self, key: str, terms: UploadTerms, *, now: datetime) -> UploadTarget:
        """Make a URL that takes one upload under these terms, for 15 minutes."""
        expires_at = now + URL_LIFETIME
        signed: dict[str, str | int] = {
            "content-type": terms.content_type,
            "max-bytes": terms.max_bytes,
        }
        headers = [("Content-Type", terms.content_type)]
        if terms.size is not None:
            signed["content-length"] = terms.size
        if terms.sha256 is not None:
            signed[CHECKSUM_HEADER] = terms.sha256
            headers.append((CHECKSUM_HEADER, terms.sha256))
        url = self._signer.sign("PUT", key, expires_at, signed)
        return UploadTarget("PUT", url, tuple(headers), expires_at, terms.max_bytes)

    def presign_get(self, key: str, content_type: str, *, now: datetime) -> str:
        """Make a URL that gives the bytes as that content type, for 15 minutes."""
        return self._signer.sign("GET", key, now + URL_LIFETIME, {"content-type": content_type})

    def path(self, key: str) -> Path:
        """Return where a key's bytes lie. Raises InvalidValue for a key that names no file."""
        return self._root.joinpath(*(quote(part, safe=" +=@,") for part in key_parts(key)))

    def derived_path(self, key: str) -> Path:
        """Return where something made of a key's bytes may be kept until these are forgotten."""
        return self.path(f"derived/{key}")

    @contextmanager
    def receive(self, key: str) -> Iterator[IncomingFile]:
        """Take bytes for a key in pieces; unless kept, they are gone when the block ends."""
        target = self.path(key)
        with _translated(key):
            _make(self._incoming)
            _make(target.parent)
            incoming = IncomingFile(self._incoming / secrets.token_hex(16), target)
        try:
            with _translated(key):
                yield incoming
        finally:
            incoming.discard()

    def clear_incoming(self) -> None:
        """Remove what uploads cut short left behind: only when none is under way."""
        for leftover in self._incoming.glob("*"):
            leftover.unlink(missing_ok=True)


class IncomingFile:
    """Bytes on their way in: a temporary file that takes its name when it is complete."""

    def __init__(self, path: Path, target: Path) -> None:
        self._path = path
        self._target = target
        self._digest = hashlib.sha256()
        self._file = path.open("xb", buffering=0)
        self.size = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes so far, in base64."""
        return base64.b64encode(self._digest.digest()).decode()

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        view = memoryview(chunk)
        while view:
            view = view[self._file.write(view) :]
        self._digest.update(chunk)
        self.size += len(chunk)

    def sync(self) -> None:
        """Put the bytes on disk, still without a name; no more may be written."""
        os.fsync(self._file.fileno())
        self._file.close()

    def keep(self) -> None:
        """Give the synced bytes their name, in place of what had it."""
        self._path.replace(self._target)

    def sync_name(self) -> None:
        """Put the name on disk too: after this the bytes survive a power cut."""
        _sync(self._target.parent)

    def discard(self) -> None:
        """Remove the temporary file, if it has not taken its name."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    """Make a folder and those above it, each on disk."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise ObjectNotFound(key) from exc
    except OSError as exc:
        if exc.errno in _FULL:
            raise StorageFull(f"There is no space left for the file of {key}: {exc}") from exc
        raise Unavailable(f"The file of {key} can't be read or written: {exc}") from exc
