"""The clients' facts that DynamoDB indexes by items of their own: external ids and metadata.

They are written and deleted in one transaction with their blob, so they always agree with it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from core.domain.deletion import indexed_facts
from core.domain.errors import AlreadyExists, ExternalIdTaken, Unavailable
from core.domain.facts import NO_FACTS, pair_name
from core.repositories.dynamodb.expressions import (
    escape_key,
    key,
    transact_delete,
    transact_put,
)
from core.repositories.dynamodb.lists import text_of
from core.repositories.dynamodb.table import ConditionFailed, Table, blob_pk
from core.repositories.serialization import blob_to_item

if TYPE_CHECKING:
    from core.domain.blob import Blob
    from core.domain.facts import Facts

_NEW = "attribute_not_exists(pk)"


def external_id_key(owner: str, external_id: str) -> tuple[str, str]:
    """Return the primary key of the item that reserves an owner's external id for a blob."""
    return f"external-id#{escape_key(owner)}#{_digest(external_id)}", "id"


def metadata_pk(owner: str, pair: str) -> str:
    """Return the partition key of the entries of a pair of metadata, named by `pair_name`."""
    return f"metadata#{escape_key(owner)}#{_digest(pair)}"


def changes_of(owner: str, blob_id: str, new: Facts, old: Facts = NO_FACTS) -> list[dict[str, Any]]:
    """Return the writes of a transaction that index a blob's facts in place of old ones.

    Its condition fails if another blob has the new external id.
    """
    writes = []
    if new.external_id != old.external_id:
        if old.external_id is not None:
            writes.append(transact_delete(*external_id_key(owner, old.external_id)))
        if new.external_id is not None:
            place = external_id_key(owner, new.external_id)
            writes.append(transact_put({**key(*place), "blob_id": {"S": blob_id}}, _NEW))
    after, before = set(map(pair_name, new.metadata)), set(map(pair_name, old.metadata))
    writes += [
        transact_put(key(metadata_pk(owner, each), blob_id)) for each in sorted(after - before)
    ]
    writes += [
        transact_delete(metadata_pk(owner, each), blob_id) for each in sorted(before - after)
    ]
    return writes


def create(table: Table, blob: Blob) -> None:
    """Store a new blob: in one write, unless its facts need more.

    Raises AlreadyExists or ExternalIdTaken.
    """
    changes = changes_of(blob.owner, blob.id, indexed_facts(blob))
    item = blob_to_item(blob)
    try:
        if changes:
            table.transact([transact_put(item, _NEW), *changes])
        else:
            table.put(item, _NEW)
    except ConditionFailed as exc:
        check_external_id(holder_of(table, blob), blob)
        if changes and table.get(blob_pk(blob.id), "blob") is None:
            # The holder of the external id gave it up between the write and the read.
            raise Unavailable("Another blob had the same externalId until now.") from exc
        raise AlreadyExists(blob.id) from exc


def holder_of(table: Table, blob: Blob) -> str | None:
    """Return the id of the owner's blob that has the external id of a blob, if there is one."""
    if blob.facts.external_id is None:
        return None
    item = table.get(*external_id_key(blob.owner, blob.facts.external_id))
    return text_of(item, "blob_id") if item else None


def check_external_id(holder: str | None, blob: Blob) -> None:
    """Raise ExternalIdTaken if the holder of a blob's external id is another blob."""
    if holder not in (None, blob.id):
        raise ExternalIdTaken(str(holder))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
