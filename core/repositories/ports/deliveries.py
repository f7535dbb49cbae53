"""The port to webhook deliveries, their attempts and their endpoints."""

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

    The number of attempts at one endpoint of an owner that are under lease at a time is bounded
    (MAX_PER_ENDPOINT, unless the repository is given another number). Further deliveries wait in
    the endpoint's line: no delivery job is due for one until `next_in_line` returns it.
    """

    def add(self, delivery: Delivery) -> bool:
        """Keep a new delivery; True when a hint at it is due.

        False when it waits in line, and when that id is known already or its blob was deleted:
        then nothing changes.
        """

    def claim(self, delivery_id: str, now: datetime, lease_for: timedelta) -> Claim | None:
        """Take the right to attempt a delivery, recording the attempt as begun.

        None when it is not pending, not due yet, or another holds its lease; or when its endpoint
        has no room: it then waits in line.
        """

    def finish(self, claim: Claim, attempt: Attempt, verdict: Verdict) -> bool:
        """Record an attempt's outcome; False, and nothing changed, when the lease was lost."""

    def next_in_line(self, owner: str, endpoint: str, now: datetime) -> Sequence[str]:
        """Let out of an endpoint's line as many as it has room for, the longest due first.

        A hint at each is due to whoever asked.
        """

    def redeliver(self, delivery_id: str, now: datetime) -> bool:
        """Make a delivery due now, whatever its state; True when a hint at it is due.

        One at its end starts its schedule anew, and keeps the last of its attempts. One that is
        under lease, or waits in line, stays as it is.
        """

    def remove(self, blob_id: str, now: datetime) -> Sequence[str]:
        """Forget a blob's deliveries: what is under way is not recorded, the rest is not sent.

        Others may have waited behind them: a hint at each of those returned is due.
        """

    def find(self, owner: str, delivery_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return those of the deliveries that exist and are the owner's, by id."""

    def get(self, delivery_id: str) -> Delivery | None:
        """Return a delivery whoever owns it: for the operator."""

    def find_latest(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the newest delivery of each of the owner's blobs that has one, by blob id."""

    def find_due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return ids of pending deliveries that are due and not under lease.

        The most overdue of each endpoint come first, then the second of each, and so on: no
        endpoint's backlog hides another's. Those in line are among them after LINE_TIMEOUT.
        """

    def find_by_state(
        self, state: DeliveryState, *, owner: str | None = None, since: datetime | None = None
    ) -> Iterator[Delivery]:
        """List deliveries of a state, of one owner or all: for the operator.

        Pending ones by when they are looked at next; others latest first, from those that ended
        at `since`.
        """

    def disable_endpoint(self, owner: str, endpoint: str, now: datetime) -> None:
        """Note that nothing more is to be sent to an owner's endpoint. Repeated, no change."""

    def enable_endpoint(self, owner: str, endpoint: str) -> bool:
        """Let deliveries go to an endpoint again; False when it was not disabled."""

    def disabled_endpoints(self, owner: str) -> Sequence[DisabledEndpoint]:
        """List an owner's disabled endpoints, the first disabled first."""
