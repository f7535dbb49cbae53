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
KEY_KEPT: Final = timedelta(hours=24)
# When it may help to ask again after too many uploads were open.
RECOUNT: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class UploadKey:
    """An idempotency key, as its SHA-256 (hex), with a digest of what is asked for under it."""

    hash: str
    digest: str


@dataclass(frozen=True, slots=True)
class UploadBounds:
    """How many uploads an owner is promised in a minute of the clock, and how many may be open.

    Open are those that await their bytes, or, where S3 takes those, their labels. 0 is no bound.
    """

    per_minute: int = 0
    open: int = 0


def too_many_in_a_minute(most: int, now: datetime) -> QuotaExceeded:
    """Make the refusal of an upload that is one too many in its minute."""
    next_minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return QuotaExceeded(
        f"At most {most} uploads may be asked for in a minute: ask again in the next.", next_minute
    )


def too_many_open(most: int, now: datetime) -> QuotaExceeded:
    """Make the refusal of an upload while as many as may await their bytes."""
    return QuotaExceeded(
        f"{most} uploads await their bytes, as many as may: send those bytes, wait until they are "
        "labelled, or delete them with deleteBlob, then ask again.",
        now + RECOUNT,
    )


class UploadRepository(Protocol):
    """Promises of uploads: who may have how many, and under which key."""

    def reserve(self, blob: Blob, key: UploadKey | None = None) -> Blob:
        """Keep a new blob and return it; or return the one that was promised under that key before.

        An owner's key holds for KEY_KEPT from the blob's creation, or until that is deleted. What
        was promised before counts towards no bound.

        Raises:
            AlreadyExists: a blob of that id is there.
            IdempotencyKeyReused: something else was asked for under that key.
            QuotaExceeded: the owner has as many as the store's bounds allow.

        """
