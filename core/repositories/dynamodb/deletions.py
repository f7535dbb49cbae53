"""Records of deleted blobs on DynamoDB, each in the partition of the blob's former items."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from core.domain.clock import epoch_ms, to_text
from core.repositories.dynamodb.expressions import Item, fits_key, key
from core.repositories.dynamodb.lists import oldest, text_of
from core.repositories.dynamodb.table import DELETED, ConditionFailed, Table, blob_pk
from core.repositories.ports.blobs import DELETION_RETENTION
from core.repositories.serialization import shard_of

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob


def deletion_of(blob: Blob, at: datetime) -> Item:
    """Return the record of a blob's deletion."""
    return {
        **key(blob_pk(blob.id), DELETED),
        "owner": {"S": blob.owner},
        "list": {"S": f"deleted#{shard_of(blob.id)}"},
        "at": {"S": to_text(at)},
        "expires_at": {"N": str(epoch_ms(at + DELETION_RETENTION) // 1000)},
    }


def was_deleted(table: Table, owner: str, blob_id: str) -> bool:
    """Tell whether the owner's blob was deleted."""
    if not fits_key(blob_id):
        return False
    item = table.get(blob_pk(blob_id), DELETED)
    return item is not None and text_of(item, "owner") == owner


def find_unfinished_deletions(table: Table, before: datetime, limit: int) -> list[tuple[str, str]]:
    """Return (owner, id) of blobs deleted before a time whose deletion is not finished."""
    found = oldest(table, "deleted", before, limit, lambda item: text_of(item, "owner"))
    return [(owner, pk.removeprefix(blob_pk(""))) for pk, owner in found]


def finish_deletion(table: Table, blob_id: str) -> None:
    """Record that all data of a deleted blob is gone."""
    with suppress(ConditionFailed):
        table.update(blob_pk(blob_id), DELETED, "REMOVE #list, #at", "attribute_exists(pk)")
