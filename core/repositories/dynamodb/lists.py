"""Reads of ordered lists: ranges of sort keys, and the oldest items of all shards."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from core.domain.clock import to_text
from core.repositories.dynamodb.table import BY_LIST, Table
from core.repositories.serialization import SHARDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from core.repositories.dynamodb.expressions import Item


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
