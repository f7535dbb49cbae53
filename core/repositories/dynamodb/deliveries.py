"""Deliveries on DynamoDB: one item each, which contains its attempts."""

from __future__ import annotations

import secrets
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import from_text, to_text
from core.domain.delivery import (
    LINE_TIMEOUT,
    MAX_PER_ENDPOINT,
    MAX_PER_OWNER,
    Attempt,
    Claim,
    Delivery,
    DeliveryState,
    DisabledEndpoint,
    Verdict,
)
from core.repositories.dynamodb import delivery_lists
from core.repositories.dynamodb.delivery_items import (
    PREFIX,
    delivery_from_item,
    delivery_to_item,
    id_of,
    is_free,
    is_in_line,
    keys_if_known,
    keys_of,
)
from core.repositories.dynamodb.delivery_updates import (
    claim_update,
    outcome_update,
    postponement_update,
    redelivery_update,
)
from core.repositories.dynamodb.endpoints import Endpoints
from core.repositories.dynamodb.expressions import Item, fits_key
from core.repositories.dynamodb.owner_limit import OwnerLimit
from core.repositories.dynamodb.table import DELETED, ConditionFailed, Table, blob_pk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

_READ_BATCH: Final = 100


class DynamoDeliveryRepository:
    """Deliveries in a `Table`."""

    def __init__(
        self, table: Table, per_endpoint: int = MAX_PER_ENDPOINT, per_owner: int = MAX_PER_OWNER
    ) -> None:
        self._table = table
        self._endpoints = Endpoints(table, per_endpoint)
        self._owners = OwnerLimit(table, per_owner, per_endpoint)

    def add(self, delivery: Delivery) -> bool:
        """Store a new delivery; tell whether to send a delivery job for it."""
        now = delivery.created_at
        room = self._endpoints.free_leases(delivery.owner, delivery.endpoint, now)
        waits = not room or not self._owners.free_leases(delivery.owner, now)
        item = delivery_to_item(delivery)
        if waits:
            item["at"] = {"S": to_text(now + LINE_TIMEOUT)}
        try:
            self._table.put(item, "attribute_not_exists(pk)")
        except ConditionFailed:
            return False
        # A change may arrive after the blob was deleted: the deletion cannot wait for it.
        if not delivery.is_test and self._table.get(item["pk"]["S"], DELETED):
            self.remove(delivery.blob_id, now)
            return False
        if not waits:
            return True
        has_room = bool(room and self._join_owners_line(delivery, now))
        has_room = has_room or self._endpoints.join_line(delivery, now)
        # An attempt that ended before the entry existed could not take it from the line.
        return has_room and self._owners.free_leases(delivery.owner, now) > 0

    def claim(self, delivery_id: str, now: datetime, lease_for: timedelta) -> Claim | None:
        """Lease a delivery that is pending, due and not leased, for one attempt."""
        item = self._item(delivery_id)
        if item is None or not is_free(item, now):
            return None
        delivery = delivery_from_item(item)
        if delivery.state is not DeliveryState.PENDING or delivery.due_at > now:
            return None
        lease = secrets.token_hex(8)
        endpoint = self._endpoints.take_lease(delivery, lease, now, now + lease_for)
        if endpoint is None and self._wait_in_line(delivery, now):
            endpoint = self._endpoints.take_lease(delivery, lease, now, now + lease_for)
        if endpoint is None:
            return None
        if not self._take_owners_lease(delivery, lease, now, now + lease_for):
            self._endpoints.release_lease(delivery, lease)
            # One that found no room because of this lease may have joined the endpoint's line.
            if self._owners.has_place(delivery.owner, delivery.endpoint):
                self._move_to_owners_line(delivery.owner, delivery.endpoint, now)
            return None
        number = (delivery.attempts[-1].number if delivery.attempts else 0) + 1
        begun = Attempt(number, now)
        expression, condition, values = claim_update(delivery, begun, lease, now + lease_for)
        try:
            claimed = self._table.update(*keys_of(delivery.id), expression, condition, **values)
        except ConditionFailed:
            self._release_leases(delivery, lease)
            return None
        self._leave_lines(claimed)  # which may have joined one above
        disabled_at = endpoint.get("disabled_at")
        return Claim(
            delivery_from_item(claimed),
            number,
            lease,
            from_text(disabled_at["S"]) if disabled_at else None,
        )

    def finish(self, claim: Claim, attempt: Attempt, verdict: Verdict) -> bool:
        """Record an attempt's outcome. Return False if the lease was lost."""
        delivery = claim.delivery
        expression, condition, values = outcome_update(claim, attempt, verdict)
        try:
            self._table.update(*keys_of(delivery.id), expression, condition, **values)
        except ConditionFailed:
            return False
        finally:
            self._release_leases(delivery, claim.lease)
        return True

    def redeliver(self, delivery_id: str, now: datetime) -> bool:
        """Make a delivery of any state due now; tell whether to send a delivery job for it."""
        item = self._item(delivery_id)
        if item is None or not is_free(item, now) or is_in_line(item):
            return False
        delivery = delivery_from_item(item)
        expression, condition, values = redelivery_update(delivery, now)
        try:
            self._table.update(*keys_of(delivery_id), expression, condition, **values)
        except ConditionFailed:  # an attempt has begun or ended
            return False
        return True

    def remove(self, blob_id: str, now: datetime) -> Sequence[str]:
        """Delete a blob's deliveries; return the ids of those that may start in their place."""
        endpoints: set[tuple[str, str]] = set()
        for item in self._of_blob(blob_id):
            delivery = delivery_from_item(item)
            with suppress(ConditionFailed):  # another process deleted it
                self._table.delete(*keys_of(delivery.id), "attribute_exists(pk)")
            if delivery.state is DeliveryState.PENDING:
                endpoints.add((delivery.owner, delivery.endpoint))
                self._leave_lines(item)
        return [
            each
            for owner, endpoint in sorted(endpoints)
            for each in self.next_in_line(owner, endpoint, now)
        ]

    def find(self, owner: str, delivery_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the deliveries that exist and belong to the owner, by id."""
        found = (delivery_from_item(item) for item in self._items(delivery_ids))
        return {delivery.id: delivery for delivery in found if delivery.owner == owner}

    def get(self, delivery_id: str) -> Delivery | None:
        """Return a delivery of any owner."""
        item = self._item(delivery_id)
        return delivery_from_item(item) if item else None

    def find_latest(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the newest delivery of each of the owner's blobs that has any, by blob id."""
        found: dict[str, Delivery] = {}
        for blob_id in filter(fits_key, blob_ids):
            for item in islice(self._of_blob(blob_id, descending=True, limit=1), 1):
                delivery = delivery_from_item(item)
                if delivery.owner == owner:
                    found[blob_id] = delivery
        return found

    def find_due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of pending deliveries that are due and not leased."""
        return delivery_lists.find_due(self._table, now, limit)

    def find_by_state(
        self, state: DeliveryState, *, owner: str | None = None, since: datetime | None = None
    ) -> Iterator[Delivery]:
        """Yield the deliveries of a state, of one owner or all."""
        ids = delivery_lists.ids_of_state(self._table, state, owner, since)
        for start in range(0, len(ids), _READ_BATCH):
            wanted = ids[start : start + _READ_BATCH]
            found = {id_of(item): delivery_from_item(item) for item in self._items(wanted)}
            yield from (found[each] for each in wanted if each in found)

    def next_in_line(self, owner: str, endpoint: str, now: datetime) -> Sequence[str]:
        """Take from the lines as many deliveries as may start after an attempt at an endpoint."""
        room = self._owners.free_leases(owner, now)
        taken = list(self._owners.next_in_line(owner, room))
        if len(taken) < room:
            left = room - len(taken)
            return [*taken, *self._endpoints.next_in_line(owner, endpoint, now, left)]
        # The owner has no room for the endpoint's next delivery.
        self._move_to_owners_line(owner, endpoint, now)
        if not taken:  # attempts that ended meanwhile did not find it in the line
            taken += self._owners.next_in_line(owner, self._owners.free_leases(owner, now))
        return taken

    def disable_endpoint(self, owner: str, endpoint: str, now: datetime) -> None:
        """Stop deliveries to an owner's endpoint."""
        self._endpoints.disable(owner, endpoint, now)

    def enable_endpoint(self, owner: str, endpoint: str) -> bool:
        """Allow deliveries to an endpoint again. Return False if it was not disabled."""
        return self._endpoints.enable(owner, endpoint)

    def disabled_endpoints(self, owner: str) -> Sequence[DisabledEndpoint]:
        """Return an owner's disabled endpoints, in the order in which they were disabled."""
        return self._endpoints.disabled(owner)

    def _item(self, delivery_id: str) -> Item | None:
        keys = keys_if_known(delivery_id)
        return self._table.get(*keys) if keys else None

    def _items(self, delivery_ids: Collection[str]) -> list[Item]:
        known = [keys for each in delivery_ids if (keys := keys_if_known(each)) is not None]
        return self._table.get_many(known)

    def _of_blob(self, blob_id: str, **options: Any) -> Iterator[Item]:
        return self._table.query_all(
            "#pk = :pk AND begins_with(#sk, :prefix)",
            {"pk": {"S": blob_pk(blob_id)}, "prefix": {"S": PREFIX}},
            **options,
        )

    def _wait_in_line(self, delivery: Delivery, now: datetime) -> bool:
        """Put a delivery into its endpoint's line; tell whether there is room after all."""
        self._postpone(delivery, now)
        return self._endpoints.join_line(delivery, now)

    def _take_owners_lease(
        self, delivery: Delivery, lease: str, now: datetime, until: datetime
    ) -> bool:
        """Add a lease of the owner. Return False if there are too many: the delivery waits."""
        if self._owners.take_lease(delivery, lease, now, until):
            return True
        self._postpone(delivery, now)
        if not self._join_owners_line(delivery, now):
            self._endpoints.join_line(delivery, now)
        # An attempt that ended before this entry existed could not take it from the line.
        return self._owners.take_lease(delivery, lease, now, until)

    def _join_owners_line(self, delivery: Delivery, now: datetime) -> bool:
        """Put a delivery into its owner's line, unless its endpoint has enough there."""
        if not self._owners.has_place(delivery.owner, delivery.endpoint):
            return False
        self._owners.join_line(delivery, to_text(now + LINE_TIMEOUT))
        return True

    def _move_to_owners_line(self, owner: str, endpoint: str, now: datetime) -> None:
        """Move the endpoint's next delivery, if it may start, to the end of the owner's line."""
        for each in self._endpoints.next_in_line(owner, endpoint, now, 1):
            item = self._item(each)
            if item is not None:
                delivery = delivery_from_item(item)
                self._postpone(delivery, now)
                self._owners.join_line(delivery, to_text(now + LINE_TIMEOUT))

    def _release_leases(self, delivery: Delivery, lease: str) -> None:
        self._endpoints.release_lease(delivery, lease)
        self._owners.release_lease(delivery, lease)

    def _leave_lines(self, item: Item) -> None:
        self._endpoints.leave_line(item)
        self._owners.leave_line(item)

    def _postpone(self, delivery: Delivery, now: datetime) -> None:
        """Let the sweep find a delivery late, as it waits in a line."""
        with suppress(ConditionFailed):  # it is leased, or no longer due
            expression, condition, values = postponement_update(delivery, now)
            self._table.update(*keys_of(delivery.id), expression, condition, **values)
