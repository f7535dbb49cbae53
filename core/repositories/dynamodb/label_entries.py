"""Label entries on DynamoDB: which blobs have a label, and how confidently.

Entries are written before their blob and deleted after it, without a transaction, which would cost
twice as much. So a crash may leave entries behind, but a blob never lacks one. A search reads each
blob that it finds, and takes an entry for valid only if the blob has that label from that run or
edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.clock import epoch_ms
from core.domain.deletion import listed_labels
from core.repositories.dynamodb.expressions import Item, escape_key
from core.repositories.dynamodb.lists import text_of
from core.repositories.dynamodb.table import Table, blob_pk
from core.repositories.serialization import blob_from_item

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from core.domain.blob import Blob

Key = tuple[str, str]


def entry_pk(owner: str, label: str) -> str:
    """Return the partition key of the entries of an owner's label."""
    return f"label#{escape_key(owner)}#{label.casefold()}"


def rank(confidence: float, entry: str = "") -> str:
    """Return a text of a confidence and an entry's sort key; the texts sort as the pairs do."""
    return f"{confidence:020.16f}#{entry}"


def blob_id_of(entry: Item) -> str:
    """Return the id of an entry's blob."""
    return text_of(entry, "sk").partition("#")[0]


def entries_of(blob: Blob) -> dict[Key, Item]:
    """Return the label entries of a blob in lists by their keys.

    A run of the labeller and an edit of the owner have entries of their own, so that two of them
    for the same blob, or one and the removal of another's entries, cannot interfere.
    """
    sort_key = f"{blob.id}#{_run_of(blob)}"
    entries: dict[Key, Item] = {}
    for label in listed_labels(blob):
        pk = entry_pk(blob.owner, label.name)
        entries[pk, sort_key] = {
            "pk": {"S": pk},
            "sk": {"S": sort_key},
            "rank": {"S": rank(label.confidence, sort_key)},
            "confidence": {"N": repr(label.confidence)},
        }
    return entries


def early_keys(blob: Blob) -> set[Key]:
    """Return the keys of the entries that earlier versions wrote for a blob's labels."""
    return {(pk, blob.id) for pk, _ in entries_of(blob)}


def labelled_blobs(table: Table, owner: str, entries: Collection[Item]) -> Mapping[str, Blob]:
    """Return the owner's blobs that label entries name, by id.

    They are read inconsistently, at half the cost. Where a blob is missing or lacks the label of
    its entry, the blob or the entry is outdated, and the blob is read again.
    """
    found = existing_blobs(table, owner, map(blob_id_of, entries), consistent=False)
    doubtful = {
        blob_id
        for entry in entries
        if (blob := found.get(blob_id := blob_id_of(entry))) is None or not is_valid(entry, blob)
    }
    current = existing_blobs(table, owner, doubtful)
    certain = {blob_id: blob for blob_id, blob in found.items() if blob_id not in doubtful}
    return {**certain, **current}


def existing_blobs(
    table: Table, owner: str, blob_ids: Iterable[str], *, consistent: bool = True
) -> Mapping[str, Blob]:
    """Return the owner's blobs that exist, by id; see `Table.get_many`."""
    items = table.get_many(((blob_pk(each), "blob") for each in blob_ids), consistent=consistent)
    blobs = map(blob_from_item, items)
    return {blob.id: blob for blob in blobs if blob.owner == owner}


def is_valid(entry: Item, blob: Blob) -> bool:
    """Tell whether a blob has the label of an entry, with its confidence, from the same run.

    The entries of earlier versions don't name their run.
    """
    run = text_of(entry, "sk").partition("#")[2]
    confidence = float(entry["confidence"]["N"])
    return (not run or run == _run_of(blob)) and any(
        label.confidence == confidence and entry_pk(blob.owner, label.name) == text_of(entry, "pk")
        for label in listed_labels(blob)
    )


def changed_entries(old: Blob, new: Blob) -> tuple[dict[Key, Item], set[Key]]:
    """Return the entries to write before `new` replaces `old`, and the keys to delete after it."""
    before, after = entries_of(old), entries_of(new)
    added = {key: entry for key, entry in after.items() if before.get(key) != entry}
    gone = before.keys() - after.keys()
    return added, gone | early_keys(old) if gone else set()


def remove_entries(table: Table, owner: str, blob_id: str, labels: Iterable[str]) -> None:
    """Delete all entries of a blob for some labels, of any run and version."""
    table.write_many(deleted=list(_keys_of(table, owner, blob_id, labels)))


def _keys_of(table: Table, owner: str, blob_id: str, labels: Iterable[str]) -> Iterator[Key]:
    for label in labels:
        pk = entry_pk(owner, label)
        items, _ = table.query(
            "#pk = :pk AND begins_with(#sk, :id)", {"pk": {"S": pk}, "id": {"S": blob_id}}
        )
        yield from ((pk, text_of(item, "sk")) for item in items if blob_id_of(item) == blob_id)


def _run_of(blob: Blob) -> str:
    """Return the name of what set a blob's labels, a run or an edit: its time in milliseconds."""
    return str(epoch_ms(blob.labels_set_at)) if blob.labels_set_at else "0"
