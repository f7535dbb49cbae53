"""Messages and webhooks that wait while the clock is set back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict, delivery_id
from core.queues.sqlite import SqliteQueue
from embedded.checks.clock import ClockWatch
from tests.support.services.embedded_stores import EmbeddedStores

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=30)


class Watched:
    """A queue, deliveries, and the watch of their clock, on which time passes or jumps."""

    def __init__(self, stores: EmbeddedStores) -> None:
        self.stores = stores
        self.queue = stores.queue()
        self.ticks = 100.0
        self.watch = self.started()

    def started(self) -> ClockWatch:
        """Return the watch of a service that starts now."""
        stores = self.stores
        return ClockWatch(stores.database, [self.queue], stores.clock, lambda: self.ticks)

    def passes(self, time: timedelta) -> None:
        self.ticks += time.total_seconds()
        self.stores.clock.advance(time)

    def jumps(self, step: timedelta) -> None:
        self.stores.clock.advance(step)

    def delivery(self) -> Delivery:
        now = self.stores.clock()
        delivery = Delivery(
            id=delivery_id("1", 3),
            blob_id="1",
            owner="anna",
            url="https://example.test/hook",
            body=b"{}",
            created_at=now,
            due_at=now,
        )
        assert self.stores.deliveries.add(delivery)
        return delivery

    def due(self) -> list[str]:
        return list(self.stores.deliveries.find_due(self.stores.clock(), 10))


@pytest.fixture
def watched(stores: EmbeddedStores) -> Watched:
    return Watched(stores)


def bodies(queue: SqliteQueue) -> list[str]:
    return [message.body for message in queue.receive(limit=10)]


def test_messages_are_received_after_the_clock_was_set_back(watched: Watched) -> None:
    watched.queue.send("now")
    watched.queue.send("in ten seconds", delay=10 * SECOND)
    watched.jumps(-HOUR)
    assert bodies(watched.queue) == []
    watched.watch()
    assert bodies(watched.queue) == ["now"]
    watched.passes(9 * SECOND)
    watched.watch()
    assert bodies(watched.queue) == []
    watched.passes(SECOND)
    assert bodies(watched.queue) == ["in ten seconds"]


def test_webhooks_are_due_after_the_clock_was_set_back(watched: Watched) -> None:
    delivery = watched.delivery()
    watched.jumps(-HOUR)
    assert watched.due() == []
    watched.watch()
    assert watched.due() == [delivery.id]


def test_retries_and_leases_keep_the_time_that_they_had_left(watched: Watched) -> None:
    deliveries, clock = watched.stores.deliveries, watched.stores.clock
    delivery = watched.delivery()
    assert deliveries.claim(delivery.id, clock(), LEASE)
    watched.jumps(-HOUR)
    watched.watch()
    watched.passes(LEASE - SECOND)
    assert deliveries.claim(delivery.id, clock(), LEASE) is None  # leased
    watched.passes(SECOND)
    claim = deliveries.claim(delivery.id, clock(), LEASE)
    assert claim
    attempt = Attempt(claim.attempt, clock(), clock(), 500)
    deliveries.finish(claim, attempt, Verdict(DeliveryState.PENDING, clock() + 5 * SECOND))
    watched.watch()
    watched.jumps(-24 * HOUR)
    watched.watch()
    assert watched.due() == []
    watched.passes(5 * SECOND)
    assert watched.due() == [delivery.id]


def test_time_that_passes_or_jumps_forward_moves_nothing(watched: Watched) -> None:
    watched.queue.send("later", delay=2 * HOUR)
    for step in (HOUR, SECOND):
        watched.passes(step)
        watched.watch()
    watched.jumps(HOUR - 2 * SECOND)
    watched.watch()
    assert bodies(watched.queue) == []
    watched.passes(SECOND)
    assert bodies(watched.queue) == ["later"]


def test_corrections_of_ntp_move_nothing(watched: Watched) -> None:
    watched.queue.send("later", delay=SECOND)
    watched.jumps(-SECOND)
    watched.watch()
    watched.passes(SECOND)
    assert bodies(watched.queue) == []
    watched.passes(SECOND)
    assert bodies(watched.queue) == ["later"]


def test_clock_that_was_set_back_while_the_service_was_off_is_noticed(watched: Watched) -> None:
    watched.queue.send("waits")
    watched.stores.labelled("anna")  # the newest change
    delivery = watched.delivery()
    watched.jumps(-HOUR)
    watched.started()()
    assert bodies(watched.queue) == ["waits"]
    assert watched.due() == [delivery.id]
