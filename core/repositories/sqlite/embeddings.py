"""Embeddings of blobs on SQLite. A replaced embedding gets a new sequence number."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.domain.label import Embedding

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from core.domain.blob import Blob


class StoredEmbedding(NamedTuple):
    """A blob's vectors; a higher sequence number was stored later."""

    sequence: int
    blob_id: str
    features: bytes
    outline: bytes


def replace_embedding(connection: sqlite3.Connection, blob: Blob, embedding: Embedding) -> None:
    """Store a blob's embedding, in place of an older one, in the current transaction."""
    remove_embedding(connection, blob.id)
    connection.execute(
        "INSERT INTO embeddings (blob_id, owner, network, features, outline)"
        " VALUES (?, ?, ?, ?, ?)",
        (blob.id, blob.owner, embedding.network, embedding.features, embedding.outline),
    )


def remove_embedding(connection: sqlite3.Connection, blob_id: str) -> None:
    """Remove a blob's embedding, if there is one, in the current transaction."""
    connection.execute("DELETE FROM embeddings WHERE blob_id = ?", (blob_id,))


def find_embedding(connection: sqlite3.Connection, owner: str, blob_id: str) -> Embedding | None:
    """Return the embedding of an owner's blob, if there is one."""
    row = connection.execute(
        "SELECT network, features, outline FROM embeddings WHERE blob_id = ? AND owner = ?",
        (blob_id, owner),
    ).fetchone()
    return Embedding(*row) if row else None


def read_embeddings(
    connection: sqlite3.Connection, owner: str, network: str, sequence: int, limit: int
) -> list[StoredEmbedding]:
    """Return an owner's embeddings of a network behind a sequence number, in order."""
    rows = connection.execute(
        "SELECT sequence, blob_id, features, outline FROM embeddings INDEXED BY embeddings_by_owner"
        " WHERE owner = ? AND network = ? AND sequence > ? ORDER BY sequence LIMIT ?",
        (owner, network, sequence, limit),
    )
    return [StoredEmbedding(*row) for row in rows]


def sequence_before_newest(
    connection: sqlite3.Connection, owner: str, network: str, count: int
) -> int:
    """Return the sequence number behind which an owner's newest `count` embeddings are."""
    row = connection.execute(
        "SELECT sequence FROM embeddings INDEXED BY embeddings_by_owner"
        " WHERE owner = ? AND network = ? ORDER BY sequence DESC LIMIT 1 OFFSET ?",
        (owner, network, count),
    ).fetchone()
    return int(row[0]) if row else 0


def count_embeddings(connection: sqlite3.Connection, owner: str, network: str) -> int:
    """Return the number of an owner's embeddings of a network. It reads an index of all of them."""
    (count,) = connection.execute(
        "SELECT count(*) FROM embeddings INDEXED BY embeddings_by_owner"
        " WHERE owner = ? AND network = ?",
        (owner, network),
    ).fetchone()
    return int(count)


def documents_of(
    connection: sqlite3.Connection, owner: str, blob_ids: Collection[str]
) -> dict[str, tuple[int, str]]:
    """Return the current sequence number and the document of an owner's blobs, by id."""
    marks = ", ".join("?" * len(blob_ids))
    rows = connection.execute(
        "SELECT e.blob_id, e.sequence, b.document FROM embeddings AS e"
        " JOIN blobs AS b ON b.id = e.blob_id"
        f" WHERE e.blob_id IN ({marks}) AND b.owner = ?",
        (*blob_ids, owner),
    )
    return {blob_id: (sequence, document) for blob_id, sequence, document in rows}
