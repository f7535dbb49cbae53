"""What every store of deliveries keeps to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from catalogue.delivery import Attempt, Claim, Delivery, DeliveryState, Verdict, delivery_id
from catalogue.records.base import DeliveryRecords
from tests.support.blobs import NOON

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
TICK = timedelta(milliseconds=1)
ENDS = [state for state in DeliveryState if state is not DeliveryState.PENDING]


def a_delivery(number: int = 1, owner: str = "anna", **values: Any) -> Delivery:
    return Delivery(
        **{
            "id": delivery_id(str(number), 3),
            "blob_id": str(number),
            "owner": owner,
            "url": "https://example.test/hook?a=b",
            "body": b'{"snow":"\xe2\x98\x83"}',
            "created_at": NOON,
            "due_at": NOON,
            **values,
        }
    )


def claimed(deliveries: DeliveryRecords, delivery: Delivery, at: datetime = NOON) -> Claim:
    claim = deliveries.claim(delivery.id, at, LEASE)
    assert claim is not None
    return claim


def outcome(claim: Claim, at: datetime = NOON, **values: Any) -> Attempt:
    return Attempt(claim.attempt, at, at + SECOND, **values)


def latest(deliveries: DeliveryRecords, delivery: Delivery) -> Delivery:
    return deliveries.latest(delivery.owner, [delivery.blob_id])[delivery.blob_id]


def try_again_at(due_at: datetime) -> Verdict:
    return Verdict(DeliveryState.PENDING, due_at)


def test_a_delivery_comes_back_as_it_was_kept(deliveries: DeliveryRecords) -> None:
    """Its body byte for byte, its URL character for character."""
    delivery = a_delivery()
    assert deliveries.add(delivery) is True
    assert latest(deliveries, delivery) == delivery
    assert claimed(deliveries, delivery).delivery.body == delivery.body


def test_a_delivery_is_kept_once(deliveries: DeliveryRecords) -> None:
    """Told of again it stays as it is, also when it is at its end."""
    delivery = a_delivery()
    deliveries.add(delivery)
    other = replace(delivery, url="https://example.test/other", due_at=NOON - SECOND)
    assert deliveries.add(other) is False
    claim = claimed(deliveries, delivery)
    deliveries.finish(claim, outcome(claim, status=200), Verdict(DeliveryState.DELIVERED))
    assert deliveries.add(delivery) is False
    assert latest(deliveries, delivery).state is DeliveryState.DELIVERED
    assert latest(deliveries, delivery).url == delivery.url


def test_an_attempt_is_on_record_once_it_is_claimed(deliveries: DeliveryRecords) -> None:
    """Without an end: whatever happens to its worker, it does not vanish."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    assert (claim.attempt, claim.delivery.attempts) == (1, (Attempt(1, NOON),))
    assert latest(deliveries, delivery).attempts == (Attempt(1, NOON),)


def test_an_outcome_is_recorded_in_full(deliveries: DeliveryRecords) -> None:
    """Each attempt's, oldest first."""
    delivery = a_delivery()
    deliveries.add(delivery)
    made = []
    answers: list[dict[str, Any]] = [
        {"error": "timeout"},
        {"error": "status", "status": 500, "response": b"\x00\xff" * 2048},
        {"status": 204},
    ]
    for n, values in enumerate(answers):
        now = NOON + n * LEASE
        claim = claimed(deliveries, delivery, now)
        made.append(outcome(claim, now, **values))
        last = n == len(answers) - 1
        verdict = Verdict(DeliveryState.DELIVERED) if last else try_again_at(now + LEASE)
        assert deliveries.finish(claim, made[-1], verdict) is True
    assert latest(deliveries, delivery).attempts == tuple(made)
    assert [attempt.number for attempt in made] == [1, 2, 3]


def test_what_is_not_known_cannot_be_claimed(deliveries: DeliveryRecords) -> None:
    """Nor does it fail: a hint may be older than its delivery's end."""
    assert deliveries.claim("msg_unknown", NOON, LEASE) is None


def test_what_is_not_due_cannot_be_claimed(deliveries: DeliveryRecords) -> None:
    """Until it is, to the millisecond; no attempt is on record for it."""
    delivery = a_delivery(due_at=NOON + SECOND)
    deliveries.add(delivery)
    assert deliveries.claim(delivery.id, NOON + SECOND - TICK, LEASE) is None
    assert latest(deliveries, delivery).attempts == ()
    assert claimed(deliveries, delivery, NOON + SECOND).attempt == 1


def test_what_is_claimed_cannot_be_claimed_until_its_lease_ends(
    deliveries: DeliveryRecords,
) -> None:
    """Then another may, as the next attempt; the one before stays on record as unknown."""
    delivery = a_delivery()
    deliveries.add(delivery)
    first = claimed(deliveries, delivery)
    assert deliveries.claim(delivery.id, NOON + LEASE - TICK, LEASE) is None
    second = claimed(deliveries, delivery, NOON + LEASE)
    assert (second.attempt, second.lease == first.lease) == (2, False)
    assert second.delivery.attempts == (Attempt(1, NOON), Attempt(2, NOON + LEASE))


def test_only_the_newest_lease_finishes(deliveries: DeliveryRecords) -> None:
    """The stale one changes nothing, before and after."""
    delivery = a_delivery()
    deliveries.add(delivery)
    stale = claimed(deliveries, delivery)
    current = claimed(deliveries, delivery, NOON + LEASE)
    gone = Verdict(DeliveryState.GONE)
    assert deliveries.finish(stale, outcome(stale, status=410), gone) is False
    assert latest(deliveries, delivery).state is DeliveryState.PENDING
    assert latest(deliveries, delivery).attempts[0] == Attempt(1, NOON)
    done = outcome(current, NOON + LEASE, status=200)
    assert deliveries.finish(current, done, Verdict(DeliveryState.DELIVERED)) is True
    assert deliveries.finish(stale, outcome(stale, status=410), gone) is False
    assert latest(deliveries, delivery).state is DeliveryState.DELIVERED
    assert latest(deliveries, delivery).attempts == (Attempt(1, NOON), done)


def test_a_lease_finishes_once(deliveries: DeliveryRecords) -> None:
    """Finishing again changes nothing."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    assert deliveries.finish(claim, outcome(claim), try_again_at(NOON + SECOND)) is True
    assert deliveries.finish(claim, outcome(claim), Verdict(DeliveryState.GONE)) is False
    assert latest(deliveries, delivery).state is DeliveryState.PENDING


def test_a_lease_that_ran_out_still_finishes_while_nobody_else_claimed(
    deliveries: DeliveryRecords,
) -> None:
    """A slow worker's outcome is an outcome."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    late = outcome(claim, NOON + 2 * LEASE, status=200)
    assert deliveries.finish(claim, late, Verdict(DeliveryState.DELIVERED)) is True
    assert deliveries.claim(delivery.id, NOON + 3 * LEASE, LEASE) is None


def test_one_of_two_workers_gets_the_claim(deliveries: DeliveryRecords) -> None:
    """For every delivery, whoever is first."""
    made = [a_delivery(n) for n in range(30)]
    for delivery in made:
        deliveries.add(delivery)

    def claim_all(_: int) -> list[str]:
        claims = (deliveries.claim(delivery.id, NOON, LEASE) for delivery in made)
        return [claim.delivery.id for claim in claims if claim]

    with ThreadPoolExecutor(3) as pool:
        claims = [claim for each in pool.map(claim_all, range(3)) for claim in each]
    assert sorted(claims) == sorted(delivery.id for delivery in made)
    assert all(len(latest(deliveries, delivery).attempts) == 1 for delivery in made)


@pytest.mark.parametrize("state", ENDS)
def test_nothing_comes_after_an_end(deliveries: DeliveryRecords, state: DeliveryState) -> None:
    """It is never due, never claimed."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    assert deliveries.finish(claim, outcome(claim), Verdict(state)) is True
    later = NOON + timedelta(days=365)
    assert deliveries.claim(delivery.id, later, LEASE) is None
    assert list(deliveries.find_due(later, 10)) == []
    assert latest(deliveries, delivery).state is state


def test_a_retry_is_due_when_the_verdict_says(deliveries: DeliveryRecords) -> None:
    """The lease is over with the outcome, not with its time."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    deliveries.finish(claim, outcome(claim), try_again_at(NOON + 5 * SECOND))
    assert latest(deliveries, delivery).due_at == NOON + 5 * SECOND
    assert deliveries.claim(delivery.id, NOON + 5 * SECOND - TICK, LEASE) is None
    assert claimed(deliveries, delivery, NOON + 5 * SECOND).attempt == 2


def test_due_deliveries_are_found_most_overdue_first(deliveries: DeliveryRecords) -> None:
    """Any owner's; not those under lease, at their end or due later; no more than asked for."""
    for number, seconds in [(1, 3), (2, 1), (3, 2), (4, 0), (5, -9), (6, 60)]:
        due_at = NOON + seconds * SECOND
        deliveries.add(a_delivery(number, f"owner {number}", due_at=due_at))
    now = NOON + 3 * SECOND
    claim = claimed(deliveries, a_delivery(5), NOON)
    deliveries.finish(claim, outcome(claim), Verdict(DeliveryState.DELIVERED))
    claimed(deliveries, a_delivery(4), now)
    assert list(deliveries.find_due(now, 10)) == ["msg_2_3", "msg_3_3", "msg_1_3"]
    assert list(deliveries.find_due(now, 2)) == ["msg_2_3", "msg_3_3"]
    assert list(deliveries.find_due(now + LEASE, 1)) == ["msg_4_3"]


def test_the_newest_delivery_of_a_blob_is_shown(deliveries: DeliveryRecords) -> None:
    """One for each blob that has any, with its own attempts."""
    deliveries.add(a_delivery(1))
    newer = replace(a_delivery(1), id="msg_1_5", created_at=NOON + SECOND, due_at=NOON + SECOND)
    deliveries.add(newer)
    deliveries.add(a_delivery(2))
    claimed(deliveries, a_delivery(1))
    found = deliveries.latest("anna", ["1", "2", "3"])
    assert found == {"1": newer, "2": a_delivery(2)}
    assert deliveries.latest("anna", []) == {}


def test_no_owner_sees_anothers_deliveries(deliveries: DeliveryRecords) -> None:
    """Not even with the blob's id."""
    deliveries.add(a_delivery())
    for owner in ("bert", "ann", "ANNA", ""):
        assert deliveries.latest(owner, ["1"]) == {}
