"""Label entries on SQLite, and the newest blob of a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.deletion import listed_labels

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from core.domain.blob import Blob


def index_labels(connection: sqlite3.Connection, old: Blob, new: Blob) -> None:
    """Replace the label entries of a blob's old version by those of its new version."""
    if listed_labels(old) == listed_labels(new):
        return
    before, after = _entries(old), _entries(new)
    if stale := before.keys() - after.keys():
        connection.executemany(
            "DELETE FROM label_entries WHERE owner = ? AND label = ? AND blob_id = ?",
            [(old.owner, label, old.id) for label in stale],
        )
    connection.executemany(
        "INSERT OR REPLACE INTO label_entries VALUES (?, ?, ?, ?)",
        [
            (new.owner, label, new.id, confidence)
            for label, confidence in after.items()
            if before.get(label) != confidence
        ],
    )


def _entries(blob: Blob) -> dict[str, float]:
    """Return the confidences of a blob's labels by folded name."""
    return {label.name.casefold(): label.confidence for label in listed_labels(blob)}


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
