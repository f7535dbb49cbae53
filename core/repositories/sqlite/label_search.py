"""Label entries on SQLite, and the search by one label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from core.domain.change import label_names
from core.domain.pagination import Page, page_of
from core.repositories.ports.blobs import LabelOrder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from core.domain.blob import Blob

_LAST: Final = "\U0010ffff"  # greater than every id


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
