"""Lists of blobs on DynamoDB, read as their plan says.

The entries of a list are blobs, or name them: those are read too, a hundred at most in a call. An
index may be outdated, so each blob is checked against the whole filter.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from core.domain.blob_list import LAST_ID, BlobIndex, BlobOrder
from core.domain.facts import indexed_name
from core.domain.pagination import Page
from core.repositories.dynamodb.expressions import Item, fits_key
from core.repositories.dynamodb.facts import external_id_key, metadata_pk
from core.repositories.dynamodb.label_counts import counts_of
from core.repositories.dynamodb.label_entries import (
    blob_id_of,
    entry_pk,
    existing_blobs,
    is_valid,
    labelled_blobs,
    rank,
)
from core.repositories.dynamodb.lists import key_range, text_of, typed_texts
from core.repositories.dynamodb.table import (
    BY_CONFIDENCE,
    BY_DIGEST,
    BY_NAME,
    BY_OWNER,
    BY_STATUS,
    Table,
)
from core.repositories.serialization import blob_from_item, digest_key, name_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from core.domain.blob import Blob
    from core.domain.blob_list import BlobListPlan
    from core.domain.pagination import Position

_MAX_BLOBS_READ: Final = 100  # in one call
_SORT_KEYS: Final = {
    BlobIndex.CONFIDENCE: "rank",
    BlobIndex.LABEL: "sk",
    BlobIndex.METADATA: "sk",
    BlobIndex.NAME: "by_name",
}
_GROWTH: Final = 4  # of what a call reads, while few entries match


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of a list. Without an item it marks where the budget ended; more may follow."""

    position: Position
    item: Item | None


class _Budget:
    """The number of entries that may still be read for a page."""

    def __init__(self, entries: int) -> None:
        self.left = entries
        self.ended = False

    def take(self, wanted: int) -> int:
        """Return how many entries may be read, at most `wanted`."""
        granted = min(wanted, self.left)
        self.left -= granted
        return granted

    def give_back(self, entries: int) -> None:
        """Note that fewer entries were read than granted."""
        self.left += entries


def find_page(
    table: Table, owner: str, plan: BlobListPlan, first: int, after: Position | None
) -> Page[Blob]:
    """List an owner's blobs by a plan, starting behind the position `after`."""
    counted = plan.counted_labels
    lists = plan.shortest(counts_of(table, owner, counted) if counted else {})
    budget = _Budget(plan.most_examined(first))
    if plan.index is BlobIndex.EXTERNAL_ID:
        walks = [_walk_external_ids(table, owner, plan, lists, after)]
    else:
        walks = [_walk(table, _List(owner, plan, name), first, after, budget) for name in lists]
    entries = heapq.merge(
        *walks,
        # A mark comes behind all entries of its position.
        key=lambda entry: (entry.position, (entry.item is None) == plan.ascends),
        reverse=not plan.ascends,
    )
    candidates = groupby(_until_end(entries, budget), key=attrgetter("position"))
    found: list[Blob] = []
    reached = after
    size = first + 1
    while batch := [
        (position, [each.item for each in same if each.item is not None])
        for position, same in islice(candidates, min(size, _MAX_BLOBS_READ))
    ]:
        size *= _GROWTH
        worth = [(place, items) for place, items in batch if _may_match(plan, items)]
        blobs = _load(table, owner, plan.index, [items[0] for _, items in worth])
        for _, items in worth:
            blob = blobs.get(_id_in(plan.index, items[0]))
            if blob is not None and plan.matches(blob) and _is_in_place(plan, items, blob):
                found.append(blob)
            if len(found) > first:
                return Page(tuple(found[:first]), has_next=True)
        reached = batch[-1][0]
    if budget.ended:
        return Page(tuple(found), has_next=True, reached=reached)
    return Page(tuple(found), has_next=False)


def count(table: Table, owner: str, plan: BlobListPlan) -> int | None:
    """Return the number of an owner's blobs in a list, where one read tells it; else None."""
    if not plan.choices:
        return 0
    if not plan.is_whole or not _is_of_labels(plan.index):
        return None
    (labels,) = plan.choices
    return sum(counts_of(table, owner, labels).values())


def _until_end(entries: Iterable[_Entry], budget: _Budget) -> Iterator[_Entry]:
    """Yield entries up to the first that was not read."""
    for entry in entries:
        if entry.item is None:
            budget.ended = True
            return
        yield entry


def _may_match(plan: BlobListPlan, entries: Sequence[Item]) -> bool:
    """Tell whether a blob may match, by its label entries: at least one is confident enough."""
    least = plan.wanted.labels.min_confidence
    return plan.index is not BlobIndex.LABEL or any(
        float(each["confidence"]["N"]) >= least for each in entries
    )


def _load(
    table: Table, owner: str, index: BlobIndex, entries: Sequence[Item]
) -> Mapping[str, Blob]:
    """Return the blobs of entries, by id."""
    if index in (BlobIndex.OWNER, BlobIndex.STATUS):
        return {text_of(item, "id"): blob_from_item(item) for item in entries}
    if _is_of_labels(index):
        return labelled_blobs(table, owner, entries)
    return existing_blobs(table, owner, [_id_in(index, item) for item in entries])


def _id_in(index: BlobIndex, item: Item) -> str:
    match index:
        case BlobIndex.LABEL | BlobIndex.CONFIDENCE | BlobIndex.METADATA:
            return blob_id_of(item)
        case BlobIndex.EXTERNAL_ID:
            return text_of(item, "blob_id")
        case BlobIndex.NAME:
            return text_of(item, "by_name").partition("\t")[2]
    return text_of(item, "id")


def _is_in_place(plan: BlobListPlan, entries: Sequence[Item], blob: Blob) -> bool:
    """Tell whether a blob is at the position of its entries: that may have changed."""
    match plan.index:
        case BlobIndex.CONFIDENCE:
            return any(is_valid(each, blob) for each in entries)
        case BlobIndex.NAME:
            place = name_key(indexed_name(blob.facts.file_name or ""), blob.id)
            return any(text_of(each, "by_name") == place for each in entries)
    return True


def _is_of_labels(index: BlobIndex) -> bool:
    return index in (BlobIndex.LABEL, BlobIndex.CONFIDENCE)


@dataclass(frozen=True, slots=True)
class _List:
    """One list of an index: `name` is a status, a digest, a label or a pair of metadata."""

    owner: str
    plan: BlobListPlan
    name: str

    @property
    def place(self) -> tuple[str | None, str, str]:  # noqa: PLR0911  # one for each index
        """The index, and its partition key's name and value; the table itself has no name."""
        match self.plan.index:
            case BlobIndex.OWNER:
                return BY_OWNER, "by_owner", self.owner
            case BlobIndex.STATUS:
                return BY_STATUS, "by_status", f"{self.name}#{self.owner}"
            case BlobIndex.DIGEST:
                return BY_DIGEST, "by_digest", digest_key(self.owner, self.name)
            case BlobIndex.LABEL:
                return None, "pk", entry_pk(self.owner, self.name)
            case BlobIndex.CONFIDENCE:
                return BY_CONFIDENCE, "pk", entry_pk(self.owner, self.name)
            case BlobIndex.NAME:
                return BY_NAME, "by_owner", self.owner
            case BlobIndex.METADATA:
                return None, "pk", metadata_pk(self.owner, self.name)
        raise AssertionError("external ids are read by their keys")

    @property
    def sort_key(self) -> str:
        """The name of the sort key."""
        return _SORT_KEYS.get(self.plan.index, "id")

    def bounds(self, after: Position | None) -> tuple[str, str]:
        """Return the sort keys between which the list is read: from the first, to before the last.

        An empty text means no bound.
        """
        plan = self.plan
        if plan.index is BlobIndex.CONFIDENCE:
            low = rank(plan.wanted.labels.min_confidence)
            return low, rank(float(after[0]), str(after[1])) if after else ""
        if plan.index is BlobIndex.NAME:
            prefix = plan.wanted.facts.file_name_prefix or ""
            # "~" follows all characters of an id.
            low = f"{name_key(str(after[0]), str(after[1]))}~" if after else prefix
            return low, f"{prefix}{LAST_ID}" if prefix else ""
        high = "" if plan.high == LAST_ID else plan.high
        if after is None:
            return plan.low, high
        blob_id = str(after[0])
        if plan.order is BlobOrder.OLDEST:
            # Sort keys are `<id>` or `<id>#<run>`, and "$" follows "#".
            return max(plan.low, f"{blob_id}$"), high
        return plan.low, min(high, blob_id) if high else blob_id

    def position(self, item: Item) -> Position:
        """Return the position of an entry."""
        blob_id = _id_in(self.plan.index, item)
        if self.plan.index is BlobIndex.CONFIDENCE:
            return (float(item["confidence"]["N"]), blob_id)
        if self.plan.index is BlobIndex.NAME:
            return (text_of(item, "by_name").partition("\t")[0], blob_id)
        return (blob_id,)


def _walk(
    table: Table, walked: _List, first: int, after: Position | None, budget: _Budget
) -> Iterator[_Entry]:
    """Yield the entries of a list, in order, until it or the budget ends."""
    index, name, value = walked.place
    low, high = walked.bounds(after)
    if not fits_key(value, *filter(None, (low, high))) or (high and low >= high):
        return
    condition, values = key_range(walked.sort_key, low, high)
    wanted = first + 2  # one to tell whether more follow, and one that is `high` itself
    start: Item | None = None
    position: Position | None = None
    # Every list has to be read as far as its first entry.
    while limit := budget.take(wanted) or int(position is None):
        items, start = table.query(
            f"#{name} = :place{condition}",
            {"place": {"S": value}, **typed_texts(values)},
            index=index,
            descending=not walked.plan.ascends,
            limit=limit,
            start=start,
        )
        budget.give_back(limit - len(items))
        for item in items:
            if text_of(item, walked.sort_key) != high:
                position = walked.position(item)
                yield _Entry(position, item)
        if not start:
            return
        wanted *= _GROWTH
    if position is not None:
        yield _Entry(position, None)


def _walk_external_ids(
    table: Table, owner: str, plan: BlobListPlan, ids: Iterable[str], after: Position | None
) -> Iterator[_Entry]:
    """Yield the entries of external ids, in order: one read finds them all."""
    items = table.get_many(external_id_key(owner, each) for each in ids)
    for item in sorted(items, key=lambda item: text_of(item, "blob_id"), reverse=not plan.ascends):
        position = (text_of(item, "blob_id"),)
        if after is None or (position > after if plan.ascends else position < after):
            yield _Entry(position, item)
