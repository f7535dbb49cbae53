"""Label entries on DynamoDB, and searches by one label or several."""

from __future__ import annotations

import heapq
import json
import zlib
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from core.domain.label_filter import LabelFilter, fold_names
from core.domain.pagination import Page
from core.repositories.dynamodb.expressions import Item, escape_key, fits_key
from core.repositories.dynamodb.label_counts import counts_of
from core.repositories.dynamodb.lists import newest
from core.repositories.dynamodb.table import BY_CONFIDENCE, Table
from core.repositories.ports import blobs
from core.repositories.ports.blobs import LabelledBlob, LabelOrder
from core.repositories.serialization import blob_from_document, blob_to_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.domain.blob import Blob


def entry_pk(owner: str, label: str) -> str:
    """Return the partition key of the entries of an owner's label."""
    return f"label#{escape_key(owner)}#{label.casefold()}"


def _rank(confidence: float, blob_id: str = "") -> str:
    """Return a text of a confidence and an id; the texts sort as the pairs do."""
    return f"{confidence:020.16f}#{blob_id}"


def entries_of(blob: Blob) -> Iterator[Item]:
    """Yield the blob's label entries. Each contains the whole blob, so that a list is one read.

    The blob is compressed because DynamoDB bills every started kilobyte of every entry.
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
            "rank": {"S": _rank(label.confidence, blob.id)},
            "confidence": {"N": repr(label.confidence)},
            "blob": {"B": document},
        }


def _labelled(item: Item) -> LabelledBlob:
    """Return the blob and confidence of a label entry."""
    blob = blob_from_document(json.loads(zlib.decompress(item["blob"]["B"])))
    return LabelledBlob(blob, float(item["confidence"]["N"]))


def find_by_label(
    table: Table,
    owner: str,
    label: str,
    *,
    min_confidence: float,
    order: LabelOrder,
    first: int,
    after: tuple[float, str] | None,
) -> Page[LabelledBlob]:
    """List an owner's blobs with a label, by one Query.

    A page that is newest first and filtered by confidence may be short although more blobs follow.
    If it would be empty, further Queries are made.
    """
    place = ("pk", entry_pk(owner, label))
    if order is LabelOrder.CONFIDENCE:
        low, high = _rank(min_confidence), _rank(*after) if after else None
        items, more = newest(table, BY_CONFIDENCE, place, "rank", low, high, first)
    else:
        items, more = newest(
            table, None, place, "sk", None, after and after[1], first, min_confidence=min_confidence
        )
    return Page(
        tuple(_labelled(item) for item in items[:first]), has_next=more or len(items) > first
    )


def find_by_labels(
    table: Table, owner: str, wanted: LabelFilter, first: int, after: str | None
) -> Page[Blob]:
    """List an owner's blobs by several labels, newest first, starting behind the id `after`.

    An entry contains its blob with all labels, so only the entries of one label are read, or of
    each label in `wanted.any`.
    """
    every, either = fold_names(wanted.all), fold_names(wanted.any)
    walked = [_sparsest(table, owner, every)] if every else either
    lists = [_walk(table, owner, name, first, after) for name in walked]
    found: list[Blob] = []
    looked_at = 0
    reached = None
    merged = heapq.merge(*lists, key=itemgetter(0), reverse=True)
    for blob_id, same in groupby(merged, key=itemgetter(0)):
        if looked_at >= blobs.MAX_ENTRIES_READ:
            return Page(tuple(found), has_next=True, reached=reached)
        entries = list(same)
        looked_at += len(entries)
        reached = blob_id
        blob = _labelled(entries[0][1]).blob
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
        limit = min(4 * limit, blobs.MAX_ENTRIES_READ)  # few entries match, so read more


def _sparsest(table: Table, owner: str, labels: Sequence[str]) -> str:
    if len(labels) == 1:
        return labels[0]
    counts = counts_of(table, owner, labels)
    return min(labels, key=lambda label: counts.get(label, 0))
