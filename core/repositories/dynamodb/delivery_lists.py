"""Lists of deliveries on DynamoDB, over all shards: what is due, and what is in a state."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from core.domain.clock import to_text
from core.domain.delivery import DeliveryState
from core.repositories.dynamodb.delivery_items import id_of, list_in
from core.repositories.dynamodb.table import BY_LIST, Table
from core.repositories.serialization import SHARDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

_MAX_ENTRIES_READ: Final = 5000  # due deliveries of a shard, in one sweep


def find_due(table: Table, now: datetime, limit: int) -> Sequence[str]:
    """Return the ids of pending deliveries that are due and not leased."""
    due: list[tuple[str, str, tuple[str, str | None]]] = []
    for shard in range(SHARDS):
        items = table.query_all(
            "#list = :list AND #at <= :now",
            {
                "list": {"S": list_in(DeliveryState.PENDING, shard)},
                "now": {"S": to_text(now)},
            },
            index=BY_LIST,
            filtered="attribute_not_exists(#lease_until) OR #lease_until <= :now",
        )
        due += [
            (item["at"]["S"], id_of(item), (item["owner"]["S"], item.get("name", {}).get("S")))
            for item in islice(items, _MAX_ENTRIES_READ)
        ]
    return _interleaved(due)[:limit]


def ids_of_state(
    table: Table, state: DeliveryState, owner: str | None, since: datetime | None
) -> Sequence[str]:
    """Return the ids of the deliveries of a state, of one owner or all.

    Pending ones are in the order in which the sweep finds them. Others are latest first, and ended
    at `since` or later.
    """
    pending = state is DeliveryState.PENDING
    entries: list[tuple[str, str]] = []
    for shard in range(SHARDS):
        items = table.query_all(
            "#list = :list AND #at >= :since",
            {
                "list": {"S": list_in(state, shard)},
                "since": {"S": to_text(since) if since and not pending else "0"},
            },
            index=BY_LIST,
        )
        entries += [
            (item["at"]["S"], id_of(item))
            for item in items
            if owner is None or item["owner"]["S"] == owner
        ]
    return [each for _, each in sorted(entries, reverse=not pending)]


def _interleaved(due: Iterable[tuple[str, str, tuple[str, str | None]]]) -> list[str]:
    """Return the ids of (time, id, endpoint): the earliest of each endpoint, then each second."""
    ranked: list[tuple[int, str, str]] = []
    seen: Counter[tuple[str, str | None]] = Counter()
    for at, each, endpoint in sorted(due, key=itemgetter(0, 1)):
        seen[endpoint] += 1
        ranked.append((seen[endpoint], at, each))
    return [each for _, _, each in sorted(ranked)]
