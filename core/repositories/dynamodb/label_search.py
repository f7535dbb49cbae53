"""The search of blobs on DynamoDB by one label: it reads label entries, then their blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.pagination import Page
from core.repositories.dynamodb.label_entries import (
    blob_id_of,
    entry_pk,
    is_valid,
    labelled_blobs,
    rank,
)
from core.repositories.dynamodb.lists import newest, text_of
from core.repositories.dynamodb.table import BY_CONFIDENCE, Table
from core.repositories.ports.blobs import LabelledBlob, LabelOrder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from core.domain.blob import Blob
    from core.repositories.dynamodb.expressions import Item


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
    existing = labelled_blobs(table, owner, [entry for each in entries.values() for entry in each])
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
    found = labelled_blobs(table, owner, entries)
    labelled: dict[str, LabelledBlob] = {}
    for entry in entries:
        blob = found.get(blob_id_of(entry))
        if blob is not None and is_valid(entry, blob):
            labelled[blob.id] = LabelledBlob(blob, float(entry["confidence"]["N"]))
    return list(labelled.values())
