"""Summaries of labels in use on DynamoDB: the number of blobs that have each label."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from core.domain.errors import Unavailable
from core.domain.pagination import page_of
from core.repositories.dynamodb.expressions import (
    Item,
    escape_key,
    fits_key,
    transact_delete,
    transact_put,
    transact_update,
)
from core.repositories.dynamodb.label_entries import remove_entries
from core.repositories.dynamodb.lists import key_range, text_of, typed_texts
from core.repositories.dynamodb.table import DELETED, ConditionFailed, Table, blob_pk
from core.repositories.label_ranking import page_by_count
from core.repositories.ports.blobs import LabelSummary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from core.domain.pagination import Page
    from core.repositories.ports.blobs import BlobLabels

_LAST: Final = "\U0010ffff"  # greater than every text with the same prefix
_COUNTED: Final = "counted"
_MAX_ATTEMPTS: Final = 8
_MAX_WRITES: Final = 100  # in one transaction
_TOO_MANY: Final = "Too many processes count the labels of blob {} at the same time."


@dataclass(frozen=True)
class _Count:
    """The labels of a blob to be counted, and the item of those counted before, if any."""

    blob: BlobLabels
    counted: Item | None

    @property
    def counted_version(self) -> int:
        return int(self.counted["version"]["N"]) if self.counted else -1

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The names by folded label."""
        return {name.casefold(): name for name in sorted(self.blob.names)}

    @cached_property
    def added(self) -> AbstractSet[str]:
        return self.names.keys() - self._before

    @cached_property
    def gone(self) -> AbstractSet[str]:
        return self._before - self.names.keys()

    @property
    def _before(self) -> AbstractSet[str]:
        return {each["S"] for each in self.counted["labels"]["L"]} if self.counted else set()


def find_labels(
    table: Table, owner: str, prefix: str, first: int, after: str | None
) -> Page[LabelSummary]:
    """List an owner's labels in use that start with `prefix`, by name."""
    lowest = prefix.casefold()
    start, end = max(lowest, after or ""), lowest + _LAST
    items = _in_use(table, owner, start, end, limit=first + 2)
    behind = (_summary_in(item) for item in items if text_of(item, "sk") != after)
    return page_of(list(islice(behind, first + 1)), first)


def find_labels_by_count(
    table: Table, owner: str, prefix: str, first: int, after: tuple[int, str] | None
) -> Page[LabelSummary]:
    """List an owner's labels in use that start with `prefix`, by blob count.

    It reads and sorts all of them: an index of this order would make each count of a label cost two
    more writes. 10,000 summaries are about a megabyte, which one or two Queries read.
    """
    lowest = prefix.casefold()
    items = _in_use(table, owner, lowest, lowest + _LAST)
    return page_by_count(map(_summary_in, items), first, after)


def _in_use(
    table: Table, owner: str, start: str, end: str, limit: int | None = None
) -> Iterator[Item]:
    """Yield the summaries of labels from `start` to `end`, `limit` in a Query."""
    condition, values = key_range("sk", start, end)
    if start > end or not fits_key(*values.values()):
        return iter(())
    # The summary of a label that its last blob has just lost may still exist, with a count of 0.
    return table.query_all(
        f"#pk = :pk{condition}",
        {"pk": {"S": _summary_pk(owner)}, "none": {"N": "0"}, **typed_texts(values)},
        filtered="#blob_count > :none",
        limit=limit,
    )


def _summary_in(item: Item) -> LabelSummary:
    return LabelSummary(text_of(item, "name"), int(item["blob_count"]["N"]))


def summaries_of(table: Table, owner: str, labels: Collection[str]) -> Mapping[str, LabelSummary]:
    """Return the summaries of an owner's labels by folded name, without unused labels."""
    keys = [(_summary_pk(owner), label) for label in labels if fits_key(label)]
    items = table.get_many(keys, consistent=False)  # counts are later than blobs anyway
    found = {text_of(item, "sk"): _summary_in(item) for item in items}
    return {label: summary for label, summary in found.items() if summary.blob_count > 0}


def counts_of(table: Table, owner: str, labels: Collection[str]) -> Mapping[str, int]:
    """Return the number of an owner's blobs by folded label, without unused labels."""
    found = summaries_of(table, owner, labels)
    return {label: summary.blob_count for label, summary in found.items()}


def count_batch(table: Table, batch: Iterable[BlobLabels]) -> None:
    """Count the labels of several blobs in the summaries, in place of those counted before.

    A transaction counts as many blobs as fit, and writes each summary once for all of them.
    """
    left: dict[str, BlobLabels] = {}
    for each in batch:
        if each.blob_id not in left or left[each.blob_id].version < each.version:
            left[each.blob_id] = each
    for _ in range(_MAX_ATTEMPTS):
        counts = _uncounted(table, left.values())
        left = {}
        for group in _grouped(counts):
            try:
                _count(table, group)
            except ConditionFailed:  # another process counted another version
                left |= {count.blob.blob_id: count.blob for count in group}
        if not left:
            return
    raise Unavailable(_TOO_MANY.format(", ".join(left)))


def _uncounted(table: Table, blobs: Collection[BlobLabels]) -> list[_Count]:
    """Return the counts of those blobs of which no such or newer version was counted."""
    items = table.get_many((blob_pk(each.blob_id), _COUNTED) for each in blobs)
    counted = {text_of(item, "pk"): item for item in items}
    counts = (_Count(each, counted.get(blob_pk(each.blob_id))) for each in blobs)
    return [each for each in counts if each.counted_version < each.blob.version]


def _grouped(counts: Iterable[_Count]) -> Iterator[list[_Count]]:
    """Yield groups of counts, each of which fits into a transaction."""
    group: list[_Count] = []
    summaries: set[tuple[str, str]] = set()
    for count in counts:
        mine = {(count.blob.owner, label) for label in count.added | count.gone}
        if group and len(group) + 1 + len(summaries | mine) > _MAX_WRITES:
            yield group
            group, summaries = [], set()
        group.append(count)
        summaries |= mine
    if group:
        yield group


def _count(table: Table, group: Sequence[_Count]) -> None:
    """Count a group's labels in one transaction. Raises ConditionFailed."""
    changes: Counter[tuple[str, str]] = Counter()
    names: dict[tuple[str, str], str] = {}
    for count in group:
        owner = count.blob.owner
        changes.update((owner, label) for label in count.added)
        changes.subtract((owner, label) for label in count.gone)
        names |= {(owner, label): count.names[label] for label in count.added}
    table.transact(
        [
            *(_put_counted(count) for count in group),
            *(
                _add(*summary, change, names.get(summary))
                for summary, change in sorted(changes.items())
                if change
            ),
        ]
    )
    for summary, change in sorted(changes.items()):
        if change < 0:
            _delete_unused(table, *summary)
    # A change may arrive after the blob was deleted: the deletion cannot wait for it.
    for item in table.get_many((blob_pk(count.blob.blob_id), DELETED) for count in group):
        uncount_labels(table, text_of(item, "owner"), text_of(item, "pk").removeprefix(blob_pk("")))


def uncount_labels(table: Table, owner: str, blob_id: str) -> None:
    """Remove a deleted blob's names from the summaries, and delete its label entries."""
    place = blob_pk(blob_id), _COUNTED
    for _ in range(_MAX_ATTEMPTS):
        item = table.get(*place)
        if item is None:
            return
        labels = sorted(each["S"] for each in item["labels"]["L"])
        remove_entries(table, owner, blob_id, labels)
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


def _put_counted(count: _Count) -> dict[str, Any]:
    item: Item = {
        "pk": {"S": blob_pk(count.blob.blob_id)},
        "sk": {"S": _COUNTED},
        "version": {"N": str(count.blob.version)},
        "labels": {"L": [{"S": label} for label in sorted(count.names)]},
    }
    if count.counted is None:
        return transact_put(item, "attribute_not_exists(pk)")
    return transact_put(item, "#version = :seen", seen=count.counted["version"])


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
