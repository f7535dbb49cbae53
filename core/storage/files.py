"""Image bytes in a folder. The embedded service serves the upload and download URLs."""

from __future__ import annotations

import logging
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote

from core.domain.errors import ObjectNotFound
from core.domain.thumbnail import ThumbnailSize
from core.storage.base import URL_LIFETIME, UploadTarget, UploadTerms, key_parts
from core.storage.durable_files import incoming_file, translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    from core.storage.durable_files import IncomingFile
    from core.storage.signed_url import UrlSigner

log = logging.getLogger(__name__)

CHECKSUM_HEADER: Final = "x-amz-checksum-sha256"
# Temporary files of an earlier version, which made them beside the derived file.
_DERIVED_LEFTOVER: Final = re.compile(r"\.[0-9a-f]{16}$")


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """A file with the bytes of a key, to be released after use."""

    path: Path
    is_temporary: bool = False

    def release(self) -> None:
        """Delete the file if it is a copy; the next start deletes what can't be."""
        if self.is_temporary:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)


class FileStorage:
    """Image bytes as files below `root`. A file gets its name when it is complete and on disk.

    File names are the object keys with each part percent-encoded.
    """

    def __init__(self, root: Path, signer: UrlSigner) -> None:
        self._root = root
        self._incoming = root / ".incoming"
        self._signer = signer

    def put(self, key: str, content: bytes) -> None:
        """Store bytes under a key, in place of older ones."""
        with self.receive(key) as incoming:
            incoming.write(content)
            incoming.sync()
            incoming.keep()
            incoming.sync_name()

    def open(self, key: str) -> BinaryIO:
        """Open the bytes as a seekable stream. Raises ObjectNotFound."""
        with translated(key):
            return self.path(key).open("rb")

    def read_start(self, key: str, length: int) -> bytes:
        """Return the first `length` bytes, or fewer. Raises ObjectNotFound."""
        with translated(key), self.path(key).open("rb") as stream:
            return stream.read(length)

    def size(self, key: str) -> int:
        """Return the size in bytes. Raises ObjectNotFound."""
        with translated(key):
            return self.path(key).stat().st_size

    def delete(self, key: str, version: str | None = None) -> None:  # noqa: ARG002  # there are none
        """Delete the bytes and what is derived from them, if there are any."""
        with translated(key):
            self.path(key).unlink(missing_ok=True)
        self.delete_derived(key)

    def presign_put(self, key: str, terms: UploadTerms, *, now: datetime) -> UploadTarget:
        """Return a URL for one upload under these terms, valid for 15 minutes."""
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

    def presign_get(
        self, key: str, content_type: str, file_name: str | None = None, *, now: datetime
    ) -> str:
        """Return a URL that serves the bytes as a content type, valid for 15 minutes."""
        terms: dict[str, str | int] = {"content-type": content_type}
        if file_name is not None:
            terms["file-name"] = file_name
        return self._signer.sign("GET", key, now + URL_LIFETIME, terms)

    def path(self, key: str) -> Path:
        """Return the path of a key's bytes. Raises InvalidValue for an invalid key."""
        return path_of(self._root, key)

    def file_of(self, key: str) -> StoredBytes:
        """Return a file with the bytes. Raises ObjectNotFound."""
        path = self.path(key)
        with translated(key):
            path.stat()
        return StoredBytes(path)

    def remote_keys(self) -> Iterator[str]:
        """List the keys of originals that are not in the folder: none."""
        return iter(())

    def derived_path(self, key: str, size: ThumbnailSize) -> Path:
        """Return the path for a thumbnail of a key's bytes, which `delete` deletes too."""
        return self.path(_derived_key(key, size))

    def receive(self, key: str) -> AbstractContextManager[IncomingFile]:
        """Receive bytes for a key in chunks. The end of the block discards them unless kept."""
        return self._receive_file(key)

    def _receive_file(self, key: str) -> AbstractContextManager[IncomingFile]:
        return incoming_file(key, self._incoming / secrets.token_hex(16), self.path(key))

    def put_derived(self, key: str, size: ThumbnailSize, content: bytes) -> None:
        """Store a thumbnail of a key's bytes; a power cut may lose it."""
        with self._receive_file(_derived_key(key, size)) as incoming:
            incoming.write(content)
            incoming.keep()

    def has_derived(self, key: str, size: ThumbnailSize) -> bool:
        """Tell whether a thumbnail of a key's bytes is stored. Raises Unavailable."""
        try:
            with translated(key):
                self.derived_path(key, size).stat()
        except ObjectNotFound:
            return False
        return True

    def delete_derived(self, key: str) -> None:
        """Delete all thumbnails of a key's bytes, if there are any."""
        with translated(key):
            for size in ThumbnailSize:
                self.derived_path(key, size).unlink(missing_ok=True)

    def clear_leftovers(self) -> None:
        """Delete the temporary files that an ended process left. Call it before the first write."""
        leftovers = list(self._incoming.glob("*"))
        for folder, _, names in os.walk(self._root / "derived"):
            found = filter(_DERIVED_LEFTOVER.search, names)
            leftovers.extend(Path(folder, name) for name in found)
        for leftover in leftovers:
            try:
                leftover.unlink(missing_ok=True)
            except OSError as exc:
                log.warning("leftover not deleted", extra={"file": leftover, "error": str(exc)})


def _derived_key(key: str, size: ThumbnailSize) -> str:
    # Earlier versions had one size.
    return f"derived/{key}" if size is ThumbnailSize.SMALL else f"derived/{key}.{size}"


def path_of(root: Path, key: str) -> Path:
    """Return the path of a key's bytes below a folder. Raises InvalidValue for an invalid key."""
    return root.joinpath(*(quote(part, safe=" +=@,") for part in key_parts(key)))
