"""The originals port: image bytes under object keys, and URLs that open one of them for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from core.domain.errors import InvalidValue

if TYPE_CHECKING:
    from datetime import datetime

URL_LIFETIME: Final = timedelta(minutes=15)
# How long after its URL was made an upload may still end, as a rule.
MAX_UPLOAD_TIME: Final = 2 * URL_LIFETIME


@dataclass(frozen=True, slots=True)
class UploadTerms:
    """What an upload must be: signed into its URL. Size in bytes, SHA-256 in base64."""

    content_type: str
    max_bytes: int
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where and how to send the bytes; each header must be sent exactly so."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    expires_at: datetime
    max_bytes: int


class ObjectStorage(Protocol):
    """Image bytes by object key."""

    def put(self, key: str, content: bytes) -> None:
        """Keep bytes under a key, in place of those that were there."""

    def open(self, key: str) -> BinaryIO:
        """Open the bytes as a seekable stream. Raises ObjectNotFound."""

    def read_start(self, key: str, length: int) -> bytes:
        """Return the first bytes (1 or more), or all there are. Raises ObjectNotFound."""

    def size(self, key: str) -> int:
        """Return the size in bytes. Raises ObjectNotFound."""

    def delete(self, key: str) -> None:
        """Forget the bytes; nothing happens when there are none."""

    def presign_put(self, key: str, terms: UploadTerms, *, now: datetime) -> UploadTarget:
        """Make a URL that takes one upload under these terms, for minutes."""

    def presign_get(self, key: str, content_type: str, *, now: datetime) -> str:
        """Make a URL that gives the bytes as that content type, for minutes."""


def key_parts(key: str) -> list[str]:
    """Split an object key at its slashes. Raises InvalidValue for one that names no file."""
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise InvalidValue("key", f"{key!r} is not an object key")
    return parts
