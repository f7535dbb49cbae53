"""The limit of webhook attempts per owner on DynamoDB, and the line of those that wait for it.

An owner's leases are held like an endpoint's, by an endpoint without a URL. A delivery waits in its
endpoint's line until that has room, then in its owner's. There the first to come is the first to
leave, and each endpoint has a few entries only, so that a long line of one endpoint does not stay
in front of the owner's others.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from core.repositories.dynamodb.delivery_items import delivery_from_item, hash_of, is_in_line
from core.repositories.dynamodb.endpoints import Endpoints, take_from_line
from core.repositories.dynamodb.expressions import Item, escape_key, key
from core.repositories.dynamodb.table import ConditionFailed, Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.domain.delivery import Delivery

_ANY_ENDPOINT: Final = ""
_ENTRIES_READ: Final = 500  # of an owner's line, to count those of an endpoint


class OwnerLimit:
    """The owners in a `Table`. At most `most` attempts of one are leased at a time."""

    def __init__(self, table: Table, most: int, per_endpoint: int) -> None:
        self._table = table
        self._leases = Endpoints(table, most)
        self._per_endpoint = per_endpoint

    def free_leases(self, owner: str, now: datetime) -> int:
        """Return how many more attempts of an owner may be leased."""
        return self._leases.free_leases(owner, _ANY_ENDPOINT, now)

    def take_lease(self, delivery: Delivery, lease: str, now: datetime, until: datetime) -> bool:
        """Add a lease of the owner. Return False if there are too many."""
        owners = replace(delivery, url=_ANY_ENDPOINT)
        return self._leases.take_lease(owners, lease, now, until) is not None

    def release_lease(self, delivery: Delivery, lease: str) -> None:
        """Remove a lease of the owner."""
        self._leases.release_lease(replace(delivery, url=_ANY_ENDPOINT), lease)

    def has_place(self, owner: str, endpoint: str) -> bool:
        """Tell whether another delivery of an endpoint may wait in the owner's line."""
        entries, _ = self._table.query(
            "#pk = :pk", {"pk": {"S": _line_key(owner)}}, limit=_ENTRIES_READ
        )
        name = hash_of(endpoint)
        waiting = [entry for entry in entries if entry["name"]["S"] == name]
        return len(waiting) < self._per_endpoint

    def join_line(self, delivery: Delivery, at: str) -> None:
        """Put a delivery into the owner's line. `at` is its item's attribute of that name."""
        entry = {
            **key(_line_key(delivery.owner), f"{at}#{delivery.id}"),
            "name": {"S": hash_of(delivery.endpoint)},
        }
        with suppress(ConditionFailed):  # it is in the line already
            self._table.put(entry, "attribute_not_exists(pk)")

    def leave_line(self, item: Item) -> None:
        """Remove a delivery from the owner's line, if it is there."""
        if is_in_line(item):
            delivery = delivery_from_item(item)
            with suppress(ConditionFailed):  # it was taken from the line
                self._table.delete(
                    _line_key(delivery.owner),
                    f"{item['at']['S']}#{delivery.id}",
                    "attribute_exists(pk)",
                )

    def next_in_line(self, owner: str, limit: int) -> Sequence[str]:
        """Take deliveries from the owner's line, the longest waiting first."""
        return take_from_line(self._table, _line_key(owner), limit)


def _line_key(owner: str) -> str:
    return f"owner-line#{escape_key(owner)}"
