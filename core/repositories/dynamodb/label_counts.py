"""Summaries of labels in use on DynamoDB: the number of blobs that have each label."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from core.domain.errors import Unavailable
from core.domain.pagination import Page, page_of
from core.repositories.dynamodb.deletions import was_deleted
from core.repositories.dynamodb.expressions import (
    Item,
    escape_key,
    fits_key,
    transact_delete,
    transact_put,
    transact_update,
)
from core.repositories.dynamodb.lists import key_range, text_of, typed_texts
from core.repositories.dynamodb.table import ConditionFailed, Table, blob_pk
from core.repositories.ports.blobs import LabelSummary

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_LAST: Final = "\U0010ffff"  # greater than every text with the same prefix
_COUNTED: Final = "counted"
_MAX_ATTEMPTS: Final = 8
_TOO_MANY: Final = "Too many processes count the labels of blob {} at the same time."


def find_labels(
    table: Table, owner: str, prefix: str, first: int, after: str | None
) -> Page[LabelSummary]:
    """List an owner's labels in use that start with `prefix`, by name."""
    lowest = prefix.casefold()
    start, end = max(lowest, after or ""), lowest + _LAST
    condition, values = key_range("sk", start, end)
    if start > end or not fits_key(*values.values()):
        return Page((), has_next=False)
    # The summary of a label that its last blob has just lost may still exist, with a count of 0.
    items = table.query_all(
        f"#pk = :pk{condition}",
        {"pk": {"S": _summary_pk(owner)}, "none": {"N": "0"}, **typed_texts(values)},
        filtered="#blob_count > :none",
        limit=first + 2,
    )
    found: list[LabelSummary] = []
    for item in items:
        if text_of(item, "sk") != after:
            found.append(LabelSummary(text_of(item, "name"), int(item["blob_count"]["N"])))
        if len(found) > first:
            break
    return page_of(found, first)


def counts_of(table: Table, owner: str, labels: Sequence[str]) -> Mapping[str, int]:
    """Return the number of an owner's blobs by folded label, without unused labels."""
    keys = [(_summary_pk(owner), label) for label in labels if fits_key(label)]
    return {text_of(item, "sk"): int(item["blob_count"]["N"]) for item in table.get_many(keys)}


def count_labels(
    table: Table, owner: str, blob_id: str, version: int, names: Collection[str]
) -> None:
    """Count `names` for the blob in the summaries, in place of those counted before."""
    by_label = {name.casefold(): name for name in sorted(names)}
    for _ in range(_MAX_ATTEMPTS):
        item = table.get(blob_pk(blob_id), _COUNTED)
        if item and int(item["version"]["N"]) >= version:
            return
        counted = {each["S"] for each in item["labels"]["L"]} if item else set()
        added, gone = by_label.keys() - counted, counted - by_label.keys()
        try:
            table.transact(
                [
                    _put_counted(blob_id, version, by_label.keys(), item),
                    *(_add(owner, label, 1, by_label[label]) for label in sorted(added)),
                    *(_add(owner, label, -1) for label in sorted(gone)),
                ]
            )
        except ConditionFailed:
            continue  # another process counted another version
        for label in sorted(gone):
            _delete_unused(table, owner, label)
        # A change may arrive after the blob was deleted: the deletion cannot wait for it.
        if was_deleted(table, owner, blob_id):
            uncount_labels(table, owner, blob_id)
        return
    raise Unavailable(_TOO_MANY.format(blob_id))


def uncount_labels(table: Table, owner: str, blob_id: str) -> None:
    """Remove a deleted blob's names from the summaries."""
    place = blob_pk(blob_id), _COUNTED
    for _ in range(_MAX_ATTEMPTS):
        item = table.get(*place)
        if item is None:
            return
        labels = sorted(each["S"] for each in item["labels"]["L"])
        try:
            table.transact(
                [
                    transact_delete(*place, "#version = :seen", seen=item["version"]),
                    *(_add(owner, label, -1) for label in labels),
                ]
            )
        except ConditionFailed:
            continue  # another process counted another version
        for label in labels:
            _delete_unused(table, owner, label)
        return
    raise Unavailable(_TOO_MANY.format(blob_id))


def _summary_pk(owner: str) -> str:
    return f"labels#{escape_key(owner)}"


def _put_counted(
    blob_id: str, version: int, labels: Collection[str], seen: Item | None
) -> dict[str, Any]:
    item: Item = {
        "pk": {"S": blob_pk(blob_id)},
        "sk": {"S": _COUNTED},
        "version": {"N": str(version)},
        "labels": {"L": [{"S": label} for label in sorted(labels)]},
    }
    if seen is None:
        return transact_put(item, "attribute_not_exists(pk)")
    return transact_put(item, "#version = :seen", seen=seen["version"])


def _add(owner: str, label: str, count: int, name: str | None = None) -> dict[str, Any]:
    values: dict[str, Any] = {"count": {"N": str(count)}}
    expression = "ADD #blob_count :count"
    if name is not None:
        expression += " SET #name = if_not_exists(#name, :name)"
        values["name"] = {"S": name}
    return transact_update(_summary_pk(owner), label, expression, **values)


def _delete_unused(table: Table, owner: str, label: str) -> None:
    with suppress(ConditionFailed):  # in use again, or already deleted
        table.delete(_summary_pk(owner), label, "#blob_count <= :none", none={"N": "0"})
