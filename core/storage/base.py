"""The port of object storage: image bytes under keys, and URLs that give access to one object."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol
from urllib.parse import quote

from core.domain.errors import InvalidValue

if TYPE_CHECKING:
    from datetime import datetime

_UNSAFE: Final = re.compile(r"[^\w.-]", re.ASCII)
URL_LIFETIME: Final = timedelta(minutes=15)
# An upload may start until its URL expires; after this time it has normally ended.
MAX_UPLOAD_TIME: Final = 2 * URL_LIFETIME


@dataclass(frozen=True, slots=True)
class UploadTerms:
    """The conditions of an upload, signed into its URL. `size` is in bytes, `sha256` in base64."""

    content_type: str
    max_bytes: int
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where and how a client uploads; it must send each header exactly as given."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    expires_at: datetime
    max_bytes: int


class ObjectStorage(Protocol):
    """Image bytes by object key."""

    def put(self, key: str, content: bytes) -> None:
        """Store bytes under a key, in place of older ones."""

    def open(self, key: str) -> BinaryIO:
        """Open the bytes as a seekable stream. Raises ObjectNotFound."""

    def read_start(self, key: str, length: int) -> bytes:
        """Return the first `length` bytes (1 or more), or fewer if the object is shorter.

        Raises ObjectNotFound.
        """

    def size(self, key: str) -> int:
        """Return the size in bytes. Raises ObjectNotFound."""

    def delete(self, key: str, version: str | None = None) -> None:
        """Delete the bytes, if there are any.

        A versioned bucket keeps them as an old version, unless `version` is the one to delete.
        """

    def presign_put(self, key: str, terms: UploadTerms, *, now: datetime) -> UploadTarget:
        """Return a URL for one upload under these terms, valid for some minutes."""

    def presign_get(
        self, key: str, content_type: str, file_name: str | None = None, *, now: datetime
    ) -> str:
        """Return a URL that serves the bytes as a content type, valid for some minutes.

        They are saved as `file_name`, or else by a name that the key gives.
        """


def key_parts(key: str) -> list[str]:
    """Split an object key at its slashes. Raises InvalidValue for an empty, "." or ".." part."""
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise InvalidValue("key", f"{key!r} is not an object key")
    return parts


def disposition(key: str, content_type: str, file_name: str | None = None) -> str:
    """Return the Content-Disposition of a download (RFC 6266): a file, not a page of our origin.

    An `<img>` shows it all the same. A file name that is not plain ASCII is there twice: with `_`
    for its other characters, and in UTF-8 for the clients that read that (RFC 8187).
    """
    if file_name is None:
        file_name = _UNSAFE.sub("_", key.rpartition("/")[2]) + f".{content_type.rpartition('/')[2]}"
    plain = _UNSAFE.sub("_", file_name)
    extended = "" if plain == file_name else f"; filename*=UTF-8''{quote(file_name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'
