"""Reads of all blobs on DynamoDB: of one owner, or of all.

Blobs that wait to be deleted are read first, and then those in lists. So a blob that is restored
meanwhile is read in one of the two places.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from core.repositories.dynamodb.lists import text_of
from core.repositories.dynamodb.table import BY_LIST, BY_OWNER, Table
from core.repositories.serialization import SHARDS, blob_from_item, waiting_key, waiting_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.domain.blob import Blob
    from core.repositories.dynamodb.expressions import Item

_IN_LISTS: Final = {"by_owner": {"S": ""}}  # the start of all owners' blobs that are in lists


def scan(
    table: Table, owner: str | None, first: int, after: str | None
) -> tuple[Sequence[Blob], str | None]:
    """Read a page of the blobs of one owner, or of all owners; return the start of the next."""
    start: Item | None = json.loads(after) if after else None
    if owner is None:
        blobs, start = _scan_all(table, first, start)
    else:
        blobs, start = _scan_owner(table, owner, first, start)
    return blobs, json.dumps(start) if start else None


def _scan_owner(
    table: Table, owner: str, first: int, start: Item | None
) -> tuple[Sequence[Blob], Item | None]:
    place = text_of(start, "by_owner") if start else waiting_key(owner)
    listed, start = _read_place(table, BY_OWNER, "by_owner", place, first, start)
    if start is None and place != owner:
        start = {"by_owner": {"S": owner}}
        if not listed:
            listed, start = _read_place(table, BY_OWNER, "by_owner", owner, first)
    return _blobs(table, listed), start


def _scan_all(table: Table, first: int, start: Item | None) -> tuple[Sequence[Blob], Item | None]:
    while start is None or "list" in start:
        waiting, start = _read_waiting(table, first, start)
        if waiting:
            return _blobs(table, waiting), start
    items, start = table.scan(BY_OWNER, first, start if "pk" in start else None)
    return [blob for blob in map(blob_from_item, items) if blob.listed], start


def _read_waiting(table: Table, first: int, start: Item | None) -> tuple[list[Item], Item]:
    """Read a page of all owners' waiting blobs, a shard after the other."""
    place = text_of(start, "list") if start else waiting_list(0)
    waiting, after = _read_place(table, BY_LIST, "list", place, first, start)
    if after is not None:
        return waiting, after
    shard = int(place.partition("#")[2]) + 1
    return waiting, {"list": {"S": waiting_list(shard)}} if shard < SHARDS else _IN_LISTS


def _read_place(
    table: Table, index: str, name: str, place: str, first: int, start: Item | None = None
) -> tuple[list[Item], Item | None]:
    """Read a page of a place of an index; without `pk`, `start` is its beginning."""
    return table.query(
        f"#{name} = :place",
        {"place": {"S": place}},
        index=index,
        limit=first,
        start=start if start and "pk" in start else None,
    )


def _blobs(table: Table, listed: Sequence[Item]) -> list[Blob]:
    items = table.get_many((text_of(each, "pk"), "blob") for each in listed)
    return [blob_from_item(item) for item in items]
