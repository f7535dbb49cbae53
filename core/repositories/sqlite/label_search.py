"""Blobs by several labels on SQLite: one list is walked, the others are looked up for each blob."""

from __future__ import annotations

from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from core.domain.label_filter import LabelFilter, folded
from core.domain.pagination import Page
from core.repositories.ports import blobs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Sequence

_CARRIES = (
    "EXISTS (SELECT 1 FROM label_entries WHERE owner = e.owner AND label = ?"
    " AND blob_id = e.blob_id AND confidence >= ?)"
)


def search(
    connection: sqlite3.Connection, owner: str, wanted: LabelFilter, first: int, after: str
) -> Page[str]:
    """Find documents of an owner's blobs, newest first, from behind the id `after`."""
    found: list[str] = []
    looked_at = 0
    reached = None
    with closing(_walk(connection, owner, wanted, after)) as rows:
        for blob_id, entries in groupby(rows, key=itemgetter(0)):
            if looked_at >= blobs.LOOKED_AT:
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
    """Give an id for each entry of the lists walked, with the blob's document if it is wanted."""
    least = wanted.min_confidence
    every, either, none = (folded(each) for each in (wanted.all, wanted.any, wanted.none))
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
    # SQLite merges the lists as it goes: no more is read than is asked for.
    rows = connection.execute(
        " UNION ALL ".join([part] * len(walked)) + " ORDER BY 1 DESC",
        [value for name in walked for value in (*values, owner, name, after)],
    )
    with closing(rows):
        yield from rows


def _sparsest(connection: sqlite3.Connection, owner: str, labels: Sequence[str]) -> str:
    counts = dict(
        connection.execute(
            "SELECT label, blob_count FROM label_summaries"
            f" WHERE owner = ? AND label IN ({', '.join('?' * len(labels))})",
            (owner, *labels),
        )
    )
    return min(labels, key=lambda label: counts.get(label, 0))
