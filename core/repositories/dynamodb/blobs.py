"""Blobs on DynamoDB. A page of an owner's blobs is one Query."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Final

from core.domain.blob import Blob, BlobStatus
from core.domain.deletion import indexed_facts
from core.domain.errors import Unavailable, VersionConflict
from core.domain.facts import NO_FACTS
from core.repositories.dynamodb import (
    blob_lists,
    blob_scan,
    deletions,
    facts,
    label_counts,
    label_search,
)
from core.repositories.dynamodb.expressions import fits_key, transact_delete, transact_put
from core.repositories.dynamodb.label_entries import Key, changed_entries, entries_of
from core.repositories.dynamodb.lists import oldest, text_of
from core.repositories.dynamodb.policies import DynamoPolicyRepository
from core.repositories.dynamodb.table import ConditionFailed, Table, blob_pk
from core.repositories.ports.blobs import BlobLabels
from core.repositories.serialization import blob_from_item, blob_to_item

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from core.domain.blob_list import BlobListPlan
    from core.domain.label import Embedding
    from core.domain.pagination import Page, Position
    from core.repositories.ports.blobs import LabelSummary
    from core.repositories.ports.vocabularies import VocabularyRepository

_SAVES_AT_ONCE: Final = 8


class DynamoBlobRepository:
    """Blobs in a `Table`."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.policies = DynamoPolicyRepository(table)

    @cached_property
    def vocabularies(self) -> VocabularyRepository:
        """The vocabularies of the blobs' owners."""
        from core.repositories.dynamodb.vocabularies import DynamoVocabularyRepository  # noqa: PLC0415  # only the api uses it

        return DynamoVocabularyRepository(self._table)

    def create(self, blob: Blob) -> None:
        """Store a new blob. Raises AlreadyExists or ExternalIdTaken."""
        facts.create(self._table, blob)

    def save(self, blob: Blob, replaced: Blob, embedding: Embedding | None = None) -> None:  # noqa: ARG002
        """Replace a blob, as it was read. Raises VersionConflict or ExternalIdTaken.

        Entries of new labels are written before it, and those of old labels deleted after it; what
        indexes its facts, in one transaction with it. No embedding is stored: nothing on AWS
        searches them (docs/decisions/0057).
        """
        added, gone = changed_entries(replaced, blob)
        self._table.write_many(added.values())
        changes = facts.changes_of(
            blob.owner, blob.id, indexed_facts(blob), indexed_facts(replaced)
        )
        item, version = blob_to_item(blob), {"N": str(replaced.version)}
        try:
            if changes:
                put = transact_put(item, "#version = :replaced", replaced=version)
                self._table.transact([put, *changes])
            else:
                self._table.put(item, "#version = :replaced", replaced=version)
        except ConditionFailed as exc:
            self._withdraw(blob.id, added.keys())
            if changes:
                facts.check_external_id(facts.holder_of(self._table, blob), blob)
            raise VersionConflict(blob.id, replaced.version) from exc
        with suppress(Unavailable):  # the blob is stored, and old entries have no effect
            self._table.write_many(deleted=gone)

    def save_many(self, changes: Sequence[tuple[Blob, Blob]]) -> Sequence[str]:
        """Replace blobs, several at a time. Return the ids of those that have other versions."""

        def save(change: tuple[Blob, Blob]) -> bool:
            try:
                self.save(*change)
            except VersionConflict:
                return False
            return True

        with ThreadPoolExecutor(_SAVES_AT_ONCE) as executor:
            saved = list(executor.map(save, changes))
        return [blob.id for (blob, _), done in zip(changes, saved, strict=True) if not done]

    def _withdraw(self, blob_id: str, keys: AbstractSet[Key]) -> None:
        """Delete entries of a version that was not stored; restore those of the stored one."""
        stored = self.get(blob_id) if keys else None
        entries = entries_of(stored) if stored else {}
        self._table.write_many(
            [entries[each] for each in keys & entries.keys()], keys - entries.keys()
        )

    def delete(self, blob: Blob, at: datetime) -> None:
        """Delete a blob, as it was read. Raises VersionConflict.

        Its label entries have no effect without it; `uncount_labels` deletes them.
        """
        try:
            self._table.transact(
                [
                    transact_delete(
                        *_keys(blob.id), "#version = :read", read={"N": str(blob.version)}
                    ),
                    transact_put(deletions.deletion_of(blob, at)),
                    *facts.changes_of(blob.owner, blob.id, NO_FACTS, indexed_facts(blob)),
                ]
            )
        except ConditionFailed as exc:
            raise VersionConflict(blob.id, blob.version) from exc

    def was_deleted(self, owner: str, blob_id: str) -> bool:
        """Tell whether the owner's blob was deleted."""
        return deletions.was_deleted(self._table, owner, blob_id)

    def find_unfinished_deletions(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return (owner, id) of blobs deleted before a time whose deletion is not finished."""
        return deletions.find_unfinished_deletions(self._table, before, limit)

    def finish_deletion(self, blob_id: str) -> None:
        """Record that all data of a deleted blob is gone."""
        deletions.finish_deletion(self._table, blob_id)

    def get(self, blob_id: str) -> Blob | None:
        """Return a blob of any owner."""
        if not fits_key(blob_id):
            return None
        item = self._table.get(*_keys(blob_id))
        return blob_from_item(item) if item else None

    def find_embedding(self, _owner: str, _blob_id: str) -> Embedding | None:
        """Return None: no embedding is stored."""
        return None

    def find(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Blob]:
        """Return the blobs that exist and belong to the owner, by id."""
        wanted = [blob_id for blob_id in blob_ids if fits_key(blob_id)]
        if len(wanted) == 1:
            found = [blob for blob in map(self.get, wanted) if blob]
        else:
            found = [blob_from_item(item) for item in self._table.get_many(map(_keys, wanted))]
        return {blob.id: blob for blob in found if blob.owner == owner}

    def find_page(
        self, owner: str, plan: BlobListPlan, *, first: int, after: Position | None = None
    ) -> Page[Blob]:
        """List an owner's blobs by a plan, starting behind the position `after`."""
        return blob_lists.find_page(self._table, owner, plan, first, after)

    def count(self, owner: str, plan: BlobListPlan) -> int | None:
        """Return the number of an owner's blobs with a label; None for other lists."""
        return blob_lists.count(self._table, owner, plan)

    def scan(
        self, owner: str | None, first: int, after: str | None = None
    ) -> tuple[Sequence[Blob], str | None]:
        """Read all blobs of one owner, or of all owners, by pages of the index by-owner.

        The index may lack changes of the last moments, so an owner's blobs are read from the table.
        """
        return blob_scan.scan(self._table, owner, first, after)

    def find_labels(
        self, owner: str, prefix: str, *, first: int, after: str | None = None
    ) -> Page[LabelSummary]:
        """List an owner's labels in use that start with `prefix`, by name."""
        return label_counts.find_labels(self._table, owner, prefix, first, after)

    def find_labels_by_count(
        self, owner: str, prefix: str, *, first: int, after: tuple[int, str] | None = None
    ) -> Page[LabelSummary]:
        """List an owner's labels in use that start with `prefix`, by blob count."""
        return label_counts.find_labels_by_count(self._table, owner, prefix, first, after)

    def find_label_summaries(
        self, owner: str, labels: Collection[str]
    ) -> Mapping[str, LabelSummary]:
        """Return the summaries of an owner's labels by folded name."""
        return label_counts.summaries_of(self._table, owner, labels)

    def find_newest(self, owner: str, labels: Collection[str]) -> Mapping[str, Blob]:
        """Return an owner's newest blob with each label: one Query for each, one read of blobs."""
        return label_search.find_newest(self._table, owner, labels)

    def count_labels(self, owner: str, blob_id: str, version: int, names: Collection[str]) -> None:
        """Count `names` for the blob in the summaries, in place of those counted before."""
        self.count_batch([BlobLabels(owner, blob_id, version, names)])

    def count_batch(self, batch: Sequence[BlobLabels]) -> None:
        """Count the labels of several blobs, and write each summary once for many blobs."""
        label_counts.count_batch(self._table, batch)

    def uncount_labels(self, owner: str, blob_id: str) -> None:
        """Remove a deleted blob's names from the summaries, and delete its label entries."""
        label_counts.uncount_labels(self._table, owner, blob_id)

    def find_abandoned(self, before: datetime, limit: int) -> Sequence[Blob]:
        """Return blobs that were created before a time and still await an upload."""
        found = oldest(self._table, "uploads", before, limit)
        items = self._table.get_many((pk, "blob") for pk, _ in found)
        blobs = sorted(map(blob_from_item, items), key=lambda blob: blob.id)
        return [blob for blob in blobs if blob.status is BlobStatus.AWAITING_UPLOAD and blob.listed]

    def find_due_deletions(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return (owner, id) of blobs that are to be deleted before a time."""
        found = oldest(self._table, "waiting", before, limit, lambda item: text_of(item, "owner"))
        return [(owner, pk.removeprefix(blob_pk(""))) for pk, owner in found]


def _keys(blob_id: str) -> tuple[str, str]:
    return blob_pk(blob_id), "blob"
