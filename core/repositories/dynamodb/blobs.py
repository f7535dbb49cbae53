"""Blob records on DynamoDB. A page of blobs is one Query, a new version of one is one write."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import Blob, BlobStatus
from core.domain.change import label_names
from core.domain.clock import epoch_ms, to_text, ulid_floor
from core.domain.errors import AlreadyExists, Unavailable, VersionConflict
from core.domain.pagination import Page, page_of
from core.repositories.dynamodb.label_search import (
    entries_of,
    entry_pk,
    labelled,
    rank,
    search,
    summary_pk,
)
from core.repositories.dynamodb.table import (
    BY_CONFIDENCE,
    BY_DIGEST,
    BY_LIST,
    BY_OWNER,
    BY_STATUS,
    DELETED,
    ConditionFailed,
    Item,
    Table,
    delete_of,
    fits_key,
    key,
    put_of,
    update_of,
)
from core.repositories.ports.blobs import (
    DELETION_KEPT,
    BlobFilter,
    LabelledBlob,
    LabelOrder,
    LabelSummary,
)
from core.repositories.serialization import (
    SHARDS,
    blob_from_item,
    blob_to_item,
    digest_key,
    shard_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from core.domain.label_filter import LabelFilter

# How many entries are looked at for each one wanted, where a page is filtered by confidence.
WINDOW: Final = 10

_LAST: Final = "\U0010ffff"  # above every text that begins with what is before it
_MAX_COUNT_ATTEMPTS: Final = 8
_DIGEST_BATCH: Final = 25
_TOO_MANY_COUNT: Final = "The labels of blob {} are being counted by too many at once."


class DynamoBlobRepository:
    """Blob records in a `Table`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, blob: Blob) -> None:
        """Keep a new blob, in one write. Raises AlreadyExists."""
        try:
            self._table.put(blob_to_item(blob), "attribute_not_exists(pk)")
        except ConditionFailed as exc:
            raise AlreadyExists(blob.id) from exc

    def save(self, blob: Blob, replaced: Blob) -> None:
        """Put a blob in place of the version before it, in one write. Raises VersionConflict.

        Every label entry shows the blob as it is, so all of them are written with it.
        """
        condition = "#version = :replaced"
        version = {"N": str(replaced.version)}
        item = blob_to_item(blob)
        entries = {entry["pk"]["S"]: entry for entry in entries_of(blob)}
        stale = {entry_pk(blob.owner, name) for name in label_names(replaced)} - entries.keys()
        try:
            if entries or stale:
                self._table.transact(
                    [
                        put_of(item, condition, replaced=version),
                        *(put_of(entry) for entry in entries.values()),
                        *(delete_of(pk, blob.id) for pk in sorted(stale)),
                    ]
                )
            else:
                self._table.put(item, condition, replaced=version)
        except ConditionFailed as exc:
            raise VersionConflict(blob.id, replaced.version) from exc

    def delete(self, blob: Blob, at: datetime) -> None:
        """Forget a blob as it was read, and its label entries. Raises VersionConflict."""
        entries = {entry_pk(blob.owner, name) for name in label_names(blob)}
        try:
            self._table.transact(
                [
                    delete_of(*_keys(blob.id), "#version = :read", read={"N": str(blob.version)}),
                    put_of(_deletion(blob, at)),
                    *(delete_of(pk, blob.id) for pk in sorted(entries)),
                ]
            )
        except ConditionFailed as exc:
            raise VersionConflict(blob.id, blob.version) from exc

    def was_deleted(self, owner: str, blob_id: str) -> bool:
        """Tell whether a blob of the owner's was deleted."""
        if not fits_key(blob_id):
            return False
        item = self._table.get(_keys(blob_id)[0], DELETED)
        return item is not None and _text(item, "owner") == owner

    def find_deleted(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return (owner, id) of blobs deleted before then whose deletion is not settled."""
        found = self._listed("deleted", before, limit, lambda item: _text(item, "owner"))
        return [(owner, pk.removeprefix("blob#")) for pk, owner in found]

    def settle_deleted(self, blob_id: str) -> None:
        """Note that nothing of a deleted blob is left."""
        with suppress(ConditionFailed):
            self._table.update(
                _keys(blob_id)[0], DELETED, "REMOVE #list, #at", "attribute_exists(pk)"
            )

    def get(self, blob_id: str) -> Blob | None:
        """Return a blob whoever owns it."""
        if not fits_key(blob_id):
            return None
        item = self._table.get(*_keys(blob_id))
        return blob_from_item(item) if item else None

    def find(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Blob]:
        """Return those of the blobs that exist and are the owner's, by id."""
        wanted = [blob_id for blob_id in blob_ids if fits_key(blob_id)]
        if len(wanted) == 1:
            found = [blob for blob in map(self.get, wanted) if blob]
        else:
            found = [blob_from_item(item) for item in self._table.get_many(map(_keys, wanted))]
        return {blob.id: blob for blob in found if blob.owner == owner}

    def find_by_owner(
        self, owner: str, wanted: BlobFilter, *, first: int, after: str | None = None
    ) -> Page[Blob]:
        """List an owner's blobs, newest first: one Query, or one for each of several statuses."""
        low = ulid_floor(wanted.created_after) if wanted.created_after else None
        bounds = [after, ulid_floor(wanted.created_before) if wanted.created_before else None]
        high = min((bound for bound in bounds if bound), default=None)
        if wanted.sha256 is not None:
            return page_of(
                list(islice(self._of_digest(owner, wanted, low, high), first + 1)), first
            )
        statuses = set(wanted.statuses)
        if statuses and statuses != set(BlobStatus):
            places = [(BY_STATUS, "by_status", f"{status}#{owner}") for status in statuses]
        else:
            places = [(BY_OWNER, "by_owner", owner)]
        found: list[Item] = []
        floor = ""  # of lists that were cut short, what follows is unknown
        for index, attribute, value in places:
            items, more = self._newest(index, (attribute, value), "id", low, high, first)
            found += items
            if more and len(items) <= first:
                floor = max(floor, _text(items[-1], "id"))
        found = [item for item in found if _text(item, "id") >= floor]
        found.sort(key=lambda item: _text(item, "id"), reverse=True)
        blobs = tuple(blob_from_item(item) for item in found[:first])
        return Page(blobs, has_next=bool(floor) or len(found) > first)

    def scan(
        self, owner: str | None, first: int, after: str | None = None
    ) -> tuple[Sequence[Blob], str | None]:
        """Read all blobs, of one owner or of every one: a page of the index by owner."""
        start: Item | None = json.loads(after) if after else None
        if owner is None:
            items, start = self._table.scan(BY_OWNER, first, start)
        else:
            items, start = self._table.query(
                "#by_owner = :owner",
                {"owner": {"S": owner}},
                index=BY_OWNER,
                limit=first,
                start=start,
            )
        return [blob_from_item(item) for item in items], json.dumps(start) if start else None

    def find_by_label(
        self,
        owner: str,
        label: str,
        *,
        min_confidence: float,
        order: LabelOrder,
        first: int,
        after: tuple[float, str] | None = None,
    ) -> Page[LabelledBlob]:
        """List an owner's blobs with that label: one Query.

        Newest first and with a least confidence, the page may be short though more follow: one
        that would be empty takes a further Query.
        """
        place = ("pk", entry_pk(owner, label))
        if order is LabelOrder.CONFIDENCE:
            low, high = rank(min_confidence), rank(*after) if after else None
            items, more = self._newest(BY_CONFIDENCE, place, "rank", low, high, first)
        else:
            items, more = self._newest(
                None, place, "sk", None, after and after[1], first, min_confidence=min_confidence
            )
        return Page(
            tuple(labelled(item) for item in items[:first]), has_next=more or len(items) > first
        )

    def find_by_labels(
        self, owner: str, wanted: LabelFilter, *, first: int, after: str | None = None
    ) -> Page[Blob]:
        """List an owner's blobs by several labels, newest first, from behind the id `after`."""
        return search(self._table, owner, wanted, first, after)

    def find_labels(
        self, owner: str, prefix: str, *, first: int, after: str | None = None
    ) -> Page[LabelSummary]:
        """List an owner's labels in use that start with `prefix`, by name."""
        lowest = prefix.casefold()
        start, end = max(lowest, after or ""), lowest + _LAST
        condition, values = _span("sk", start, end)
        if start > end or not fits_key(*values.values()):
            return Page((), has_next=False)
        # A label that the last blob has just lost may still be there, with a count of none.
        items = self._table.query_all(
            f"#pk = :pk{condition}",
            {"pk": {"S": summary_pk(owner)}, "none": {"N": "0"}, **_typed(values)},
            filtered="#blob_count > :none",
            limit=first + 2,
        )
        found: list[LabelSummary] = []
        for item in items:
            if _text(item, "sk") != after:
                found.append(LabelSummary(_text(item, "name"), int(item["blob_count"]["N"])))
            if len(found) > first:
                break
        return page_of(found, first)

    def count_labels(self, owner: str, blob_id: str, version: int, names: Collection[str]) -> None:
        """Make the summaries count `names` for the blob, in place of those counted before."""
        by_label = {name.casefold(): name for name in sorted(names)}
        for _ in range(_MAX_COUNT_ATTEMPTS):
            item = self._table.get(_keys(blob_id)[0], "counted")
            if item and int(item["version"]["N"]) >= version:
                return
            counted = {each["S"] for each in item["labels"]["L"]} if item else set()
            added, gone = by_label.keys() - counted, counted - by_label.keys()
            try:
                self._table.transact(
                    [
                        _put_counted(blob_id, version, by_label.keys(), item),
                        *(_add(owner, label, 1, by_label[label]) for label in sorted(added)),
                        *(_add(owner, label, -1) for label in sorted(gone)),
                    ]
                )
            except ConditionFailed:
                continue  # another version was told meanwhile
            for label in sorted(gone):
                self._forget_unused(owner, label)
            # A change may be told late: whoever deletes the blob can't wait for it.
            if self.was_deleted(owner, blob_id):
                self.uncount_labels(owner, blob_id)
            return
        raise Unavailable(_TOO_MANY_COUNT.format(blob_id))

    def uncount_labels(self, owner: str, blob_id: str) -> None:
        """Make the summaries count nothing for a blob that was deleted."""
        place = _keys(blob_id)[0], "counted"
        for _ in range(_MAX_COUNT_ATTEMPTS):
            item = self._table.get(*place)
            if item is None:
                return
            labels = sorted(each["S"] for each in item["labels"]["L"])
            try:
                self._table.transact(
                    [
                        delete_of(*place, "#version = :seen", seen=item["version"]),
                        *(_add(owner, label, -1) for label in labels),
                    ]
                )
            except ConditionFailed:
                continue  # another version was told meanwhile
            for label in labels:
                self._forget_unused(owner, label)
            return
        raise Unavailable(_TOO_MANY_COUNT.format(blob_id))

    def find_abandoned(self, before: datetime, limit: int) -> Sequence[Blob]:
        """Return blobs created before then and still awaiting their upload."""
        oldest = self._listed("uploads", before, limit)
        items = self._table.get_many((pk, "blob") for pk, _ in oldest)
        blobs = sorted(map(blob_from_item, items), key=lambda blob: blob.id)
        return [blob for blob in blobs if blob.status is BlobStatus.AWAITING_UPLOAD]

    def _of_digest(
        self, owner: str, wanted: BlobFilter, low: str | None, high: str | None
    ) -> Iterator[Blob]:
        """Give an owner's blobs of the same bytes, newest first, in [low, high)."""
        place = digest_key(owner, wanted.sha256 or "")
        condition, values = _span("id", low, high)
        if not fits_key(place, *values.values()) or (low and high and low >= high):
            return
        entries = self._table.query_all(
            f"#by_digest = :place{condition}",
            {"place": {"S": place}, **_typed(values)},
            index=BY_DIGEST,
            descending=True,
        )
        # The index has keys alone, and may be behind: what it names is looked at.
        while entry_ids := [_text(entry, "id") for entry in islice(entries, _DIGEST_BATCH)]:
            found = self.find(owner, entry_ids)
            for blob in (found[each] for each in entry_ids if each in found and each != high):
                if blob.digest == wanted.sha256 and blob.status in (wanted.statuses or BlobStatus):
                    yield blob

    def _listed(
        self,
        name: str,
        before: datetime,
        limit: int,
        value: Callable[[Item], str] = lambda _: "",
    ) -> list[tuple[str, str]]:
        """Return the oldest of a global list, as (pk, value)."""
        found: list[tuple[str, str, str]] = []
        for shard in range(SHARDS):
            items = self._table.query_all(
                "#list = :list AND #at < :before",
                {"list": {"S": f"{name}#{shard}"}, "before": {"S": to_text(before)}},
                index=BY_LIST,
                limit=limit,
            )
            found += [
                (_text(item, "at"), _text(item, "pk"), value(item)) for item in islice(items, limit)
            ]
        return [(pk, known) for _, pk, known in sorted(found)[:limit]]

    def _newest(
        self,
        index: str | None,
        place: tuple[str, str],
        sort: str,
        low: str | None,
        high: str | None,
        first: int,
        *,
        min_confidence: float = 0,
    ) -> tuple[list[Item], bool]:
        """Read the last items in [low, high) of a list, and more than `first` where there are.

        Also tell whether there may be others beyond those read.
        """
        condition, values = _span(sort, low, high)
        if not fits_key(place[1], *values.values()) or (low and high and low >= high):
            return [], False
        typed = {"place": {"S": place[1]}, **_typed(values)}
        min_confidence = round(min(min_confidence, 101.0), 6)  # DynamoDB's numbers end at 1E-130
        options: dict[str, Any] = {"limit": first + 2}
        if min_confidence > 0:
            typed["least"] = {"N": repr(min_confidence)}
            options = {"limit": (first + 2) * WINDOW, "filtered": "#confidence >= :least"}
        start: Item | None = None
        while True:
            items, start = self._table.query(
                f"#{place[0]} = :place{condition}",
                typed,
                index=index,
                descending=True,
                start=start,
                **options,
            )
            items = [item for item in items if _text(item, sort) != high]
            if items or not start:
                return items, start is not None

    def _forget_unused(self, owner: str, label: str) -> None:
        with suppress(ConditionFailed):  # in use again, or forgotten already
            self._table.delete(summary_pk(owner), label, "#blob_count <= :none", none={"N": "0"})


def _keys(blob_id: str) -> tuple[str, str]:
    return f"blob#{blob_id}", "blob"


def _deletion(blob: Blob, at: datetime) -> Item:
    return {
        **key(_keys(blob.id)[0], DELETED),
        "owner": {"S": blob.owner},
        "list": {"S": f"deleted#{shard_of(blob.id)}"},
        "at": {"S": to_text(at)},
        "expires_at": {"N": str(epoch_ms(at + DELETION_KEPT) // 1000)},
    }


def _text(item: Item, name: str) -> str:
    return str(item[name]["S"])


def _span(sort: str, low: str | None, high: str | None) -> tuple[str, dict[str, str]]:
    """Write the condition for [low, high]; without a low one, for what is below `high`."""
    if low and high:
        return f" AND #{sort} BETWEEN :low AND :high", {"low": low, "high": high}
    if low:
        return f" AND #{sort} >= :low", {"low": low}
    if high:
        return f" AND #{sort} < :high", {"high": high}
    return "", {}


def _typed(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in values.items()}


def _put_counted(
    blob_id: str, version: int, labels: Collection[str], seen: Item | None
) -> dict[str, Any]:
    pk, _ = _keys(blob_id)
    item: Item = {
        "pk": {"S": pk},
        "sk": {"S": "counted"},
        "version": {"N": str(version)},
        "labels": {"L": [{"S": label} for label in sorted(labels)]},
    }
    if seen is None:
        return put_of(item, "attribute_not_exists(pk)")
    return put_of(item, "#version = :seen", seen=seen["version"])


def _add(owner: str, label: str, count: int, name: str | None = None) -> dict[str, Any]:
    values: dict[str, Any] = {"count": {"N": str(count)}}
    expression = "ADD #blob_count :count"
    if name is not None:
        expression += " SET #name = if_not_exists(#name, :name)"
        values["name"] = {"S": name}
    return update_of(summary_pk(owner), label, expression, **values)
