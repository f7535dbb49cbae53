"""Endpoints of webhooks on DynamoDB: the limit of attempts, the waiting line, disabled ones.

An endpoint has an item, which contains the leases of the attempts in progress and so bounds them. A
delivery beyond the limit gets an entry in the endpoint's line. Its time in the list of due
deliveries is postponed, so that the sweep finds it only if the line is stuck.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import from_text, to_text
from core.domain.delivery import Delivery, DisabledEndpoint
from core.repositories.dynamodb.delivery_items import (
    delivery_from_item,
    hash_of,
    is_in_line,
)
from core.repositories.dynamodb.expressions import Item, escape_key, key
from core.repositories.dynamodb.table import BY_LIST, ConditionFailed, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

_ENDPOINT: Final = "endpoint"
_MAX_ATTEMPTS: Final = 10
_RETENTION: Final = 7 * 24 * 3600  # seconds after the last attempt at an endpoint


class Endpoints:
    """The endpoints in a `Table`. At most `most` attempts at one are leased at a time."""

    def __init__(self, table: Table, most: int) -> None:
        self._table = table
        self._most = most

    def free_leases(self, owner: str, endpoint: str, now: datetime) -> int:
        """Return how many more attempts at an endpoint may be leased."""
        item = self._table.get(_endpoint_key(owner, endpoint), _ENDPOINT)
        return max(0, self._most - len(_live_leases(item, now)))

    def take_lease(
        self, delivery: Delivery, lease: str, now: datetime, until: datetime
    ) -> Item | None:
        """Add a lease to the endpoint's item and return the item; None if there are too many."""
        keys = _endpoint_key(delivery.owner, delivery.endpoint), _ENDPOINT
        for _ in range(_MAX_ATTEMPTS):
            item = self._table.get(*keys) or {}
            if len(_live_leases(item, now)) >= self._most:
                return None
            expression, condition, values = _new_lease(item, lease, now, until, self._most)
            with suppress(ConditionFailed):  # the item has changed: read it again
                return self._table.update(*keys, expression, condition, **values)
        return None

    def release_lease(self, delivery: Delivery, lease: str) -> None:
        """Remove a lease from the endpoint's item."""
        with suppress(ConditionFailed):  # it expired, and another attempt removed it
            self._table.update(
                _endpoint_key(delivery.owner, delivery.endpoint),
                _ENDPOINT,
                f"REMOVE #leases.#{lease}",
                f"attribute_exists(#leases.#{lease})",
            )

    def next_in_line(self, owner: str, endpoint: str, now: datetime, limit: int) -> Sequence[str]:
        """Take from an endpoint's line as many deliveries as may start, the longest due first."""
        room = min(limit, self.free_leases(owner, endpoint, now))
        return take_from_line(self._table, _line_key(owner, endpoint), room)

    def join_line(self, delivery: Delivery, now: datetime) -> bool:
        """Put a delivery into its endpoint's line; tell whether there is room after all."""
        line = _line_key(delivery.owner, delivery.endpoint)
        with suppress(ConditionFailed):  # it is in the line already
            self._table.put(key(line, _line_sort_key(delivery)), "attribute_not_exists(pk)")
        # An attempt that ended before this entry existed could not take it from the line.
        return self.free_leases(delivery.owner, delivery.endpoint, now) > 0

    def leave_line(self, item: Item) -> None:
        """Remove a delivery from its endpoint's line, if it is there."""
        if is_in_line(item):
            delivery = delivery_from_item(item)
            with suppress(ConditionFailed):  # it was taken from the line
                self._table.delete(
                    _line_key(delivery.owner, delivery.endpoint),
                    _line_sort_key(delivery),
                    "attribute_exists(pk)",
                )

    def disable(self, owner: str, endpoint: str, now: datetime) -> None:
        """Stop deliveries to an owner's endpoint."""
        with suppress(ConditionFailed):
            self._table.update(
                _endpoint_key(owner, endpoint),
                _ENDPOINT,
                "SET #disabled_at = :now, #list = :list, #at = :now, #name = :endpoint"
                " REMOVE #expires_at",
                "attribute_not_exists(#disabled_at)",
                now={"S": to_text(now)},
                list={"S": _disabled_list(owner)},
                endpoint={"S": endpoint},
            )

    def enable(self, owner: str, endpoint: str) -> bool:
        """Allow deliveries to an endpoint again. Return False if it was not disabled."""
        try:
            self._table.update(
                _endpoint_key(owner, endpoint),
                _ENDPOINT,
                "REMOVE #disabled_at, #list, #at, #name",
                "attribute_exists(#disabled_at)",
            )
        except ConditionFailed:
            return False
        return True

    def disabled(self, owner: str) -> Sequence[DisabledEndpoint]:
        """Return an owner's disabled endpoints, in the order in which they were disabled."""
        items = self._table.query_all(
            "#list = :list", {"list": {"S": _disabled_list(owner)}}, index=BY_LIST
        )
        return [
            DisabledEndpoint(owner, item["name"]["S"], from_text(item["at"]["S"])) for item in items
        ]


def take_from_line(table: Table, line: str, limit: int) -> Sequence[str]:
    """Remove the first deliveries of a line, `limit` at most, and return their ids.

    The sort key of an entry is a time and the id of a delivery.
    """
    if not limit:
        return []
    entries, _ = table.query("#pk = :pk", {"pk": {"S": line}}, limit=limit)
    taken_ids = []
    for entry in entries:
        with suppress(ConditionFailed):  # another process took it
            table.delete(line, entry["sk"]["S"], "attribute_exists(pk)")
            taken_ids.append(entry["sk"]["S"].partition("#")[2])
    return taken_ids


def _endpoint_key(owner: str, endpoint: str) -> str:
    return f"endpoint#{escape_key(owner)}#{hash_of(endpoint)}"


def _line_key(owner: str, endpoint: str) -> str:
    return f"line#{escape_key(owner)}#{hash_of(endpoint)}"


def _line_sort_key(delivery: Delivery) -> str:
    return f"{to_text(delivery.due_at)}#{delivery.id}"


def _disabled_list(owner: str) -> str:
    return f"disabled#{escape_key(owner)}"


def _new_lease(
    item: Item, lease: str, now: datetime, until: datetime, most: int
) -> tuple[str, str, dict[str, Any]]:
    """Return expression, condition and values of the update that adds a lease to an item.

    Each lease is an entry of a map, so that an update touches no lease of another attempt. The
    update also removes expired leases. Its condition bounds the number of entries, and fails if
    one of the expired leases is gone already, as they are counted.
    """
    values: dict[str, Any] = {}
    removed: list[str] = []
    if "leases" in item:
        live = _live_leases(item, now)
        removed = [f"#leases.#{each}" for each in item["leases"]["M"] if each not in live]
        added = [f"#leases.#{lease} = :until"]
        conditions = ["size(#leases) < :most", *(f"attribute_exists({each})" for each in removed)]
        values["until"] = {"S": to_text(until)}
        values["most"] = {"N": str(most + len(removed))}
    else:
        added = ["#leases = :leases"]
        conditions = ["attribute_not_exists(#leases)"]
        values["leases"] = {"M": {lease: {"S": to_text(until)}}}
    if "disabled_at" not in item:  # a disabled endpoint must not expire
        added.append("#expires_at = :expires")
        conditions.append("attribute_not_exists(#disabled_at)")
        values["expires"] = {"N": str(int(until.timestamp()) + _RETENTION)}
    expression = f"SET {', '.join(added)}" + (f" REMOVE {', '.join(removed)}" if removed else "")
    return expression, " AND ".join(conditions), values


def _live_leases(endpoint: Item | None, now: datetime) -> dict[str, Any]:
    leases: Mapping[str, Any] = endpoint["leases"]["M"] if endpoint and "leases" in endpoint else {}
    return {lease: until for lease, until in leases.items() if until["S"] > to_text(now)}
