"""Random runs of events, on every store: every delivery reaches a final state."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.delivery import Delivery, DeliveryState, delivery_id, endpoint_of
from core.domain.owner import Owner
from core.repositories.ports.deliveries import DeliveryRepository
from notifier.delivery import Deliverer
from notifier.http.client import Response, SendError
from notifier.retries import MAX_ATTEMPTS
from tests.support.blobs import NOON

LEASE = timedelta(seconds=30)
DAY = timedelta(days=1)

OUTCOMES = [200, 301, 410, 429, 500, 500, 500, "timeout", "rejected", "crash", "crash late"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.one_of(
            st.sampled_from(OUTCOMES),
            st.sampled_from(OUTCOMES),
            st.sampled_from(["again", "enable"]),
        ),
        # Usually time passes; sometimes the clock is set back.
        st.sampled_from([-600, 0, 1, 29, 31, 400, 4000, 40_000, 100_000]),
    ),
    max_size=40,
)
runs = count()


class Crash(BaseException):
    """The end of the process."""


class Owners:
    """Owners without secrets: no test reads the signatures."""

    def get_or_create(self, owner_id: str) -> Owner:
        return Owner(owner_id)


class Run:
    """Three deliveries to one endpoint with one lease; jobs come in any order."""

    def __init__(self, deliveries: DeliveryRepository, clock: Any, chance: random.Random) -> None:
        run = next(runs)
        self.ids = {name: delivery_id(f"{run}{name}", 3) for name in "abc"}
        self.ended: dict[str, DeliveryState] = {}
        self.sent: dict[str, int] = defaultdict(int)
        self.allowed = dict.fromkeys(self.ids.values(), MAX_ATTEMPTS)
        self.gone = False
        self._deliveries = deliveries
        self._clock = clock
        self._chance = chance
        self._url = f"https://example.test/{run}"
        for name, each in self.ids.items():
            now = clock()
            deliveries.add(Delivery(each, f"{run}{name}", "anna", self._url, b"{}", now, now))

    def now_of(self, each: str) -> Delivery:
        found = self._deliveries.get(each)
        assert found is not None, "lost"
        return found

    def step(self, each: str, what: int | str) -> None:
        """Run a job, or do what an owner may do."""
        if what == "enable":
            self._deliveries.enable_endpoint("anna", endpoint_of(self._url))
            self.gone = False
        elif what == "again":
            before = self.now_of(each).state
            self._deliveries.redeliver(each, self._clock())
            if before is not DeliveryState.PENDING:
                assert self.now_of(each).state is DeliveryState.PENDING
                del self.ended[each]
                self.allowed[each] += MAX_ATTEMPTS
        else:
            self.attempt(each, what)
        self.check()

    def attempt(self, each: str, outcome: int | str) -> None:
        """Run a job."""

        class Scripted:
            @staticmethod
            def post(_url: str, headers: Mapping[str, str], _body: bytes) -> Response:
                return self._post(each, headers["webhook-id"], outcome)

        deliverer = Deliverer(
            self._deliveries, Owners(), Scripted(), self._clock, self._chance, lease_duration=LEASE
        )
        with suppress(Crash):
            delivery_queue = deliverer.attempt(each)
            state = self.now_of(each).state
            if state is DeliveryState.PENDING:
                assert each not in self.ended, "begun again after its end"
            else:
                assert self.ended.setdefault(each, state) is state
                assert each not in [hint.delivery_id for hint in delivery_queue]

    def check(self) -> None:
        """Check that each sending is a recorded attempt, in order and within the schedule."""
        for each in self.ids.values():
            numbers = [attempt.number for attempt in self.now_of(each).attempts]
            assert numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else True
            assert self.sent[each] <= min(numbers[-1] if numbers else 0, self.allowed[each])

    def _post(self, each: str, webhook_id: str, outcome: int | str) -> Response:
        if outcome == "crash":
            raise Crash
        assert webhook_id == each
        assert each not in self.ended, "sent after its end"
        assert not self.gone, "sent to an endpoint that is gone"
        self.sent[each] += 1
        if outcome == "crash late":
            raise Crash
        self.gone = outcome == 410
        if isinstance(outcome, str):
            raise SendError(outcome, "")
        return Response(outcome, None, b"")


@given(STEPS, st.randoms(use_true_random=False))
@settings(max_examples=settings.default.max_examples * 2 // 5)  # each has hundreds of calls
def test_every_delivery_reaches_a_final_state(
    narrow_deliveries: DeliveryRepository,
    clock: Any,
    steps: list[tuple[str, int | str, int]],
    chance: random.Random,
) -> None:
    """None is lost, sent after its end or to a disabled endpoint, or sent too often.

    Jobs come in any order, processes are killed before and after sending, the clock steps, and the
    three deliveries share the endpoint's only lease.
    """
    play(narrow_deliveries, clock, steps, chance)


def play(
    deliveries: DeliveryRepository,
    clock: Any,
    steps: list[tuple[str, int | str, int]],
    chance: random.Random,
) -> None:
    clock.now = NOON
    run = Run(deliveries, clock, chance)
    for name, what, seconds in steps:
        run.step(run.ids[name], what)
        clock.advance(timedelta(seconds=seconds))
    # From now on receivers answer, and only the sweep finds the remaining deliveries.
    clock.advance(2 * DAY)
    mine = set(run.ids.values())
    while due := [each for each in deliveries.find_due(clock(), 5000) if each in mine]:
        run.step(due[0], 200)
    assert set(run.ended) == mine


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_delivery_ends_after_a_whole_schedule(
    narrow_deliveries: DeliveryRepository, clock: Any
) -> None:
    """The run above can end like this: ten sendings, then none."""
    clock.now = NOON
    run = Run(narrow_deliveries, clock, random.Random(1))  # noqa: S311
    for _ in range(3 * MAX_ATTEMPTS):
        run.step(run.ids["a"], 500)
        clock.advance(2 * DAY)
    assert run.sent[run.ids["a"]] == MAX_ATTEMPTS
    assert run.ended == {run.ids["a"]: DeliveryState.EXHAUSTED}
