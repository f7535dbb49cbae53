"""Blob records on SQLite: the twin of the DynamoDB table. Every list is an index seek."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

from core.domain.change import Change, label_names
from core.domain.clock import epoch_ms, ulid_floor
from core.domain.errors import AlreadyExists, VersionConflict
from core.domain.pagination import Page, page_of
from core.repositories.ports.blobs import (
    DELETION_KEPT,
    BlobFilter,
    LabelledBlob,
    LabelOrder,
    LabelSummary,
)
from core.repositories.serialization import Document, blob_from_document, blob_to_document
from core.repositories.sqlite.label_search import search
from core.runtime.json import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.blob import Blob, BlobStatus
    from core.domain.clock import Clock
    from core.domain.label_filter import LabelFilter


@dataclass(frozen=True, slots=True)
class StoredChange:
    """One write as kept: documents of the blob before and after. `at` is in ms since 1970."""

    sequence: int
    at: int
    blob_id: str
    old: Document | None
    new: Document | None


# Behind every id, and above every label that starts with a prefix.
_LAST = "\U0010ffff"


class SqliteBlobRepository:
    """Blob records in a `Database`; each write leaves its change row in the same transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._listeners: list[tuple[Callable[[], None], Collection[BlobStatus]]] = []
        self._watchers: list[Callable[[Change], None]] = []

    def listen(self, listener: Callable[[], None], statuses: Collection[BlobStatus]) -> None:
        """Have `listener` called after every kept change (of this process) to such a status.

        And after every deletion.
        """
        self._listeners.append((listener, statuses))

    def watch(self, watcher: Callable[[Change], None]) -> None:
        """Have `watcher` told of every kept change (of this process), in the thread that made it.

        Changes of one blob by two threads may be told in either order.
        """
        self._watchers.append(watcher)

    def create(self, blob: Blob) -> None:
        """Keep a new blob. Raises AlreadyExists."""
        text = _dump(blob)
        with self._database.write() as connection:
            try:
                connection.execute(
                    "INSERT INTO blobs VALUES (?, ?, ?, ?, ?, ?)",
                    (blob.id, blob.owner, blob.status, blob.version, text, blob.digest),
                )
            except sqlite3.IntegrityError as exc:
                raise AlreadyExists(blob.id) from exc
            self._record_change(connection, Change(None, blob), None, text)

    def save(self, blob: Blob, replaced: Blob) -> None:
        """Put a blob in place of the version before it. Raises VersionConflict."""
        text = _dump(blob)
        expected = replaced.version
        with self._database.write(synced=False) as connection:
            row = connection.execute(
                "SELECT version, document FROM blobs WHERE id = ?", (blob.id,)
            ).fetchone()
            if row is None or row[0] != expected:
                raise VersionConflict(blob.id, expected)
            connection.execute(
                "UPDATE blobs SET status = ?, version = ?, document = ?, digest = ? WHERE id = ?",
                (blob.status, blob.version, text, blob.digest, blob.id),
            )
            self._index_labels(connection, replaced, blob)
            self._record_change(connection, Change(replaced, blob), row[1], text)

    def delete(self, blob: Blob, at: datetime) -> None:
        """Forget a blob as it was read, and its label entries. Raises VersionConflict."""
        with self._database.write() as connection:
            row = connection.execute(
                "DELETE FROM blobs WHERE id = ? AND version = ? RETURNING document",
                (blob.id, blob.version),
            ).fetchone()
            if row is None:
                raise VersionConflict(blob.id, blob.version)
            self._index_labels(connection, blob, replace(blob, labels=None))
            connection.execute(
                "INSERT OR REPLACE INTO deleted_blobs (id, owner, at) VALUES (?, ?, ?)",
                (blob.id, blob.owner, epoch_ms(at)),
            )
            self._record_change(connection, Change(blob, None), row[0], None)

    def was_deleted(self, owner: str, blob_id: str) -> bool:
        """Tell whether a blob of the owner's was deleted."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT 1 FROM deleted_blobs WHERE id = ? AND owner = ?", (blob_id, owner)
            ).fetchone()
        return row is not None

    def find_deleted(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return (owner, id) of blobs deleted before then whose deletion is not settled."""
        with self._database.read() as connection:
            return connection.execute(
                "SELECT owner, id FROM deleted_blobs WHERE settled = 0 AND at < ?"
                " ORDER BY at LIMIT ?",
                (epoch_ms(before), limit),
            ).fetchall()

    def settle_deleted(self, blob_id: str) -> None:
        """Note that nothing of a deleted blob is left."""
        with self._database.write(synced=False) as connection:
            connection.execute("UPDATE deleted_blobs SET settled = 1 WHERE id = ?", (blob_id,))

    def get(self, blob_id: str) -> Blob | None:
        """Return a blob whoever owns it."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT document FROM blobs WHERE id = ?", (blob_id,)
            ).fetchone()
        return _load(row[0]) if row else None

    def find(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Blob]:
        """Return those of the blobs that exist and are the owner's, by id."""
        marks = ", ".join("?" * len(blob_ids))
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT id, document FROM blobs WHERE id IN ({marks}) AND owner = ?",
                (*blob_ids, owner),
            ).fetchall()
        return {blob_id: _load(document) for blob_id, document in rows}

    def find_by_owner(
        self, owner: str, wanted: BlobFilter, *, first: int, after: str | None = None
    ) -> Page[Blob]:
        """List an owner's blobs, newest first, from behind the id `after`."""
        lowest = ulid_floor(wanted.created_after) if wanted.created_after else ""
        highest = ulid_floor(wanted.created_before) if wanted.created_before else _LAST
        span: list[object] = [owner, lowest, min(highest, after or _LAST)]
        condition = "owner = ? AND id >= ? AND id < ?"
        if wanted.sha256 is not None:
            condition += " AND digest = ?"
            span.append(wanted.sha256)
        if wanted.statuses:
            # One seek per status, merged in order: SQLite would sort an IN list.
            part = f"SELECT id, document FROM blobs WHERE {condition} AND status = ?"
            statuses = dict.fromkeys(wanted.statuses)
            statement = " UNION ALL ".join([part] * len(statuses))
            values = [value for status in statuses for value in (*span, status)]
        else:
            statement = f"SELECT id, document FROM blobs WHERE {condition}"
            values = span
        with self._database.read() as connection:
            rows = connection.execute(
                f"{statement} ORDER BY id DESC LIMIT ?", [*values, first + 1]
            ).fetchall()
        return page_of(rows, first).map(lambda row: _load(row[1]))

    def scan(
        self, owner: str | None, first: int, after: str | None = None
    ) -> tuple[Sequence[Blob], str | None]:
        """Read all blobs, of one owner or of every one: by id."""
        condition, values = ("owner = ? AND ", [owner]) if owner is not None else ("", [])
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT id, document FROM blobs WHERE {condition}id > ? ORDER BY id LIMIT ?",
                [*values, after or "", first],
            ).fetchall()
        blobs = [blob_from_document(read_json(document)) for _, document in rows]
        return blobs, rows[-1][0] if len(rows) == first else None

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
        """List an owner's blobs with that label, from behind (confidence, id)."""
        values: list[object] = [owner, label.casefold(), min_confidence]
        if order is LabelOrder.NEWEST:
            position, by = "AND e.blob_id < ?", "e.blob_id DESC"
            values.append(after[1] if after else _LAST)
        else:
            position, by = "AND (e.confidence, e.blob_id) < (?, ?)", "e.confidence DESC, 1 DESC"
            values.extend(after or (101.0, _LAST))
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT e.blob_id, e.confidence, b.document FROM label_entries AS e"
                " JOIN blobs AS b ON b.id = e.blob_id"
                " WHERE e.owner = ? AND e.label = ? AND e.confidence >= ?"
                f" {position} ORDER BY {by} LIMIT ?",
                [*values, first + 1],
            ).fetchall()
        return page_of(rows, first).map(lambda row: LabelledBlob(_load(row[2]), row[1]))

    def find_by_labels(
        self, owner: str, wanted: LabelFilter, *, first: int, after: str | None = None
    ) -> Page[Blob]:
        """List an owner's blobs by several labels, newest first, from behind the id `after`."""
        with self._database.read() as connection:
            return search(connection, owner, wanted, first, after or _LAST).map(_load)

    def find_labels(
        self, owner: str, prefix: str, *, first: int, after: str | None = None
    ) -> Page[LabelSummary]:
        """List an owner's labels in use that start with `prefix`, by name."""
        lowest = prefix.casefold()
        comparison, start = (">", after) if after and after >= lowest else (">=", lowest)
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT name, blob_count FROM label_summaries"
                f" WHERE owner = ? AND label {comparison} ? AND label < ?"
                " ORDER BY label LIMIT ?",
                (owner, start, lowest + _LAST, first + 1),
            ).fetchall()
        return page_of(rows, first).map(lambda row: LabelSummary(*row))

    def count_labels(self, owner: str, blob_id: str, version: int, names: Collection[str]) -> None:
        """Make the summaries count `names` for the blob, in place of those counted before."""
        with self._database.write(synced=False) as connection:
            row = connection.execute(
                "SELECT version, names FROM counted_labels WHERE blob_id = ?", (blob_id,)
            ).fetchone()
            if (row and row[0] >= version) or self.was_deleted(owner, blob_id):
                return
            counted = json.loads(row[1]) if row else []
            _count(connection, owner, counted, names)
            connection.execute(
                "INSERT OR REPLACE INTO counted_labels VALUES (?, ?, ?)",
                (blob_id, version, json.dumps(sorted(names))),
            )

    def uncount_labels(self, owner: str, blob_id: str) -> None:
        """Make the summaries count nothing for a blob that was deleted."""
        with self._database.write(synced=False) as connection:
            row = connection.execute(
                "DELETE FROM counted_labels WHERE blob_id = ? RETURNING names", (blob_id,)
            ).fetchone()
            if row:
                _count(connection, owner, json.loads(row[0]), ())

    def find_abandoned(self, before: datetime, limit: int) -> Sequence[Blob]:
        """Return blobs created before then and still awaiting their upload."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT document FROM blobs WHERE status = 'AWAITING_UPLOAD' AND id < ?"
                " ORDER BY id LIMIT ?",
                (ulid_floor(before), limit),
            ).fetchall()
        return [_load(row[0]) for row in rows]

    def changes_after(self, sequence: int, limit: int) -> list[StoredChange]:
        """Return the writes after one, in order."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT sequence, at, blob_id, old, new FROM changes WHERE sequence > ?"
                " ORDER BY sequence LIMIT ?",
                (sequence, limit),
            ).fetchall()
        return [
            StoredChange(*row[:3], *(json.loads(text) if text else None for text in row[3:]))
            for row in rows
        ]

    def feed_position(self, feed: str) -> int:
        """Return the sequence up to which a feed has been read."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT sequence FROM feeds WHERE name = ?", (feed,)
            ).fetchone()
        return int(row[0]) if row else 0

    def move_feed(self, feed: str, sequence: int) -> None:
        """Note that a feed has been read up to a sequence."""
        with self._database.write(synced=False) as connection:
            connection.execute("INSERT OR REPLACE INTO feeds VALUES (?, ?)", (feed, sequence))

    def trim_deleted(self, now: datetime) -> None:
        """Forget deletions that are older than needed."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                "DELETE FROM deleted_blobs WHERE at < ?", (epoch_ms(now - DELETION_KEPT),)
            )

    def trim_changes(self, before: datetime) -> None:
        """Forget changes older than that which every feed has read (a stream keeps 24 h)."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                "DELETE FROM changes WHERE at < ?"
                " AND sequence <= (SELECT coalesce(min(sequence), 0) FROM feeds)",
                (epoch_ms(before),),
            )

    def _record_change(
        self, connection: sqlite3.Connection, change: Change, old: str | None, new: str | None
    ) -> None:
        blob = cast("Blob", change.new or change.old)
        connection.execute(
            "INSERT INTO changes (blob_id, at, old, new) VALUES (?, ?, ?, ?)",
            (blob.id, epoch_ms(self._clock()), old, new),
        )
        for listener, statuses in self._listeners:
            if new is None or blob.status in statuses:
                self._database.after_commit(listener)
        for watcher in self._watchers:
            self._database.after_commit(partial(watcher, change))

    @staticmethod
    def _index_labels(connection: sqlite3.Connection, old: Blob, new: Blob) -> None:
        if old.labels == new.labels:
            return
        if stale := label_names(old) - label_names(new):
            connection.executemany(
                "DELETE FROM label_entries WHERE owner = ? AND label = ? AND blob_id = ?",
                [(old.owner, name.casefold(), old.id) for name in stale],
            )
        connection.executemany(
            "INSERT OR REPLACE INTO label_entries VALUES (?, ?, ?, ?)",
            [
                (new.owner, label.name.casefold(), new.id, label.confidence)
                for label in new.labels or ()
            ],
        )


def _count(
    connection: sqlite3.Connection, owner: str, counted: Collection[str], names: Collection[str]
) -> None:
    """Count names for a blob in place of those counted before."""
    before = {name.casefold() for name in counted}
    by_label = {name.casefold(): name for name in sorted(names)}
    for label in sorted(by_label.keys() - before):
        connection.execute(
            "INSERT INTO label_summaries VALUES (?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET blob_count = blob_count + 1",
            (owner, label, by_label[label]),
        )
    for label in sorted(before - by_label.keys()):
        connection.execute(
            "UPDATE label_summaries SET blob_count = blob_count - 1 WHERE owner = ? AND label = ?",
            (owner, label),
        )
        connection.execute(
            "DELETE FROM label_summaries WHERE owner = ? AND label = ? AND blob_count <= 0",
            (owner, label),
        )


def _dump(blob: Blob) -> str:
    return json.dumps(blob_to_document(blob), ensure_ascii=False, separators=(",", ":"))


# Blobs never change: whoever reads the same page again and again is given the same ones.
@lru_cache(maxsize=256)
def _load(document: str) -> Blob:
    return blob_from_document(read_json(document))
