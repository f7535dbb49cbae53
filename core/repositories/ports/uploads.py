"""The port of promised uploads: who may have how many, and under which key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from core.domain.errors import QuotaExceeded

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob

# How long the same idempotency key gives the same blob.
KEY_RETENTION: Final = timedelta(hours=24)
# When it may help to ask again after too many uploads were open.
RETRY_DELAY: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """An idempotency key, as its SHA-256 (hex), with a digest of what is asked for under it."""

    hash: str
    digest: str


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How many uploads an owner is promised in a minute of the clock, and how many may be open.

    Open are those that await their bytes, or, where S3 takes those, their labels. 0 is no bound.
    """

    per_minute: int = 0
    open: int = 0


def rate_limit_error(most: int, now: datetime) -> QuotaExceeded:
    """Make the refusal of an upload that is one too many in its minute."""
    next_minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return QuotaExceeded(
        f"At most {most} uploads may be asked for in a minute: ask again in the next.", next_minute
    )


def open_uploads_error(most: int, now: datetime) -> QuotaExceeded:
    """Make the refusal of an upload while as many as may await their bytes."""
    return QuotaExceeded(
        f"{most} uploads await their bytes, as many as may: send those bytes, wait until they are "
        "labelled, or delete them with deleteBlob, then ask again.",
        now + RETRY_DELAY,
    )


class UploadRepository(Protocol):
    """Promises of uploads: who may have how many, and under which key."""

    def reserve(self, blob: Blob, key: IdempotencyKey | None = None) -> Blob:
        """Keep a new blob and return it; or return the one that was promised under that key before.

        An owner's key is valid for KEY_RETENTION from the blob's creation, or until the blob is
        deleted. A blob that is returned again counts towards no limit.

        Raises:
            AlreadyExists: a blob of that id is there.
            IdempotencyKeyReused: something else was asked for under that key.
            QuotaExceeded: the owner has as many as the store's bounds allow.

        """
