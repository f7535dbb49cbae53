"""Slow receivers of one owner delay other owners' webhooks by little, on every store.

A simulation with its own time: senders take jobs from a queue, and an attempt takes as long as its
receiver.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import count

import pytest

from core.domain.delivery import (
    MAX_PER_ENDPOINT,
    MAX_PER_OWNER,
    Attempt,
    Claim,
    Delivery,
    DeliveryState,
    Verdict,
    delivery_id,
)
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.ports.deliveries import DeliveryRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from tests.support.blobs import NOON

SENDERS = 50  # webhookConcurrency
TIMEOUT = timedelta(seconds=20)
LEASE = timedelta(seconds=30)
numbers = count(1)


class Simulation:
    """Senders that take jobs in order. Records when each delivery's first attempt starts."""

    def __init__(self, deliveries: DeliveryRepository, senders: int = SENDERS) -> None:
        self.started: dict[str, datetime] = {}
        self.running = 0
        self.most: dict[str, int] = {}
        self._deliveries = deliveries
        self._senders = senders
        self._jobs: deque[str] = deque()
        self._ends: list[tuple[datetime, int, Claim]] = []

    def add(self, owner: str, path: str, at: datetime) -> str:
        each = delivery_id(str(next(numbers)), 3)
        url = f"https://{owner}.test/{path}"
        blob_id = each.split("_")[1]
        if self._deliveries.add(Delivery(each, blob_id, owner, url, b"{}", at, at)):
            self._jobs.append(each)
        return each

    def run(self, now: datetime, until: datetime) -> None:
        """Let senders work from now until then, or until nothing is left."""
        while True:
            while self._jobs and self.running < self._senders:
                claim = self._deliveries.claim(self._jobs.popleft(), now, LEASE)
                if claim is not None:
                    self.running += 1
                    self.started.setdefault(claim.delivery.id, now)
                    slow = "slow" in claim.delivery.url
                    end = now + (TIMEOUT if slow else timedelta(milliseconds=100))
                    heappush(self._ends, (end, next(numbers), claim))
                    self._count(claim.delivery.owner)
            if not self._ends or self._ends[0][0] > until:
                return
            now, _, claim = heappop(self._ends)
            self._end(claim, now)

    def _count(self, owner: str) -> None:
        running = sum(claim.delivery.owner == owner for _, _, claim in self._ends)
        self.most[owner] = max(running, self.most.get(owner, 0))

    def _end(self, claim: Claim, now: datetime) -> None:
        self.running -= 1
        attempt = Attempt(claim.attempt, claim.delivery.due_at, now, 204)
        assert self._deliveries.finish(claim, attempt, Verdict(DeliveryState.DELIVERED))
        delivery = claim.delivery
        self._jobs.extend(self._deliveries.next_in_line(delivery.owner, delivery.endpoint, now))


Limited = Callable[[int, int], DeliveryRepository]


@pytest.fixture
def limited(store: str, request: pytest.FixtureRequest) -> Limited:
    """Returns a repository with limits per endpoint and per owner."""
    if store == "sqlite":
        return partial(SqliteDeliveryRepository, request.getfixturevalue("database"))
    return partial(DynamoDeliveryRepository, request.getfixturevalue("table"))


def delay_of_another_owner(simulation: Simulation, each: int) -> timedelta:
    """Return how long a webhook waits, sent 1 s after those to another's ten hanging endpoints."""
    hanging = [simulation.add("anna", f"slow{n % 10}", NOON) for n in range(10 * each)]
    later = NOON + timedelta(seconds=1)
    simulation.run(NOON, later)
    other = simulation.add("bert", "hook", later)
    simulation.run(later, later + timedelta(hours=1))
    assert simulation.started.keys() == {*hanging, other}
    return simulation.started[other] - later


def test_ten_hanging_endpoints_of_one_owner_delay_no_other_owner(limited: Limited) -> None:
    """They would fill all senders for 20 s. Another owner's webhook starts within 5 s."""
    simulation = Simulation(limited(2, 4), senders=8)
    assert delay_of_another_owner(simulation, each=2) < timedelta(seconds=5)
    assert simulation.most["anna"] == 4


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_limits_leave_senders_to_other_owners(limited: Limited) -> None:
    """With the service's own limits; without the one per owner the webhook waits for a timeout."""
    simulation = Simulation(limited(MAX_PER_ENDPOINT, MAX_PER_OWNER))
    assert delay_of_another_owner(simulation, each=10) < timedelta(seconds=5)
    assert simulation.most["anna"] == MAX_PER_OWNER <= SENDERS // 2
    simulation = Simulation(limited(MAX_PER_ENDPOINT, 1000))
    assert delay_of_another_owner(simulation, each=10) > timedelta(seconds=5)


def test_hanging_endpoints_of_several_owners_delay_no_other_owner(
    request: pytest.FixtureRequest,
) -> None:
    """In the embedded service an owner has half of the senders that other owners leave."""
    database = request.getfixturevalue("database")
    for senders, most in ((32, [16, 8, 4, 2]), (None, [16, 16])):
        deliveries = SqliteDeliveryRepository(database, 8, 16, senders)
        simulation = Simulation(deliveries, senders=32)
        owners = [f"owner{next(numbers)}" for _ in range(4)]
        for owner in owners:
            for n in range(20):
                simulation.add(owner, f"slow{n % 10}", NOON)
        later = NOON + timedelta(seconds=1)
        simulation.run(NOON, later)
        assert list(simulation.most.values()) == most
        other = simulation.add("bert", "hook", later)
        simulation.run(later, later + timedelta(hours=1))
        assert len(simulation.started) == 4 * 20 + 1
        assert (simulation.started[other] - later < timedelta(seconds=5)) is (senders is not None)


def test_hanging_endpoints_do_not_stop_the_owners_other_endpoints(limited: Limited) -> None:
    """Their backlogs wait in their own lines, and not in front of a healthy endpoint."""
    simulation = Simulation(limited(2, 4), senders=8)
    hanging = [simulation.add("anna", f"slow{n % 3}", NOON) for n in range(45)]
    later = NOON + timedelta(seconds=1)
    simulation.run(NOON, later)
    healthy = simulation.add("anna", "hook", later)
    simulation.run(later, later + timedelta(hours=1))
    assert simulation.started[healthy] - later < 3 * TIMEOUT
    assert simulation.started.keys() == {*hanging, healthy}


@pytest.mark.parametrize("senders", [1, 7])
def test_all_deliveries_start_without_the_sweep(limited: Limited, senders: int) -> None:
    """Whatever the number of senders, owners and endpoints."""
    simulation = Simulation(limited(2, 3), senders)
    ids = {
        simulation.add(owner, path, NOON)
        for owner in ("anna", "bert")
        for path in ("1", "2", "3", "4", "slow", "slow", "slow", "slow2", "slow2", "slow2")
    }
    simulation.run(NOON, NOON + timedelta(days=1))
    assert simulation.started.keys() == ids
