"""Lists of blobs on SQLite, read as their plan says.

Every statement names its index, so that SQLite refuses it rather than scan a table.
"""

from __future__ import annotations

from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from core.domain.blob_list import LAST_ID, BlobIndex, BlobOrder
from core.domain.pagination import Page, page_of
from core.repositories.sqlite.label_counts import counts_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from core.domain.blob import Blob
    from core.domain.blob_list import BlobListPlan
    from core.domain.pagination import Position

# The entries of each index, as columns `id`, and `confidence` or `name` where it has that order.
_ENTRIES: Final = {
    BlobIndex.OWNER: "blobs AS e INDEXED BY blobs_by_owner"
    " WHERE e.deletes_at IS NULL AND e.owner = ?",
    BlobIndex.STATUS: "blobs AS e INDEXED BY blobs_by_status"
    " WHERE e.deletes_at IS NULL AND e.owner = ? AND e.status = ?",
    BlobIndex.DIGEST: "blobs AS e INDEXED BY blobs_by_digest"
    " WHERE e.deletes_at IS NULL AND e.owner = ? AND e.digest = ?",
    # The primary key: a table WITHOUT ROWID has no other name for it.
    BlobIndex.LABEL: "label_entries AS e WHERE e.owner = ? AND e.label = ?",
    BlobIndex.NAME: "blobs AS e INDEXED BY blobs_by_name"
    " WHERE e.deletes_at IS NULL AND e.owner = ?",
    BlobIndex.EXTERNAL_ID: "blobs AS e INDEXED BY blobs_by_external_id"
    " WHERE e.deletes_at IS NULL AND e.owner = ? AND e.external_id = ?",
    BlobIndex.METADATA: "metadata_entries AS e WHERE e.owner = ? AND e.pair = ?",
    BlobIndex.CONFIDENCE: "label_entries AS e INDEXED BY label_entries_by_confidence"
    " WHERE e.owner = ? AND e.label = ?",
}
_OF_LABELS: Final = (BlobIndex.LABEL, BlobIndex.CONFIDENCE)
_OF_ENTRIES: Final = (*_OF_LABELS, BlobIndex.METADATA)  # which name blobs
_ONE_LIST: Final = (BlobIndex.OWNER, BlobIndex.NAME)
# What the order is by, before the id.
_FIRST: Final = {BlobIndex.CONFIDENCE: "e.confidence, ", BlobIndex.NAME: "e.name, "}
_MAX_CONFIDENCE: Final = 101.0  # greater than every confidence


class _Sql:
    """Text of a statement and its values, in order."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[object] = []

    def add(self, text: str, *values: object) -> None:
        self.parts.append(text)
        self.values += values


def find_page(
    connection: sqlite3.Connection,
    owner: str,
    plan: BlobListPlan,
    first: int,
    after: Position | None,
    load: Callable[[str], Blob],
) -> Page[str]:
    """List an owner's blobs by a plan, as documents, starting behind the position `after`.

    `load` reads a document.
    """
    counted = plan.counted_labels
    lists = plan.shortest(counts_of(connection, owner, counted) if counted else {})
    if not lists:
        return Page((), has_next=False)
    statement = _statement(owner, plan, lists, after)
    if plan.exact:
        statement.add("LIMIT ?", first + 1)
        rows = connection.execute(" ".join(statement.parts), statement.values).fetchall()
        return page_of(rows, first).map(itemgetter(-1))
    found: list[str] = []
    examined = 0
    reached: Position | None = None
    # The next entries may be one of each list, and SQLite reads one ahead of each to merge them.
    most = plan.most_examined(first) - 2 * len(lists)
    # SQLite merges the lists lazily: it reads no more rows than are fetched.
    with closing(connection.execute(" ".join(statement.parts), statement.values)) as walk:
        for position, entries in groupby(walk, key=itemgetter(slice(-1))):
            if reached is not None and examined > most:
                return Page(tuple(found), has_next=True, reached=reached)
            documents = [entry[-1] for entry in entries]
            examined += len(documents)
            reached = position
            found += [each for each in documents if each and _matches(plan, each, load)][:1]
            if len(found) > first:
                return Page(tuple(found[:first]), has_next=True)
    return Page(tuple(found), has_next=False)


def _matches(plan: BlobListPlan, document: str, load: Callable[[str], Blob]) -> bool:
    """Check what the statement does not: labels that count by who confirmed them."""
    return not plan.wanted.labels.examines_labels or plan.matches(load(document))


def scan(
    connection: sqlite3.Connection, owner: str | None, first: int, after: str
) -> list[tuple[str, str]]:
    """Return ids and documents of blobs of one owner or all, behind an id and ordered by it.

    Those that wait to be deleted are in an index of their own.
    """
    if owner is None:
        return connection.execute(
            "SELECT id, document FROM blobs WHERE id > ? ORDER BY id LIMIT ?", (after, first)
        ).fetchall()
    return connection.execute(
        "SELECT id, document FROM blobs INDEXED BY blobs_by_owner"
        " WHERE deletes_at IS NULL AND owner = ? AND id > ?"
        " UNION ALL SELECT id, document FROM blobs INDEXED BY blobs_waiting"
        " WHERE deletes_at IS NOT NULL AND owner = ? AND id > ? ORDER BY id LIMIT ?",
        (owner, after, owner, after, first),
    ).fetchall()


def count(connection: sqlite3.Connection, owner: str, plan: BlobListPlan) -> int | None:
    """Return the number of an owner's blobs in a list, where one read tells it; else None."""
    if not plan.choices:
        return 0
    if not plan.is_whole:
        return None
    (lists,) = plan.choices
    if plan.index in _OF_LABELS:
        return sum(counts_of(connection, owner, lists).values())
    statement = "SELECT coalesce(sum(count), 0) FROM blob_counts WHERE owner = ?"
    values = [owner]
    if plan.index is BlobIndex.STATUS:
        statement += f" AND status IN ({', '.join('?' * len(lists))})"
        values += lists
    (number,) = connection.execute(statement, values).fetchone()
    return int(number)


def _statement(
    owner: str, plan: BlobListPlan, lists: Sequence[str], after: Position | None
) -> _Sql:
    """Return the SELECT of all entries in order: the parts of a position, and the document.

    The document of an entry that does not match is NULL.
    """
    statement = _Sql()
    for name in lists:
        if statement.parts:
            statement.add("UNION ALL")
        _add_list(statement, owner, plan, name, after)
    way = "ASC" if plan.ascends else "DESC"
    two = plan.index in _FIRST
    statement.add(f"ORDER BY 1 {way}, 2 {way}" if two else f"ORDER BY 1 {way}")
    return statement


def _add_list(sql: _Sql, owner: str, plan: BlobListPlan, name: str, after: Position | None) -> None:
    """Add a SELECT of one list: the parts of the position, and the document or NULL."""
    blob_id = "e.blob_id" if plan.index in _OF_ENTRIES else "e.id"
    document, values = _document(plan, owner, name, blob_id)
    sql.add(f"SELECT {_FIRST.get(plan.index, '')}{blob_id}, {document}", *values)
    key = () if plan.index in _ONE_LIST else (name,)
    sql.add(f"FROM {_ENTRIES[plan.index]}", owner, *key)
    if plan.index is BlobIndex.CONFIDENCE:
        sql.add("AND e.confidence >= ?", plan.wanted.labels.min_confidence)
        end = after or (_MAX_CONFIDENCE, LAST_ID)
        sql.add("AND (e.confidence, e.blob_id) < (?, ?)", *end)
    elif plan.index is BlobIndex.NAME:
        prefix = plan.wanted.facts.file_name_prefix or ""
        sql.add("AND (e.name, e.id) > (?, ?) AND e.name < ?", *(after or (prefix, "")))
        sql.values.append(f"{prefix}{LAST_ID}")
    elif plan.order is BlobOrder.OLDEST:
        last = str(after[0]) if after else ""
        comparison, low = (">", last) if after and last >= plan.low else (">=", plan.low)
        sql.add(f"AND {blob_id} {comparison} ? AND {blob_id} < ?", low, plan.high)
    else:
        high = min(plan.high, str(after[0])) if after else plan.high
        sql.add(f"AND {blob_id} >= ? AND {blob_id} < ?", plan.low, high)


def _document(plan: BlobListPlan, owner: str, name: str, blob_id: str) -> tuple[str, list[object]]:
    """Return an expression, and its values: the blob's document if the entry matches, or NULL."""
    sql = _conditions(plan, owner, name, blob_id)
    if plan.index in _OF_ENTRIES:  # one read of the blob for its columns and its document
        of_blob = _blob_conditions(plan, "blobs")
        also = "".join(f" AND {each}" for each in of_blob.parts)
        document = f"(SELECT document FROM blobs WHERE id = {blob_id}{also})"
        values = of_blob.values
    else:
        document, values = "e.document", []
        of_blob = _blob_conditions(plan, "e")
        sql.parts += of_blob.parts
        sql.values += of_blob.values
    if sql.parts:
        document = f"CASE WHEN {' AND '.join(sql.parts)} THEN {document} END"
    return document, [*sql.values, *values]


def _blob_conditions(plan: BlobListPlan, table: str) -> _Sql:
    """Return the conditions on the columns of a blob."""
    sql = _Sql()
    if statuses := plan.checked_statuses:
        sql.add(f"{table}.status IN ({', '.join('?' * len(statuses))})", *statuses)
    if types := plan.wanted.content_types:
        marks = ", ".join("?" * len(types))
        sql.add(f"json_extract({table}.document, '$.content_type') IN ({marks})", *types)
    labels = plan.wanted.labels
    if labels.confirmed and labels.requires_labels and labels.found is not False:
        sql.add(f"json_extract({table}.document, '$.decisions') IS NOT NULL")
    if labels.found is not None:
        comparison = ">" if labels.found else "="
        sql.add(f"json_array_length({table}.document, '$.labels') {comparison} 0")
    return sql


def _conditions(plan: BlobListPlan, owner: str, name: str, blob_id: str) -> _Sql:
    """Return the conditions on an entry, except its status, that the index cannot answer."""
    sql = _Sql()
    labels = plan.wanted.labels
    every, either = labels.all, labels.any
    if plan.index in _OF_LABELS:
        if plan.index is BlobIndex.LABEL and labels.min_confidence > 0:
            sql.add("e.confidence >= ?", labels.min_confidence)
        every = tuple(each for each in every if each != name)
        either = () if name in either else either
    if plan.index in _FIRST and not plan.spans_all_times:
        sql.add(f"{blob_id} >= ? AND {blob_id} < ?", plan.low, plan.high)
    if plan.checked_sha256 is not None:
        sql.add("e.digest = ?", plan.checked_sha256)
    for pair in plan.checked_metadata:
        sql.add(
            "EXISTS (SELECT 1 FROM metadata_entries WHERE owner = ? AND pair = ?"
            f" AND blob_id = {blob_id})",
            *(owner, pair),
        )
    carries = (
        "EXISTS (SELECT 1 FROM label_entries WHERE owner = ? AND label = ?"
        f" AND blob_id = {blob_id} AND confidence >= ?)"
    )

    def values(names: Sequence[str]) -> list[object]:
        return [value for each in names for value in (owner, each, labels.min_confidence)]

    for each in every:
        sql.add(carries, *values([each]))
    if either:
        sql.add(f"({' OR '.join([carries] * len(either))})", *values(either))
    for each in labels.none if labels.confirmed is None else ():
        sql.add(f"NOT {carries}", *values([each]))
    return sql
