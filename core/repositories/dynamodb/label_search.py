"""Label entries and summaries on DynamoDB, and the search over several labels."""

from __future__ import annotations

import heapq
import json
import zlib
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from core.domain.label_filter import LabelFilter, folded
from core.domain.pagination import Page
from core.repositories.dynamodb.table import Item, Table, fits_key, segment
from core.repositories.ports import blobs
from core.repositories.ports.blobs import LabelledBlob
from core.repositories.serialization import blob_from_document, blob_to_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.domain.blob import Blob


def entry_pk(owner: str, label: str) -> str:
    """Return the partition key of the entries of an owner's label."""
    return f"label#{segment(owner)}#{label.casefold()}"


def summary_pk(owner: str) -> str:
    """Return the partition key of the summaries of an owner's labels."""
    return f"labels#{segment(owner)}"


def rank(confidence: float, blob_id: str = "") -> str:
    """Write a confidence and an id so that texts sort as the pairs do."""
    return f"{confidence:020.16f}#{blob_id}"


def entries_of(blob: Blob) -> Iterator[Item]:
    """Give the blob's label entries: each holds all that a list may show of the blob.

    Compressed, as DynamoDB bills every started kilobyte of every entry.
    """
    if not blob.labels:
        return
    document = zlib.compress(
        json.dumps(blob_to_document(blob), ensure_ascii=False, separators=(",", ":")).encode()
    )
    for label in blob.labels:
        yield {
            "pk": {"S": entry_pk(blob.owner, label.name)},
            "sk": {"S": blob.id},
            "rank": {"S": rank(label.confidence, blob.id)},
            "confidence": {"N": repr(label.confidence)},
            "blob": {"B": document},
        }


def labelled(item: Item) -> LabelledBlob:
    """Read a label entry."""
    blob = blob_from_document(json.loads(zlib.decompress(item["blob"]["B"])))
    return LabelledBlob(blob, float(item["confidence"]["N"]))


def search(
    table: Table, owner: str, wanted: LabelFilter, first: int, after: str | None
) -> Page[Blob]:
    """List an owner's blobs by several labels, newest first, from behind the id `after`.

    An entry holds its blob with all its labels: so one list is walked, and nothing else is read.
    """
    every, either = folded(wanted.all), folded(wanted.any)
    walked = [_sparsest(table, owner, every)] if every else either
    lists = [_walk(table, owner, name, first, after) for name in walked]
    found: list[Blob] = []
    looked_at = 0
    reached = None
    merged = heapq.merge(*lists, key=itemgetter(0), reverse=True)
    for blob_id, same in groupby(merged, key=itemgetter(0)):
        if looked_at >= blobs.LOOKED_AT:
            return Page(tuple(found), has_next=True, reached=reached)
        entries = list(same)
        looked_at += len(entries)
        reached = blob_id
        blob = labelled(entries[0][1]).blob
        if wanted.matches(blob):
            found.append(blob)
        if len(found) > first:
            return Page(tuple(found[:first]), has_next=True)
    return Page(tuple(found), has_next=False)


def _walk(
    table: Table, owner: str, label: str, first: int, after: str | None
) -> Iterator[tuple[str, Item]]:
    pk = entry_pk(owner, label)
    if not fits_key(pk) or (after and not fits_key(after)):
        return
    condition, values = "#pk = :pk", {"pk": {"S": pk}}
    if after:
        condition, values = f"{condition} AND #sk < :after", {**values, "after": {"S": after}}
    start: Item | None = None
    limit = first + 1
    while True:
        items, start = table.query(condition, values, descending=True, limit=limit, start=start)
        yield from ((item["sk"]["S"], item) for item in items)
        if not start:
            return
        limit = min(4 * limit, blobs.LOOKED_AT)  # few of them are wanted, as it seems


def _sparsest(table: Table, owner: str, labels: Sequence[str]) -> str:
    if len(labels) == 1:
        return labels[0]
    keys = [(summary_pk(owner), label) for label in labels if fits_key(label)]
    counts = {item["sk"]["S"]: int(item["blob_count"]["N"]) for item in table.get_many(keys)}
    return min(labels, key=lambda label: counts.get(label, 0))
