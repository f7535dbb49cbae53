"""The port of reserved uploads: their limits and idempotency keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from core.domain.errors import QuotaExceeded

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob

# How long an idempotency key returns the same blob.
KEY_RETENTION: Final = timedelta(hours=24)
# When a client may retry after it had too many open uploads.
RETRY_DELAY: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """An idempotency key, as its SHA-256 (hex), with a digest of the request that it is for."""

    hash: str
    digest: str


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """The maximum number of uploads of an owner per clock minute, and of open uploads.

    An upload is open until its bytes arrive, or on AWS until it is labelled. 0 means no limit.
    """

    per_minute: int = 0
    open: int = 0


def rate_limit_error(most: int, now: datetime) -> QuotaExceeded:
    """Return the error for an upload above the limit per minute."""
    next_minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return QuotaExceeded(
        f"The limit is {most} uploads per minute. Try again in the next minute.", next_minute
    )


def open_uploads_error(most: int, now: datetime) -> QuotaExceeded:
    """Return the error for an upload above the limit of open uploads."""
    return QuotaExceeded(
        f"{most} uploads await their bytes, which is the limit. Upload them, wait until they are "
        "labelled, or delete them with deleteBlob. Then try again.",
        now + RETRY_DELAY,
    )


class UploadRepository(Protocol):
    """Reserved uploads, their limits and idempotency keys."""

    def reserve(self, blob: Blob, key: IdempotencyKey | None = None) -> Blob:
        """Store a new blob and return it, or return the blob that was reserved under the same key.

        An owner's key is valid for KEY_RETENTION from the blob's creation, or until the blob is
        deleted. A blob that is returned again counts towards no limit.

        Raises:
            AlreadyExists: a blob with this id exists.
            ExternalIdTaken: another blob of the owner has its external id.
            IdempotencyKeyReused: the key was used for another request.
            QuotaExceeded: the owner has reached a limit.

        """
