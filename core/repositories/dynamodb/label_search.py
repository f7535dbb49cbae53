"""The newest blob of each label on DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from core.domain.blob_list import BlobFilter, plan_blob_list
from core.domain.label_filter import LabelFilter
from core.repositories.dynamodb.blob_lists import find_page
from core.repositories.dynamodb.expressions import fits_key
from core.repositories.dynamodb.label_entries import (
    blob_id_of,
    entry_pk,
    is_valid,
    labelled_blobs,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from core.domain.blob import Blob
    from core.repositories.dynamodb.expressions import Item
    from core.repositories.dynamodb.table import Table

_TRIED: Final = 3  # entries of a label, of which the newest may be invalid


def find_newest(table: Table, owner: str, labels: Collection[str]) -> Mapping[str, Blob]:
    """Return an owner's newest blob with each label, by folded name.

    Where the newest entry of a label is invalid, its list is read until one is valid.
    """
    entries = {label: _newest_entries(table, owner, label) for label in labels}
    existing = labelled_blobs(table, owner, [entry for each in entries.values() for entry in each])
    found: dict[str, Blob] = {}
    for label, mine in entries.items():
        valid = [
            blob
            for entry in mine
            if (blob := existing.get(blob_id_of(entry))) and is_valid(entry, blob)
        ]
        if mine and not valid:
            valid = _first_valid(table, owner, label)
        if valid:
            found[label] = valid[0]
    return found


def _first_valid(table: Table, owner: str, label: str) -> list[Blob]:
    plan = plan_blob_list(BlobFilter(labels=LabelFilter(all=(label,))))
    page = find_page(table, owner, plan, 1, None)
    while not page.items and page.has_next:
        page = find_page(table, owner, plan, 1, page.reached)
    return list(page.items)


def _newest_entries(table: Table, owner: str, label: str) -> list[Item]:
    """Return the last entries of a label."""
    place = entry_pk(owner, label)
    if not fits_key(place):
        return []
    items, _ = table.query("#pk = :pk", {"pk": {"S": place}}, descending=True, limit=_TRIED)
    return items
