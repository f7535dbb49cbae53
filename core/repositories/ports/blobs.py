"""The port to blobs and their labels. Every list and look-up is within one owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from core.domain.blob import Blob, BlobStatus
    from core.domain.label_filter import LabelFilter
    from core.domain.pagination import Page


# How long it is known that a blob was deleted: longer than any event of its bytes is kept.
DELETION_RETENTION: Final = timedelta(days=35)


class LabelOrder(StrEnum):
    """How `find_by_label` sorts: newest first, or most confident first (ties newest first)."""

    NEWEST = "NEWEST"
    CONFIDENCE = "CONFIDENCE"


@dataclass(frozen=True, slots=True)
class BlobFilter:
    """Which blobs to list. No statuses means any; times are [after, before).

    `sha256` is of their bytes, in base64: what arrived, or what is declared of what is to.
    """

    statuses: tuple[BlobStatus, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    sha256: str | None = None


# How many label entries are looked at for one page of `find_by_labels`.
MAX_ENTRIES_READ: Final = 1000


@dataclass(frozen=True, slots=True)
class LabelledBlob:
    """A blob found by one of its labels, with that label's confidence (0 to 100)."""

    blob: Blob
    confidence: float


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """A label in use, and how many of the owner's blobs carry it."""

    name: str
    blob_count: int


class BlobRepository(Protocol):
    """Blobs, their label index and the summaries of labels in use."""

    def create(self, blob: Blob) -> None:
        """Keep a new blob. Raises AlreadyExists."""

    def save(self, blob: Blob, replaced: Blob) -> None:
        """Put a blob in place of the version before it, as that was read, with its label entries.

        Raises:
            VersionConflict: another version is on record (or none).

        """

    def delete(self, blob: Blob, at: datetime) -> None:
        """Forget a blob as it was read, and its label entries; that it was is known for a while.

        Raises:
            VersionConflict: another version is on record (or none).

        """

    def was_deleted(self, owner: str, blob_id: str) -> bool:
        """Tell whether a blob of the owner's was deleted: for DELETION_RETENTION at least."""

    def find_unfinished_deletions(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return (owner, id) of blobs deleted before then whose deletion is not settled.

        The earliest first.
        """

    def finish_deletion(self, blob_id: str) -> None:
        """Note that nothing of a deleted blob is left, so `find_unfinished_deletions` omits it."""

    def get(self, blob_id: str) -> Blob | None:
        """Return a blob whoever owns it: for the labeller, which acts for the service."""

    def find(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Blob]:
        """Return those of the blobs that exist and are the owner's, by id."""

    def find_by_owner(
        self, owner: str, wanted: BlobFilter, *, first: int, after: str | None = None
    ) -> Page[Blob]:
        """List an owner's blobs, newest first, from behind the id `after`."""

    def scan(
        self, owner: str | None, first: int, after: str | None = None
    ) -> tuple[Sequence[Blob], str | None]:
        """Read all blobs, of one owner or of every one, in any order: for the operator.

        Returns about `first` of them, and what is `after` for the next; None when no more follow.
        A blob that stays as it is while all are read is met once.
        """

    def find_by_label(
        self,
        owner: str,
        label: str,
        *,
        min_confidence: float,
        order: LabelOrder,
        first: int,
        after: tuple[float, str] | None = None,
    ) -> Page[LabelledBlob]:
        """List an owner's blobs with that label (case aside), from behind (confidence, id)."""

    def find_by_labels(
        self, owner: str, wanted: LabelFilter, *, first: int, after: str | None = None
    ) -> Page[Blob]:
        """List an owner's blobs by several labels, newest first, from behind the id `after`.

        `wanted` names one in `all` or `any` at least. About MAX_ENTRIES_READ entries are read; a
        page that ends there may be short or empty, and tells what was `reached`.
        """

    def find_labels(
        self, owner: str, prefix: str, *, first: int, after: str | None = None
    ) -> Page[LabelSummary]:
        """List an owner's labels in use that start with `prefix` (case aside), by name.

        `after` is the folded name (`str.casefold`) behind which to go on.
        """

    def count_labels(self, owner: str, blob_id: str, version: int, names: Collection[str]) -> None:
        """Make the summaries count `names` for the blob, in place of what they counted before.

        Told of the same or an older version again, or of a deleted blob, it changes nothing.
        """

    def uncount_labels(self, owner: str, blob_id: str) -> None:
        """Make the summaries count nothing for a blob that was deleted."""

    def find_abandoned(self, before: datetime, limit: int) -> Sequence[Blob]:
        """Return blobs of any owner created before then and still awaiting their upload."""
