"""Searches of blobs on DynamoDB by one label or several.

A search reads label entries, and then the blobs that they name, a hundred at most in a call.
"""

from __future__ import annotations

import heapq
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from core.domain.label_filter import LabelFilter, fold_names
from core.domain.pagination import Page
from core.repositories.dynamodb.expressions import Item, fits_key
from core.repositories.dynamodb.label_counts import counts_of
from core.repositories.dynamodb.label_entries import (
    blob_id_of,
    entry_pk,
    existing_blobs,
    is_valid,
    rank,
)
from core.repositories.dynamodb.lists import newest, text_of
from core.repositories.dynamodb.table import BY_CONFIDENCE, Table
from core.repositories.ports import blobs
from core.repositories.ports.blobs import LabelledBlob, LabelOrder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from core.domain.blob import Blob

_MAX_BLOBS_READ: Final = 100  # in one call


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
    """List an owner's blobs with a label, by one Query and one read of the blobs.

    A page that is newest first and filtered by confidence may be short although more blobs follow.
    If it would be empty, further Queries are made.
    """
    by_confidence = order is LabelOrder.CONFIDENCE
    index, sort = (BY_CONFIDENCE, "rank") if by_confidence else (None, "sk")
    low = rank(min_confidence) if by_confidence else None
    high = after and (rank(*after) if by_confidence else after[1])
    while True:
        entries, more = newest(
            table,
            index,
            ("pk", entry_pk(owner, label)),
            sort,
            low,
            high,
            first,
            min_confidence=0 if by_confidence else min_confidence,
        )
        more = more or len(entries) > first
        found = _labelled(table, owner, entries[:first])
        if found or not more:
            return Page(tuple(found), has_next=more)
        high = text_of(entries[:first][-1], sort)  # none of these blobs has the label any more


def find_newest(table: Table, owner: str, labels: Collection[str]) -> Mapping[str, Blob]:
    """Return an owner's newest blob with each label, by folded name.

    Where the newest entries of a label are invalid, its list is read until one is valid.
    """
    entries = {
        label: newest(table, None, ("pk", entry_pk(owner, label)), "sk", None, None, first=1)[0]
        for label in labels
    }
    named = {blob_id_of(entry) for each in entries.values() for entry in each}
    existing = existing_blobs(table, owner, named)
    found: dict[str, Blob] = {}
    for label, mine in entries.items():
        valid = [
            blob
            for entry in mine
            if (blob := existing.get(blob_id_of(entry))) and is_valid(entry, blob)
        ]
        if mine and not valid:
            page = find_by_label(
                table, owner, label, min_confidence=0, order=LabelOrder.NEWEST, first=1, after=None
            )
            valid = [each.blob for each in page.items]
        if valid:
            found[label] = valid[0]
    return found


def _labelled(table: Table, owner: str, entries: Sequence[Item]) -> list[LabelledBlob]:
    """Return the blobs of those entries that are valid, each once."""
    found = existing_blobs(table, owner, map(blob_id_of, entries))
    labelled: dict[str, LabelledBlob] = {}
    for entry in entries:
        blob = found.get(blob_id_of(entry))
        if blob is not None and is_valid(entry, blob):
            labelled[blob.id] = LabelledBlob(blob, float(entry["confidence"]["N"]))
    return list(labelled.values())


def find_by_labels(
    table: Table, owner: str, wanted: LabelFilter, first: int, after: str | None
) -> Page[Blob]:
    """List an owner's blobs by several labels, newest first, starting behind the id `after`.

    A blob has all its labels, so only the entries of one label are read, or of each label in
    `wanted.any`.
    """
    every, either = fold_names(wanted.all), fold_names(wanted.any)
    walked = [_sparsest(table, owner, every)] if every else either
    lists = [_walk(table, owner, name, first, after) for name in walked]
    entries = heapq.merge(*lists, key=itemgetter(0), reverse=True)
    candidates = ((each, len(list(same))) for each, same in groupby(entries, key=itemgetter(0)))
    found: list[Blob] = []
    looked_at, reached, size = 0, None, first + 1
    while batch := list(islice(candidates, min(size, _MAX_BLOBS_READ))):
        size *= 4  # few match, so read more
        existing = existing_blobs(table, owner, map(itemgetter(0), batch))
        for blob_id, count in batch:
            if looked_at >= blobs.MAX_ENTRIES_READ:
                return Page(tuple(found), has_next=True, reached=reached)
            looked_at += count
            reached = blob_id
            blob = existing.get(blob_id)
            if blob is not None and wanted.matches(blob):
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
        yield from ((blob_id_of(item), item) for item in items)
        if not start:
            return
        limit = min(4 * limit, blobs.MAX_ENTRIES_READ)  # few entries match, so read more


def _sparsest(table: Table, owner: str, labels: Sequence[str]) -> str:
    if len(labels) == 1:
        return labels[0]
    counts = counts_of(table, owner, labels)
    return min(labels, key=lambda label: counts.get(label, 0))
