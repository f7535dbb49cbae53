"""Blobs as rows of SQLite, with what finds them: label entries, names, external ids, metadata."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

from core.domain.deletion import indexed_facts
from core.domain.errors import AlreadyExists, VersionConflict
from core.repositories.serialization import blob_to_document
from core.repositories.sqlite.deletions import due_time, set_due_time
from core.repositories.sqlite.facts import index_facts
from core.repositories.sqlite.label_search import index_labels

if TYPE_CHECKING:
    from core.domain.blob import Blob


def insert_blob(connection: sqlite3.Connection, blob: Blob) -> str:
    """Insert a blob, without entries of labels; return its document.

    Raises AlreadyExists or ExternalIdTaken.
    """
    text, due = _dump(blob), due_time(blob)
    try:
        connection.execute(
            "INSERT INTO blobs (id, owner, status, version, document, digest, deletes_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*(blob.id, blob.owner, blob.status, blob.version, text, blob.digest), due),
        )
    except sqlite3.IntegrityError as exc:
        raise AlreadyExists(blob.id) from exc
    index_facts(connection, blob)
    return text


def replace_blob(connection: sqlite3.Connection, blob: Blob, replaced: Blob) -> tuple[str, str]:
    """Replace a blob and its entries; return the documents before and after.

    Raises VersionConflict or ExternalIdTaken.
    """
    text = _dump(blob)
    row = connection.execute(
        "SELECT version, document FROM blobs WHERE id = ?", (blob.id,)
    ).fetchone()
    if row is None or row[0] != replaced.version:
        raise VersionConflict(blob.id, replaced.version)
    connection.execute(
        "UPDATE blobs SET status = ?, version = ?, document = ?, digest = ? WHERE id = ?",
        (blob.status, blob.version, text, blob.digest, blob.id),
    )
    if blob.deletes_at != replaced.deletes_at:  # it is a condition of most indexes
        set_due_time(connection, blob)
    index_labels(connection, replaced, blob)
    index_facts(connection, blob, indexed_facts(replaced))
    return row[1], text


def _dump(blob: Blob) -> str:
    return json.dumps(blob_to_document(blob), ensure_ascii=False, separators=(",", ":"))
