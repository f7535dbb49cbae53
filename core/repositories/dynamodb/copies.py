"""Records of another store, written to the table as they are: with their versions and times.

The table's stream reports each write to the notifier, which must not send webhooks that the other
store's service has sent. It sends none for a blob without a callback URL, and none for a blob that
was finished with the same version before. So a finished blob is written without its URL first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from core.domain.clock import from_text
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.delivery_items import (
    delivery_from_item,
    delivery_to_item,
    keys_if_known,
)
from core.repositories.dynamodb.label_entries import entries_of
from core.repositories.dynamodb.policies import policy_to_item
from core.repositories.dynamodb.table import Table, blob_pk
from core.repositories.dynamodb.vocabularies import DynamoVocabularyRepository, vocabulary_to_item
from core.repositories.serialization import blob_from_item

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from core.domain.blob import Blob
    from core.domain.delivery import Delivery
    from core.domain.own_vocabulary import OwnVocabulary
    from core.repositories.ports.policies import OwnerPolicy

_OWNER: Final = "owner#"


def find_blobs(table: Table, blob_ids: Iterable[str]) -> Mapping[str, Blob]:
    """Return the blobs that exist, of any owner, by id."""
    items = table.get_many((blob_pk(each), "blob") for each in blob_ids)
    blobs = map(blob_from_item, items)
    return {blob.id: blob for blob in blobs}


def copy_blob(table: Table, blob: Blob, current: Blob | None) -> None:
    """Write a blob in place of `current`, or as a new one, without a webhook.

    Raises AlreadyExists or VersionConflict if the table has another, or ExternalIdTaken.
    """
    if blob.finished and blob.callback_url:
        silent = replace(blob, callback_url=None)
        if current != silent:
            _write(table, silent, current)
        _write(table, blob, silent)
    else:
        _write(table, blob, current)


def _write(table: Table, blob: Blob, current: Blob | None) -> None:
    blobs = DynamoBlobRepository(table)
    if current is not None:
        blobs.save(blob, current)
        return
    table.write_many(entries_of(blob).values())
    blobs.create(blob)


def find_deliveries(table: Table, delivery_ids: Iterable[str]) -> Mapping[str, Delivery]:
    """Return the deliveries that exist, of any owner, by id."""
    known = [keys for each in delivery_ids if (keys := keys_if_known(each)) is not None]
    found = map(delivery_from_item, table.get_many(known))
    return {delivery.id: delivery for delivery in found}


def put_deliveries(table: Table, deliveries: Iterable[Delivery]) -> None:
    """Write deliveries with their attempts. Pending ones are attempted when they are due."""
    table.write_many(map(delivery_to_item, deliveries))


def put_policy(table: Table, owner: str, policy: OwnerPolicy) -> None:
    """Write an owner's label policy, in place of another."""
    table.write_many([policy_to_item(owner, policy)])


def put_vocabulary(table: Table, owner: str, vocabulary: OwnVocabulary, at: datetime) -> None:
    """Write an owner's vocabulary, set at a time, in place of another."""
    table.write_many([vocabulary_to_item(owner, vocabulary, at)])


def find_vocabulary(table: Table, owner: str) -> tuple[OwnVocabulary, datetime | None]:
    """Return an owner's vocabulary, and when it was set; None: it was not."""
    item = table.get(f"{_OWNER}{owner}", "vocabulary")
    found = DynamoVocabularyRepository(table).find(owner)
    return found, from_text(item["set_at"]["S"]) if item else None


def owners_with(table: Table) -> Mapping[str, list[str]]:
    """Return the owners who have each kind of record of their own. It reads the whole table.

    An endpoint is disabled by its answer to a signed webhook, so its owner has secrets.
    """
    names: dict[str, list[str]] = {"owner": [], "policy": [], "vocabulary": []}
    for item in table.scan_all("begins_with(#pk, :owner)", {"owner": {"S": _OWNER}}):
        names.setdefault(item["sk"]["S"], []).append(item["pk"]["S"].removeprefix(_OWNER))
    return {
        "secrets": names["owner"],
        "policies": names["policy"],
        "vocabularies": names["vocabulary"],
        "endpoints": names["owner"],
    }
