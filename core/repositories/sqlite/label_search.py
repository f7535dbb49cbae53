"""Label entries on SQLite, and searches by one label or several.

A search by several labels reads the entries of one label, and looks up the others for each blob.
"""

from __future__ import annotations

from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from core.domain.change import label_names
from core.domain.label_filter import LabelFilter, fold_names
from core.domain.pagination import Page, page_of
from core.repositories.ports import blobs
from core.repositories.ports.blobs import LabelOrder
from core.repositories.sqlite.label_counts import counts_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from core.domain.blob import Blob

_LAST: Final = "\U0010ffff"  # greater than every id
_CARRIES: Final = (
    "EXISTS (SELECT 1 FROM label_entries WHERE owner = e.owner AND label = ?"
    " AND blob_id = e.blob_id AND confidence >= ?)"
)


def index_labels(connection: sqlite3.Connection, old: Blob, new: Blob) -> None:
    """Replace the label entries of a blob's old version by those of its new version."""
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


def find_by_label(
    connection: sqlite3.Connection,
    owner: str,
    label: str,
    *,
    min_confidence: float,
    order: LabelOrder,
    first: int,
    after: tuple[float, str] | None,
) -> Page[tuple[str, float]]:
    """List an owner's blobs with a label, as documents, each with the label's confidence."""
    values: list[object] = [owner, label.casefold(), min_confidence]
    if order is LabelOrder.NEWEST:
        position, by = "AND e.blob_id < ?", "e.blob_id DESC"
        values.append(after[1] if after else _LAST)
    else:
        position, by = "AND (e.confidence, e.blob_id) < (?, ?)", "e.confidence DESC, e.blob_id DESC"
        values.extend(after or (101.0, _LAST))
    rows = connection.execute(
        "SELECT b.document, e.confidence, e.blob_id FROM label_entries AS e"
        " JOIN blobs AS b ON b.id = e.blob_id"
        " WHERE e.owner = ? AND e.label = ? AND e.confidence >= ?"
        f" {position} ORDER BY {by} LIMIT ?",
        [*values, first + 1],
    ).fetchall()
    return page_of(rows, first).map(lambda row: (row[0], row[1]))


def find_newest(
    connection: sqlite3.Connection, owner: str, labels: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yield each folded label and the document of the owner's newest blob that has it."""
    for label in labels:
        row = connection.execute(
            "SELECT document FROM blobs WHERE id ="
            " (SELECT max(blob_id) FROM label_entries WHERE owner = ? AND label = ?)",
            (owner, label),
        ).fetchone()
        if row:
            yield label, row[0]


def find_by_labels(
    connection: sqlite3.Connection, owner: str, wanted: LabelFilter, first: int, after: str | None
) -> Page[str]:
    """List an owner's blobs by several labels, as documents, newest first."""
    found: list[str] = []
    looked_at = 0
    reached = None
    with closing(_walk(connection, owner, wanted, after or _LAST)) as rows:
        for blob_id, entries in groupby(rows, key=itemgetter(0)):
            if looked_at >= blobs.MAX_ENTRIES_READ:
                return Page(tuple(found), has_next=True, reached=reached)
            documents = [document for _, document in entries]
            looked_at += len(documents)
            reached = blob_id
            found += [document for document in documents if document][:1]
            if len(found) > first:
                return Page(tuple(found[:first]), has_next=True)
    return Page(tuple(found), has_next=False)


def _walk(
    connection: sqlite3.Connection, owner: str, wanted: LabelFilter, after: str
) -> Generator[tuple[str, str | None]]:
    """Yield the id of each entry that is read, with the blob's document if it matches."""
    least = wanted.min_confidence
    every, either, none = (fold_names(each) for each in (wanted.all, wanted.any, wanted.none))
    if every:
        walked = [_sparsest(connection, owner, every)]
    else:
        walked, either = either, []
    others = [name for name in every if name not in walked]
    conditions = ["e.confidence >= ?", *[_CARRIES] * len(others)]
    if either:
        conditions.append(f"({' OR '.join([_CARRIES] * len(either))})")
    conditions += [f"NOT {_CARRIES}"] * len(none)
    values: list[object] = [least]
    for name in (*others, *either, *none):
        values += [name, least]
    part = (
        "SELECT e.blob_id, CASE WHEN "
        + " AND ".join(conditions)
        + " THEN (SELECT document FROM blobs WHERE id = e.blob_id) END"
        " FROM label_entries AS e WHERE e.owner = ? AND e.label = ? AND e.blob_id < ?"
    )
    # SQLite merges the lists lazily: it reads no more rows than are fetched.
    rows = connection.execute(
        " UNION ALL ".join([part] * len(walked)) + " ORDER BY 1 DESC",
        [value for name in walked for value in (*values, owner, name, after)],
    )
    with closing(rows):
        yield from rows


def _sparsest(connection: sqlite3.Connection, owner: str, labels: Sequence[str]) -> str:
    counts = counts_of(connection, owner, labels)
    return min(labels, key=lambda label: counts.get(label, 0))
