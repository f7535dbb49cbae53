"""Records of another store, written to the database as they are: with their versions and times.

Nothing is added to the change log, so the notifier sends no webhook that the other store's service
has sent. What it would make of a change, the counts of labels, is made here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from core.domain.change import Change, label_names
from core.domain.clock import epoch_ms, from_epoch_ms
from core.repositories.policy_documents import policy_to_document
from core.repositories.serialization import blob_from_document
from core.repositories.sqlite.blob_rows import insert_blob, replace_blob
from core.repositories.sqlite.delivery_rows import insert_delivery, marks, read_deliveries
from core.repositories.sqlite.label_counts import count_labels
from core.repositories.sqlite.label_search import index_labels
from core.repositories.sqlite.vocabularies import SqliteVocabularyRepository
from core.repositories.vocabulary_documents import vocabulary_to_document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.blob import Blob
    from core.domain.delivery import Delivery
    from core.domain.own_vocabulary import OwnVocabulary
    from core.repositories.ports.policies import OwnerPolicy


def find_blobs(database: Database, blob_ids: Collection[str]) -> Mapping[str, Blob]:
    """Return the blobs that exist, of any owner, by id."""
    with database.read() as connection:
        rows = connection.execute(
            f"SELECT id, document FROM blobs WHERE id IN ({marks(blob_ids)})", (*blob_ids,)
        ).fetchall()
    return {blob_id: blob_from_document(json.loads(document)) for blob_id, document in rows}


def copy_blob(database: Database, blob: Blob, current: Blob | None) -> None:
    """Write a blob in place of `current`, or as a new one, with its entries and counts of labels.

    Raises AlreadyExists or VersionConflict if the database has another, or ExternalIdTaken.
    """
    with database.write(synced=False) as connection:
        if current is None:
            insert_blob(connection, blob)
            index_labels(connection, replace(blob, labels=None), blob)
        else:
            replace_blob(connection, blob, current)
        if Change(current, blob).labels_changed:
            count_labels(database, blob.owner, blob.id, blob.version, label_names(blob))


def find_deliveries(database: Database, ids: Collection[str]) -> Mapping[str, Delivery]:
    """Return the deliveries that exist, of any owner, by id."""
    with database.read() as connection:
        return {each.id: each for each in read_deliveries(connection, ids)}


def put_deliveries(database: Database, deliveries: Iterable[Delivery]) -> None:
    """Write deliveries with their attempts. Pending ones are attempted when they are due."""
    with database.write(synced=False) as connection:
        for each in deliveries:
            connection.execute("DELETE FROM attempts WHERE delivery_id = ?", (each.id,))
            connection.execute("DELETE FROM deliveries WHERE id = ?", (each.id,))
            insert_delivery(connection, each, in_line=0, look_at=each.due_at)
            connection.executemany(
                "INSERT INTO attempts"
                " (delivery_id, number, started, ended, status, error, response, address)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        each.id,
                        attempt.number,
                        epoch_ms(attempt.started),
                        epoch_ms(attempt.ended) if attempt.ended else None,
                        attempt.status,
                        attempt.error,
                        attempt.response,
                        attempt.address,
                    )
                    for attempt in each.attempts
                ],
            )


def put_policy(database: Database, owner: str, policy: OwnerPolicy) -> None:
    """Write an owner's label policy, in place of another."""
    set_at = epoch_ms(policy.set_at) if policy.set_at else 0
    with database.write(synced=False) as connection:
        connection.execute(
            "INSERT OR REPLACE INTO label_policies"
            " (owner, version, document, set_at, after, examined, finished_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                owner,
                policy.policy.version,
                json.dumps(policy_to_document(policy.policy)),
                set_at,
                policy.after,
                policy.examined,
                epoch_ms(policy.finished_at) if policy.finished_at else None,
            ),
        )


def find_vocabulary(database: Database, owner: str) -> tuple[OwnVocabulary, datetime | None]:
    """Return an owner's vocabulary, and when it was set; None: it was not."""
    with database.read() as connection:
        row = connection.execute(
            "SELECT set_at FROM vocabularies WHERE owner = ?", (owner,)
        ).fetchone()
    found = SqliteVocabularyRepository(database).find(owner)
    return found, from_epoch_ms(row[0]) if row else None


def put_vocabulary(database: Database, owner: str, vocabulary: OwnVocabulary, at: datetime) -> None:
    """Write an owner's vocabulary, set at a time, in place of another."""
    document = json.dumps(vocabulary_to_document(vocabulary), ensure_ascii=False)
    with database.write(synced=False) as connection:
        connection.execute(
            "INSERT OR REPLACE INTO vocabularies (owner, version, document, set_at)"
            " VALUES (?, ?, ?, ?)",
            (owner, vocabulary.version, document, epoch_ms(at)),
        )


def owners_with(database: Database) -> Mapping[str, list[str]]:
    """Return the owners who have each kind of record of their own."""
    tables = {
        "secrets": "SELECT id FROM owners",
        "policies": "SELECT owner FROM label_policies",
        "vocabularies": "SELECT owner FROM vocabularies",
        "endpoints": "SELECT DISTINCT owner FROM disabled_endpoints",
    }
    with database.read() as connection:
        return {
            kind: [owner for (owner,) in connection.execute(statement)]
            for kind, statement in tables.items()
        }
