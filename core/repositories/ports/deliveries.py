"""The port of webhook deliveries, their attempts and their endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from core.domain.delivery import (
        Attempt,
        Claim,
        Delivery,
        DeliveryState,
        DisabledEndpoint,
        Verdict,
    )


class DeliveryRepository(Protocol):
    """Webhook deliveries, their attempts, and the endpoints they go to.

    The number of attempts that are leased at a time is limited at each endpoint of an owner
    (MAX_PER_ENDPOINT, unless the repository is given another number), and at all endpoints of an
    owner (MAX_PER_OWNER). Further deliveries wait in the line of their endpoint, then in that of
    their owner: no delivery job is due for one until `next_in_line` returns it.
    """

    def add(self, delivery: Delivery) -> bool:
        """Store a new delivery; return True if the caller is to send a delivery job for it.

        Return False if it waits in line. Also return False, and change nothing, if a delivery with
        its id exists or its blob was deleted.
        """

    def claim(self, delivery_id: str, now: datetime, lease_for: timedelta) -> Claim | None:
        """Lease a delivery for one attempt, and record that the attempt has begun.

        Return None if the delivery is not pending, not yet due, or leased; also if the maximum
        number of attempts at its endpoint or of its owner is in progress: then it waits in line.
        """

    def finish(self, claim: Claim, attempt: Attempt, verdict: Verdict) -> bool:
        """Record an attempt's outcome. Return False, and change nothing, if the lease was lost."""

    def next_in_line(self, owner: str, endpoint: str, now: datetime) -> Sequence[str]:
        """Take from the lines as many deliveries as may start after an attempt at an endpoint.

        They may be for other endpoints of the owner. The longest due come first. The caller is to
        send a delivery job for each of the returned ids.
        """

    def redeliver(self, delivery_id: str, now: datetime) -> bool:
        """Make a delivery of any state due now.

        Return True if the caller is to send a delivery job for it. A delivery in a final state
        restarts its schedule and keeps MAX_ATTEMPTS_KEPT attempts. A delivery that is leased or
        waits in line does not change.
        """

    def remove(self, blob_id: str, now: datetime) -> Sequence[str]:
        """Delete a blob's deliveries; an attempt in progress is not recorded.

        Return the ids of deliveries that waited in line behind them: the caller is to send a
        delivery job for each.
        """

    def find(self, owner: str, delivery_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the deliveries that exist and belong to the owner, by id."""

    def get(self, delivery_id: str) -> Delivery | None:
        """Return a delivery of any owner: for the operator."""

    def find_latest(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the newest delivery of each of the owner's blobs that has any, by blob id."""

    def find_due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of pending deliveries that are due and not leased.

        The most overdue delivery of each endpoint comes first, then the second of each, and so on,
        so that no endpoint's backlog hides another's. Deliveries in line are included after
        LINE_TIMEOUT.
        """

    def find_by_state(
        self, state: DeliveryState, *, owner: str | None = None, since: datetime | None = None
    ) -> Iterator[Delivery]:
        """Yield the deliveries of a state, of one owner or all: for the operator.

        Pending deliveries are in the order in which the sweep finds them. Others are latest first,
        and ended at `since` or later.
        """

    def disable_endpoint(self, owner: str, endpoint: str, now: datetime) -> None:
        """Stop deliveries to an owner's endpoint. Repeated, it changes nothing."""

    def enable_endpoint(self, owner: str, endpoint: str) -> bool:
        """Allow deliveries to an endpoint again. Return False if it was not disabled."""

    def disabled_endpoints(self, owner: str) -> Sequence[DisabledEndpoint]:
        """Return an owner's disabled endpoints, in the order in which they were disabled."""
