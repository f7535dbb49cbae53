"""The port of blobs and their labels. Unless stated otherwise, every read is within one owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from core.domain.blob import Blob
    from core.domain.blob_list import BlobListPlan
    from core.domain.label import Embedding
    from core.domain.pagination import Page, Position
    from core.repositories.ports.policies import PolicyRepository
    from core.repositories.ports.vocabularies import VocabularyRepository


# How long deletions are remembered: longer than any event of a blob's bytes is kept.
DELETION_RETENTION: Final = timedelta(days=35)


class SummaryOrder(StrEnum):
    """The order of labels in use: by name, or by the number of blobs (most first)."""

    NAME = "NAME"
    BLOB_COUNT = "BLOB_COUNT"


# The number of label summaries that are sorted for one page of `find_labels_by_count`.
MAX_LABELS_SORTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """A label in use, and the number of the owner's blobs that have it."""

    name: str
    blob_count: int


@dataclass(frozen=True, slots=True)
class BlobLabels:
    """The label names of a version of a blob, to be counted in the summaries."""

    owner: str
    blob_id: str
    version: int
    names: Collection[str]


class BlobRepository(Protocol):
    """Blobs, their label entries, and the summaries of labels in use.

    Lists, searches and counts leave out a blob that waits to be deleted. `get`, `find` and `scan`
    return it.

    `policies` and `vocabularies` are those of the blobs' owners, in the same store.
    """

    @property
    def policies(self) -> PolicyRepository:
        """The policies of the blobs' owners."""

    @property
    def vocabularies(self) -> VocabularyRepository:
        """The vocabularies of the blobs' owners."""

    def create(self, blob: Blob) -> None:
        """Store a new blob. Raises AlreadyExists or ExternalIdTaken."""

    def save(self, blob: Blob, replaced: Blob, embedding: Embedding | None = None) -> None:
        """Replace a blob, as it was read, and its label entries.

        An `embedding` of its picture replaces the stored one, in the same transaction. A blob
        without labels has none. Only SQLite stores embeddings: nothing on AWS searches them.

        Raises:
            VersionConflict: the stored blob has another version, or there is none.
            ExternalIdTaken: another blob of the owner has its external id.

        """

    def save_many(self, changes: Sequence[tuple[Blob, Blob]]) -> Sequence[str]:
        """Replace blobs with other labels, each with the blob that it replaces, as `save` does.

        Return the ids of those that were not saved because the stored blob has another version. On
        SQLite a power cut may undo it; the next change on disk makes it permanent.
        """

    def delete(self, blob: Blob, at: datetime) -> None:
        """Delete a blob, as it was read, and its label entries; remember the deletion.

        Raises:
            VersionConflict: the stored blob has another version, or there is none.

        """

    def find_due_deletions(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return (owner, id) of blobs whose `deletes_at` is before a time, the earliest first.

        An index may be a moment behind, so the blob decides.
        """

    def was_deleted(self, owner: str, blob_id: str) -> bool:
        """Tell whether the owner's blob was deleted; known for at least DELETION_RETENTION."""

    def find_unfinished_deletions(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return (owner, id) of blobs deleted before a time whose deletion is not finished.

        The earliest deletion comes first.
        """

    def finish_deletion(self, blob_id: str) -> None:
        """Record that all data of a deleted blob is gone: its deletion is finished."""

    def get(self, blob_id: str) -> Blob | None:
        """Return a blob of any owner: for the labeller, which acts for the service."""

    def find_embedding(self, owner: str, blob_id: str) -> Embedding | None:
        """Return the embedding of an owner's blob; None if none is stored."""

    def find(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Blob]:
        """Return the blobs that exist and belong to the owner, by id."""

    def find_page(
        self, owner: str, plan: BlobListPlan, *, first: int, after: Position | None = None
    ) -> Page[Blob]:
        """List an owner's blobs by a plan, starting behind the position `after`.

        At most `plan.most_examined(first)` entries are read. A page that ends there may be short or
        empty, and has `reached` set.
        """

    def count(self, owner: str, plan: BlobListPlan) -> int | None:
        """Return the number of an owner's blobs in a list, where one read tells it; else None.

        The number of blobs with a label follows within moments. The numbers by status are known on
        SQLite alone: on DynamoDB they would cost further writes for each blob.
        """

    def scan(
        self, owner: str | None, first: int, after: str | None = None
    ) -> tuple[Sequence[Blob], str | None]:
        """Read all blobs of one owner, or of all owners, in any order: for the operator.

        Those of one owner are as they are stored now; those of all owners may be a moment older.
        Return about `first` blobs, and the `after` of the next call, which is None at the end. A
        blob that does not change during the scan is returned exactly once.
        """

    def find_labels(
        self, owner: str, prefix: str, *, first: int, after: str | None = None
    ) -> Page[LabelSummary]:
        """List an owner's labels in use that start with `prefix`, ignoring case, by name.

        `after` is the folded name (`str.casefold`) behind which the page starts.
        """

    def find_labels_by_count(
        self, owner: str, prefix: str, *, first: int, after: tuple[int, str] | None = None
    ) -> Page[LabelSummary]:
        """List an owner's labels in use that start with `prefix`, ignoring case, by blob count.

        The label of most blobs comes first; equal counts are ordered by folded name. `after` is the
        (count, folded name) behind which the page starts.

        Raises:
            InvalidValue: the store would have to sort more than MAX_LABELS_SORTED labels. SQLite
                sorts only with a prefix, DynamoDB always.

        """

    def find_label_summaries(
        self, owner: str, labels: Collection[str]
    ) -> Mapping[str, LabelSummary]:
        """Return the summaries of an owner's labels by folded name; unused labels are left out."""

    def find_newest(self, owner: str, labels: Collection[str]) -> Mapping[str, Blob]:
        """Return an owner's newest blob with each label, by folded name.

        One index is read once for each label. A label without blobs is left out.
        """

    def count_labels(self, owner: str, blob_id: str, version: int, names: Collection[str]) -> None:
        """Count `names` for the blob in the summaries, in place of the names counted before.

        A version that is not newer than the counted one, or a deleted blob, changes nothing.
        """

    def count_batch(self, batch: Sequence[BlobLabels]) -> None:
        """Count the labels of several blobs, each as `count_labels` does.

        After an error some may be counted; repeated, the call counts the others.
        """

    def uncount_labels(self, owner: str, blob_id: str) -> None:
        """Remove a deleted blob's names from the summaries."""

    def find_abandoned(self, before: datetime, limit: int) -> Sequence[Blob]:
        """Return blobs of all owners that were created before a time and still await an upload."""
