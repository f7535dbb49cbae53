"""Summaries of labels in use on SQLite: the number of blobs that have each label."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from core.domain.pagination import Page, page_of
from core.repositories.label_ranking import page_by_count
from core.repositories.ports import blobs
from core.repositories.ports.blobs import LabelSummary
from core.repositories.sqlite.deletions import was_deleted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping, Sequence

    from core.backends.sqlite import Database

_LAST: Final = "\U0010ffff"  # greater than every text with the same prefix
_MAX_COUNT: Final = 2**63 - 1


def find_labels(
    database: Database, owner: str, prefix: str, first: int, after: str | None
) -> Page[LabelSummary]:
    """List an owner's labels in use that start with `prefix`, by name."""
    lowest = prefix.casefold()
    comparison, start = (">", after) if after and after >= lowest else (">=", lowest)
    with database.read() as connection:
        rows = connection.execute(
            "SELECT name, blob_count FROM label_summaries"
            f" WHERE owner = ? AND label {comparison} ? AND label < ?"
            " ORDER BY label LIMIT ?",
            (owner, start, lowest + _LAST, first + 1),
        ).fetchall()
    return page_of(rows, first).map(lambda row: LabelSummary(*row))


def find_labels_by_count(
    database: Database, owner: str, prefix: str, first: int, after: tuple[int, str] | None
) -> Page[LabelSummary]:
    """List an owner's labels in use by blob count, by an index; those of a prefix are sorted."""
    if prefix:
        found = find_labels(database, owner, prefix, blobs.MAX_LABELS_SORTED + 1, None)
        return page_by_count(found.items, first, after)
    count, label = after or (_MAX_COUNT, "")
    # Two seeks: SQLite would read all labels of the same count to skip those before the cursor.
    parts = (("blob_count = ? AND label > ?", (count, label)), ("blob_count < ?", (count,)))
    rows: list[tuple[str, int]] = []
    with database.read() as connection:
        for condition, values in parts:
            rows += connection.execute(
                f"SELECT name, blob_count FROM label_summaries WHERE owner = ? AND {condition}"
                " ORDER BY blob_count DESC, label LIMIT ?",
                (owner, *values, first + 1 - len(rows)),
            )
    return page_of(rows, first).map(lambda row: LabelSummary(*row))


def summaries_of(
    connection: sqlite3.Connection, owner: str, labels: Collection[str]
) -> Mapping[str, LabelSummary]:
    """Return the summaries of an owner's labels by folded name, without unused labels."""
    rows = connection.execute(
        "SELECT label, name, blob_count FROM label_summaries"
        f" WHERE label IN ({', '.join('?' * len(labels))}) AND owner = ?",
        (*labels, owner),
    )
    return {label: LabelSummary(name, count) for label, name, count in rows}


def counts_of(
    connection: sqlite3.Connection, owner: str, labels: Collection[str]
) -> Mapping[str, int]:
    """Return the number of an owner's blobs by folded label, without unused labels."""
    found = summaries_of(connection, owner, labels)
    return {label: summary.blob_count for label, summary in found.items()}


def count_labels(
    database: Database, owner: str, blob_id: str, version: int, names: Collection[str]
) -> None:
    """Count `names` for the blob in the summaries, in place of those counted before."""
    with database.write(synced=False) as connection:
        row = connection.execute(
            "SELECT version, names FROM counted_labels WHERE blob_id = ?", (blob_id,)
        ).fetchone()
        if (row and row[0] >= version) or was_deleted(database, owner, blob_id):
            return
        counted = json.loads(row[1]) if row else []
        _count(connection, owner, counted, names)
        connection.execute(
            "INSERT OR REPLACE INTO counted_labels VALUES (?, ?, ?)",
            (blob_id, version, json.dumps(sorted(names))),
        )


def uncount_labels(database: Database, owner: str, blob_id: str) -> None:
    """Remove a deleted blob's names from the summaries."""
    with database.write(synced=False) as connection:
        row = connection.execute(
            "DELETE FROM counted_labels WHERE blob_id = ? RETURNING names", (blob_id,)
        ).fetchone()
        if row:
            _count(connection, owner, json.loads(row[0]), ())


def _count(
    connection: sqlite3.Connection, owner: str, counted: Collection[str], names: Collection[str]
) -> None:
    """Count `names` in place of those counted before."""
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


def find_wrong_counts(database: Database) -> Sequence[tuple[str, str, int, int]]:
    """Return (owner, folded label, count, right count) of each wrong summary.

    Only for a database whose changes have all been counted.
    """
    with database.read() as connection:
        return connection.execute(
            "SELECT owner, label, sum(counted), sum(entries) FROM ("
            " SELECT owner, label, blob_count AS counted, 0 AS entries FROM label_summaries"
            " UNION ALL SELECT owner, label, 0, 1 FROM label_entries"
            ") GROUP BY owner, label HAVING sum(counted) <> sum(entries) ORDER BY owner, label"
        ).fetchall()


def correct_counts(database: Database, name_of: Callable[[str, str], str]) -> None:
    """Correct each wrong summary. `name_of` returns a label's name for a blob and folded label."""
    with database.write() as connection:
        for owner, label, _, right in find_wrong_counts(database):
            key = (owner, label)
            if not right:
                connection.execute("DELETE FROM label_summaries WHERE owner = ? AND label = ?", key)
                continue
            (blob_id,) = connection.execute(
                "SELECT blob_id FROM label_entries WHERE owner = ? AND label = ? LIMIT 1", key
            ).fetchone()
            connection.execute(
                "INSERT INTO label_summaries VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET blob_count = excluded.blob_count",
                (*key, name_of(blob_id, label), right),
            )
