"""Blobs on SQLite. Every list is an index seek."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from core.domain.change import Change
from core.domain.clock import ulid_floor
from core.domain.deletion import indexed_facts
from core.domain.errors import VersionConflict
from core.repositories.serialization import blob_from_document
from core.repositories.sqlite import (
    blob_lists,
    deletions,
    embeddings,
    label_counts,
    label_search,
)
from core.repositories.sqlite.blob_rows import insert_blob, replace_blob
from core.repositories.sqlite.change_log import SqliteChangeLog
from core.repositories.sqlite.facts import remove_metadata
from core.repositories.sqlite.label_search import index_labels
from core.repositories.sqlite.policies import SqlitePolicyRepository
from core.repositories.sqlite.vocabularies import SqliteVocabularyRepository
from core.runtime.json import read_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.blob import Blob
    from core.domain.blob_list import BlobListPlan
    from core.domain.clock import Clock
    from core.domain.label import Embedding
    from core.domain.pagination import Page, Position
    from core.repositories.ports.blobs import BlobLabels, LabelSummary


class SqliteBlobRepository:
    """Blobs in a `Database`. Each write adds a row to the change log in the same transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.changes = SqliteChangeLog(database, clock)
        self.policies = SqlitePolicyRepository(database)
        self.vocabularies = SqliteVocabularyRepository(database)

    def create(self, blob: Blob) -> None:
        """Store a new blob. Raises AlreadyExists or ExternalIdTaken."""
        with self._database.write() as connection:
            text = insert_blob(connection, blob)
            self.changes.record(connection, Change(None, blob), None, text)

    def save(self, blob: Blob, replaced: Blob, embedding: Embedding | None = None) -> None:
        """Replace a blob, as it was read. Raises VersionConflict or ExternalIdTaken."""
        # An owner waits for an edit, while a labelling that a power cut undoes is done again.
        synced = Change(replaced, blob).edited is not None
        with self._database.write(synced=synced) as connection:
            self._save(connection, blob, replaced, embedding)

    def save_many(self, changes: Sequence[tuple[Blob, Blob]]) -> Sequence[str]:
        """Replace blobs in one transaction. Return the ids of those that have other versions."""
        refused = []
        with self._database.write(synced=False) as connection:
            for blob, replaced in changes:
                try:
                    self._save(connection, blob, replaced)
                except VersionConflict:  # nothing of it was written
                    refused.append(blob.id)
        return refused

    def _save(
        self,
        connection: sqlite3.Connection,
        blob: Blob,
        replaced: Blob,
        embedding: Embedding | None = None,
    ) -> None:
        before, after = replace_blob(connection, blob, replaced)
        if embedding is not None:
            embeddings.replace_embedding(connection, blob, embedding)
        elif blob.labels is None and replaced.labels is not None:
            embeddings.remove_embedding(connection, blob.id)
        self.changes.record(connection, Change(replaced, blob), before, after)

    def delete(self, blob: Blob, at: datetime) -> None:
        """Delete a blob, as it was read, and its label entries. Raises VersionConflict."""
        with self._database.write() as connection:
            row = connection.execute(
                "DELETE FROM blobs WHERE id = ? AND version = ? RETURNING document",
                (blob.id, blob.version),
            ).fetchone()
            if row is None:
                raise VersionConflict(blob.id, blob.version)
            index_labels(connection, blob, replace(blob, labels=None))
            embeddings.remove_embedding(connection, blob.id)
            remove_metadata(connection, blob, indexed_facts(blob))
            deletions.record_deletion(connection, blob, at)
            self.changes.record(connection, Change(blob, None), row[0], None)

    def find_due_deletions(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return (owner, id) of blobs that are to be deleted before a time, the earliest first."""
        return deletions.find_due_deletions(self._database, before, limit)

    def was_deleted(self, owner: str, blob_id: str) -> bool:
        """Tell whether the owner's blob was deleted."""
        return deletions.was_deleted(self._database, owner, blob_id)

    def find_unfinished_deletions(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return (owner, id) of blobs deleted before a time whose deletion is not finished."""
        return deletions.find_unfinished_deletions(self._database, before, limit)

    def finish_deletion(self, blob_id: str) -> None:
        """Record that all data of a deleted blob is gone."""
        deletions.finish_deletion(self._database, blob_id)

    def trim_deleted(self, now: datetime) -> None:
        """Delete records of deletions older than DELETION_RETENTION."""
        deletions.trim_deleted(self._database, now)

    def get(self, blob_id: str) -> Blob | None:
        """Return a blob of any owner."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT document FROM blobs WHERE id = ?", (blob_id,)
            ).fetchone()
        return _load(row[0]) if row else None

    def find_embedding(self, owner: str, blob_id: str) -> Embedding | None:
        """Return the embedding of an owner's blob, if there is one."""
        with self._database.read() as connection:
            return embeddings.find_embedding(connection, owner, blob_id)

    def find(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Blob]:
        """Return the blobs that exist and belong to the owner, by id."""
        marks = ", ".join("?" * len(blob_ids))
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT id, document FROM blobs WHERE id IN ({marks}) AND owner = ?",
                (*blob_ids, owner),
            ).fetchall()
        return {blob_id: _load(document) for blob_id, document in rows}

    def find_page(
        self, owner: str, plan: BlobListPlan, *, first: int, after: Position | None = None
    ) -> Page[Blob]:
        """List an owner's blobs by a plan, starting behind the position `after`."""
        with self._database.read() as connection:
            found = blob_lists.find_page(connection, owner, plan, first, after, _load)
        return found.map(_load)

    def count(self, owner: str, plan: BlobListPlan) -> int | None:
        """Return the number of an owner's blobs in a list, where one read tells it; else None."""
        with self._database.read() as connection:
            return blob_lists.count(connection, owner, plan)

    def scan(
        self, owner: str | None, first: int, after: str | None = None
    ) -> tuple[Sequence[Blob], str | None]:
        """Read all blobs of one owner, or of all owners, by id."""
        with self._database.read() as connection:
            rows = blob_lists.scan(connection, owner, first, after or "")
        blobs = [blob_from_document(read_json(document)) for _, document in rows]
        return blobs, rows[-1][0] if len(rows) == first else None

    def find_labels(
        self, owner: str, prefix: str, *, first: int, after: str | None = None
    ) -> Page[LabelSummary]:
        """List an owner's labels in use that start with `prefix`, by name."""
        return label_counts.find_labels(self._database, owner, prefix, first, after)

    def find_labels_by_count(
        self, owner: str, prefix: str, *, first: int, after: tuple[int, str] | None = None
    ) -> Page[LabelSummary]:
        """List an owner's labels in use that start with `prefix`, by blob count."""
        return label_counts.find_labels_by_count(self._database, owner, prefix, first, after)

    def find_label_summaries(
        self, owner: str, labels: Collection[str]
    ) -> Mapping[str, LabelSummary]:
        """Return the summaries of an owner's labels by folded name."""
        with self._database.read() as connection:
            return label_counts.summaries_of(connection, owner, labels)

    def find_newest(self, owner: str, labels: Collection[str]) -> Mapping[str, Blob]:
        """Return an owner's newest blob with each label, by folded name."""
        with self._database.read() as connection:
            found = label_search.find_newest(connection, owner, labels)
            return {label: _load(document) for label, document in found}

    def count_labels(self, owner: str, blob_id: str, version: int, names: Collection[str]) -> None:
        """Count `names` for the blob in the summaries, in place of those counted before."""
        label_counts.count_labels(self._database, owner, blob_id, version, names)

    def count_batch(self, batch: Sequence[BlobLabels]) -> None:
        """Count the labels of several blobs."""
        with self._database.write(synced=False):
            for each in batch:
                self.count_labels(each.owner, each.blob_id, each.version, each.names)

    def uncount_labels(self, owner: str, blob_id: str) -> None:
        """Remove a deleted blob's names from the summaries."""
        label_counts.uncount_labels(self._database, owner, blob_id)

    def find_abandoned(self, before: datetime, limit: int) -> Sequence[Blob]:
        """Return blobs that were created before a time and still await an upload."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT document FROM blobs WHERE status = 'AWAITING_UPLOAD' AND id < ?"
                " AND deletes_at IS NULL ORDER BY id LIMIT ?",
                (ulid_floor(before), limit),
            ).fetchall()
        return [_load(row[0]) for row in rows]


# Blobs are immutable: clients that poll a page share the cached ones.
@lru_cache(maxsize=256)
def _load(document: str) -> Blob:
    return blob_from_document(read_json(document))
