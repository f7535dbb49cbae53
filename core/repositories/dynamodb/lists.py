"""Reads of ordered lists: the newest items of a partition, the oldest items of all shards."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import to_text
from core.repositories.dynamodb.expressions import Item, fits_key
from core.repositories.dynamodb.table import BY_LIST, Table
from core.repositories.serialization import SHARDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

# The number of entries read per requested one, when a page is filtered by confidence.
WINDOW: Final = 10


def newest(
    table: Table,
    index: str | None,
    place: tuple[str, str],
    sort: str,
    low: str | None,
    high: str | None,
    first: int,
    *,
    min_confidence: float = 0,
) -> tuple[list[Item], bool]:
    """Return the last items in [low, high) of a list: more than `first`, if there are.

    `place` is the name and value of the list's partition key, `sort` the name of its sort key. Also
    tell whether there may be further items.
    """
    condition, values = key_range(sort, low, high)
    if not fits_key(place[1], *values.values()) or (low and high and low >= high):
        return [], False
    typed = {"place": {"S": place[1]}, **typed_texts(values)}
    min_confidence = round(min(min_confidence, 101.0), 6)  # DynamoDB's numbers end at 1E-130
    options: dict[str, Any] = {"limit": first + 2}
    if min_confidence > 0:
        typed["least"] = {"N": repr(min_confidence)}
        options = {"limit": (first + 2) * WINDOW, "filtered": "#confidence >= :least"}
    start: Item | None = None
    while True:
        items, start = table.query(
            f"#{place[0]} = :place{condition}",
            typed,
            index=index,
            descending=True,
            start=start,
            **options,
        )
        items = [item for item in items if text_of(item, sort) != high]
        if items or not start:
            return items, start is not None


def oldest(
    table: Table,
    name: str,
    before: datetime,
    limit: int,
    value: Callable[[Item], str] = lambda _: "",
) -> list[tuple[str, str]]:
    """Return the oldest items of a global list before a time, as (pk, value)."""
    found: list[tuple[str, str, str]] = []
    for shard in range(SHARDS):
        items = table.query_all(
            "#list = :list AND #at < :before",
            {"list": {"S": f"{name}#{shard}"}, "before": {"S": to_text(before)}},
            index=BY_LIST,
            limit=limit,
        )
        found += [
            (text_of(item, "at"), text_of(item, "pk"), value(item)) for item in islice(items, limit)
        ]
    return [(pk, known) for _, pk, known in sorted(found)[:limit]]


def key_range(sort: str, low: str | None, high: str | None) -> tuple[str, dict[str, str]]:
    """Return a condition and its values: for [low, high], or without `low` for less than `high`."""
    if low and high:
        return f" AND #{sort} BETWEEN :low AND :high", {"low": low, "high": high}
    if low:
        return f" AND #{sort} >= :low", {"low": low}
    if high:
        return f" AND #{sort} < :high", {"high": high}
    return "", {}


def typed_texts(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return texts as attribute values."""
    return {name: {"S": value} for name, value in values.items()}


def text_of(item: Item, name: str) -> str:
    """Return a text attribute of an item."""
    return str(item[name]["S"])
