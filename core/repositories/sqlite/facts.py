"""The indexes of clients' facts on SQLite: names, external ids and metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.deletion import indexed_facts
from core.domain.errors import ExternalIdTaken
from core.domain.facts import NO_FACTS, indexed_name, pair_name

if TYPE_CHECKING:
    import sqlite3

    from core.domain.blob import Blob
    from core.domain.facts import Facts


def index_facts(connection: sqlite3.Connection, blob: Blob, replaced: Facts = NO_FACTS) -> None:
    """Index the facts of a stored blob in place of others. Raises ExternalIdTaken."""
    facts = indexed_facts(blob)
    if facts == replaced:
        return
    if facts.external_id is not None and facts.external_id != replaced.external_id:
        row = connection.execute(
            "SELECT id FROM blobs INDEXED BY blobs_by_external_id"
            " WHERE owner = ? AND external_id = ?",
            (blob.owner, facts.external_id),
        ).fetchone()
        if row:
            raise ExternalIdTaken(row[0])
    name = None if facts.file_name is None else indexed_name(facts.file_name)
    connection.execute(
        "UPDATE blobs SET name = ?, external_id = ? WHERE id = ?",
        (name, facts.external_id, blob.id),
    )
    remove_metadata(connection, blob, replaced)
    connection.executemany(
        "INSERT INTO metadata_entries VALUES (?, ?, ?)",
        [(blob.owner, pair_name(each), blob.id) for each in facts.metadata],
    )


def remove_metadata(connection: sqlite3.Connection, blob: Blob, facts: Facts) -> None:
    """Remove the entries of a blob's metadata."""
    connection.executemany(
        "DELETE FROM metadata_entries WHERE owner = ? AND pair = ? AND blob_id = ?",
        [(blob.owner, pair_name(each), blob.id) for each in facts.metadata],
    )
