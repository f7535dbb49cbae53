"""The contract of every delivery repository."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.domain.delivery import (
    LINE_TIMEOUT,
    MAX_ATTEMPTS_KEPT,
    MAX_PER_ENDPOINT,
    Attempt,
    Claim,
    Delivery,
    DeliveryState,
    DisabledEndpoint,
    Verdict,
    delivery_id,
    endpoint_of,
)
from core.repositories.ports.deliveries import DeliveryRepository
from tests.support.blobs import NOON

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
TICK = timedelta(milliseconds=1)
URL = "https://example.test/hook?a=b"
OTHER_URL = "https://example.test/other"
ENDS = [state for state in DeliveryState if state is not DeliveryState.PENDING]


def a_delivery(number: int = 1, owner: str = "anna", **values: Any) -> Delivery:
    return Delivery(
        **{
            "id": delivery_id(str(number), 3),
            "blob_id": str(number),
            "owner": owner,
            "url": URL,
            "body": b'{"snow":"\xe2\x98\x83"}',
            "created_at": NOON,
            "due_at": NOON,
            **values,
        }
    )


def claimed(deliveries: DeliveryRepository, delivery: Delivery, at: datetime = NOON) -> Claim:
    claim = deliveries.claim(delivery.id, at, LEASE)
    assert claim is not None
    return claim


def outcome(claim: Claim, at: datetime = NOON, **values: Any) -> Attempt:
    return Attempt(claim.attempt, at, at + SECOND, **values)


def latest(deliveries: DeliveryRepository, delivery: Delivery) -> Delivery:
    return deliveries.find_latest(delivery.owner, [delivery.blob_id])[delivery.blob_id]


def try_again_at(due_at: datetime) -> Verdict:
    return Verdict(DeliveryState.PENDING, due_at)


def test_delivery_is_read_as_it_was_stored(deliveries: DeliveryRepository) -> None:
    """With every byte of its body and every character of its URL."""
    delivery = a_delivery()
    assert deliveries.add(delivery) is True
    assert latest(deliveries, delivery) == delivery
    assert claimed(deliveries, delivery).delivery.body == delivery.body


def test_delivery_is_stored_once(deliveries: DeliveryRepository) -> None:
    """Adding it again changes nothing, also in a final state."""
    delivery = a_delivery()
    deliveries.add(delivery)
    other = replace(delivery, url="https://example.test/other", due_at=NOON - SECOND)
    assert deliveries.add(other) is False
    claim = claimed(deliveries, delivery)
    deliveries.finish(claim, outcome(claim, status=200), Verdict(DeliveryState.DELIVERED))
    assert deliveries.add(delivery) is False
    assert latest(deliveries, delivery).state is DeliveryState.DELIVERED
    assert latest(deliveries, delivery).url == delivery.url


def test_claim_records_an_attempt(deliveries: DeliveryRepository) -> None:
    """Without an end: it is visible even if its worker is killed."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    assert (claim.attempt, claim.delivery.attempts) == (1, (Attempt(1, NOON),))
    assert latest(deliveries, delivery).attempts == (Attempt(1, NOON),)


def test_outcome_is_recorded_completely(deliveries: DeliveryRepository) -> None:
    """Of each attempt, oldest first."""
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


def test_unknown_delivery_cannot_be_claimed(deliveries: DeliveryRepository) -> None:
    """There is no error: a job may be older than its delivery's end."""
    assert deliveries.claim("msg_unknown", NOON, LEASE) is None


def test_delivery_cannot_be_claimed_before_it_is_due(deliveries: DeliveryRepository) -> None:
    """To the millisecond; no attempt is recorded."""
    delivery = a_delivery(due_at=NOON + SECOND)
    deliveries.add(delivery)
    assert deliveries.claim(delivery.id, NOON + SECOND - TICK, LEASE) is None
    assert latest(deliveries, delivery).attempts == ()
    assert claimed(deliveries, delivery, NOON + SECOND).attempt == 1


def test_leased_delivery_cannot_be_claimed(
    deliveries: DeliveryRepository,
) -> None:
    """After the lease it can, as the next attempt; the outcome of the one before is unknown."""
    delivery = a_delivery()
    deliveries.add(delivery)
    first = claimed(deliveries, delivery)
    assert deliveries.claim(delivery.id, NOON + LEASE - TICK, LEASE) is None
    second = claimed(deliveries, delivery, NOON + LEASE)
    assert (second.attempt, second.lease == first.lease) == (2, False)
    assert second.delivery.attempts == (Attempt(1, NOON), Attempt(2, NOON + LEASE))


def test_only_the_latest_lease_finishes(deliveries: DeliveryRepository) -> None:
    """An older one changes nothing, before and after."""
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


def test_lease_finishes_once(deliveries: DeliveryRepository) -> None:
    """Finishing again changes nothing."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    assert deliveries.finish(claim, outcome(claim), try_again_at(NOON + SECOND)) is True
    assert deliveries.finish(claim, outcome(claim), Verdict(DeliveryState.GONE)) is False
    assert latest(deliveries, delivery).state is DeliveryState.PENDING


def test_expired_lease_finishes_if_there_is_no_other(
    deliveries: DeliveryRepository,
) -> None:
    """The outcome of a slow worker counts."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    late = outcome(claim, NOON + 2 * LEASE, status=200)
    assert deliveries.finish(claim, late, Verdict(DeliveryState.DELIVERED)) is True
    assert deliveries.claim(delivery.id, NOON + 3 * LEASE, LEASE) is None


def test_one_of_two_workers_gets_the_claim(deliveries: DeliveryRepository) -> None:
    """For every delivery."""
    made = [a_delivery(n, f"owner {n}") for n in range(30)]
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
def test_final_state_is_final(deliveries: DeliveryRepository, state: DeliveryState) -> None:
    """The delivery is never due and cannot be claimed."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    assert deliveries.finish(claim, outcome(claim), Verdict(state)) is True
    later = NOON + timedelta(days=365)
    assert deliveries.claim(delivery.id, later, LEASE) is None
    assert list(deliveries.find_due(later, 10)) == []
    assert latest(deliveries, delivery).state is state


def test_retry_is_due_at_the_time_of_the_verdict(deliveries: DeliveryRepository) -> None:
    """The lease ends with the outcome, not with its time."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    deliveries.finish(claim, outcome(claim), try_again_at(NOON + 5 * SECOND))
    assert latest(deliveries, delivery).due_at == NOON + 5 * SECOND
    assert deliveries.claim(delivery.id, NOON + 5 * SECOND - TICK, LEASE) is None
    assert claimed(deliveries, delivery, NOON + 5 * SECOND).attempt == 2


def test_due_deliveries_are_found_most_overdue_first(deliveries: DeliveryRepository) -> None:
    """Of all owners; not leased, ended or later ones; up to a limit."""
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


def test_newest_delivery_of_a_blob_is_found(deliveries: DeliveryRepository) -> None:
    """One for each blob that has any, with its own attempts."""
    deliveries.add(a_delivery(1))
    newer = replace(a_delivery(1), id="msg_1_5", created_at=NOON + SECOND, due_at=NOON + SECOND)
    deliveries.add(newer)
    deliveries.add(a_delivery(2))
    claimed(deliveries, a_delivery(1))
    found = deliveries.find_latest("anna", ["1", "2", "3"])
    assert found == {"1": newer, "2": a_delivery(2)}
    assert deliveries.find_latest("anna", []) == {}


def test_delivery_that_is_removed_while_a_list_is_read_is_left_out(
    deliveries: DeliveryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service may delete its blob while a command lists all."""
    for store in ("sqlite", "dynamodb"):
        monkeypatch.setattr(f"core.repositories.{store}.deliveries._READ_BATCH", 1)
    for number in (1, 2, 3):
        deliveries.add(a_delivery(number, due_at=NOON + number * SECOND))
    found = deliveries.find_by_state(DeliveryState.PENDING)
    assert next(found).blob_id == "1"
    deliveries.remove("2", NOON)
    assert [each.blob_id for each in found] == ["3"]


def test_no_owner_sees_deliveries_of_another(deliveries: DeliveryRepository) -> None:
    """Not even with the blob's id."""
    deliveries.add(a_delivery())
    for owner in ("bert", "ann", "ANNA", ""):
        assert deliveries.find_latest(owner, ["1"]) == {}
        assert deliveries.find(owner, ["msg_1_3"]) == {}
        assert list(deliveries.find_by_state(DeliveryState.PENDING, owner=owner)) == []


# The limit of attempts at an endpoint


def fill(deliveries: DeliveryRepository, at: datetime = NOON) -> list[Claim]:
    """Take every lease of the endpoint of `a_delivery`."""
    claims = []
    for number in range(100, 100 + MAX_PER_ENDPOINT):
        assert deliveries.add(a_delivery(number, created_at=at, due_at=at)) is True
        claims.append(claimed(deliveries, a_delivery(number), at))
    return claims


def ended(deliveries: DeliveryRepository, claim: Claim, verdict: Verdict | None = None) -> None:
    verdict = verdict or Verdict(DeliveryState.DELIVERED)
    assert deliveries.finish(claim, outcome(claim, status=200), verdict) is True


def next_in_line(deliveries: DeliveryRepository, at: datetime = NOON, url: str = URL) -> list[str]:
    return list(deliveries.next_in_line("anna", endpoint_of(url), at))


def test_number_of_leases_of_an_endpoint_is_limited(deliveries: DeliveryRepository) -> None:
    """Further deliveries wait: they cannot be claimed, and no job is due for them."""
    fill(deliveries)
    assert deliveries.add(a_delivery(1)) is False
    assert deliveries.claim("msg_1_3", NOON, LEASE) is None
    assert latest(deliveries, a_delivery(1)) == a_delivery(1)


def test_full_endpoint_does_not_block_others(deliveries: DeliveryRepository) -> None:
    """Another path, host or owner is another endpoint; another query is not."""
    fill(deliveries)
    assert deliveries.add(a_delivery(1, url="https://example.test/hook?c=d")) is False
    for number, values in enumerate(
        [
            {"url": OTHER_URL},
            {"url": "https://other.test/hook"},
            {"url": "https://example.test:444/hook"},
            {"owner": "bert"},
        ],
        start=2,
    ):
        delivery = a_delivery(number, **values)
        assert deliveries.add(delivery) is True
        assert claimed(deliveries, delivery)


def test_ended_attempts_release_waiting_deliveries(deliveries: DeliveryRepository) -> None:
    """The longest due first, each once, and only as many as may start."""
    claims = fill(deliveries)
    for number in (3, 1, 2):
        due_at = NOON - (9 - number) * SECOND
        deliveries.add(a_delivery(number, due_at=due_at))
    assert next_in_line(deliveries) == []
    ended(deliveries, claims[0])
    assert next_in_line(deliveries, url=OTHER_URL) == []
    assert next_in_line(deliveries) == ["msg_1_3"]
    assert claimed(deliveries, a_delivery(1)).attempt == 1
    assert next_in_line(deliveries) == []
    ended(deliveries, claims[1], try_again_at(NOON + LEASE))
    ended(deliveries, claims[2])
    assert next_in_line(deliveries) == ["msg_2_3", "msg_3_3"]
    assert claimed(deliveries, a_delivery(2))
    assert claimed(deliveries, a_delivery(3))


def test_expired_lease_does_not_count(deliveries: DeliveryRepository) -> None:
    """A killed worker does not block the endpoint for ever."""
    fill(deliveries)
    deliveries.add(a_delivery(1))
    assert deliveries.claim("msg_1_3", NOON + LEASE - TICK, LEASE) is None
    assert claimed(deliveries, a_delivery(1), NOON + LEASE)


def test_refused_claim_joins_the_line(deliveries: DeliveryRepository) -> None:
    """A retry that becomes due while the endpoint is busy."""
    first = a_delivery(1)
    deliveries.add(first)
    retried = claimed(deliveries, first)
    deliveries.finish(retried, outcome(retried, error="timeout"), try_again_at(NOON + SECOND))
    (busy, *_) = fill(deliveries)
    later = NOON + SECOND
    assert deliveries.claim(first.id, later, LEASE) is None
    assert next_in_line(deliveries, later) == []
    ended(deliveries, busy)
    assert next_in_line(deliveries, later) == [first.id]
    assert claimed(deliveries, first, later).attempt == 2


def test_sweep_finds_waiting_deliveries_late(deliveries: DeliveryRepository) -> None:
    """The end of another attempt releases each; only a stuck line needs the sweep."""
    fill(deliveries)
    deliveries.add(a_delivery(1))
    assert list(deliveries.find_due(NOON, 10)) == []
    later = NOON + LINE_TIMEOUT
    assert "msg_1_3" not in deliveries.find_due(later - TICK, 10)
    assert "msg_1_3" in deliveries.find_due(later, 10)
    assert claimed(deliveries, a_delivery(1), later)


def test_no_endpoints_backlog_hides_another(deliveries: DeliveryRepository) -> None:
    """Even if it has been due for much longer."""
    for number in range(MAX_PER_ENDPOINT):
        deliveries.add(a_delivery(number, due_at=NOON - LEASE))
    deliveries.add(a_delivery(20, url=OTHER_URL))
    deliveries.add(a_delivery(30, "bert"))
    assert {"msg_20_3", "msg_30_3"} < set(deliveries.find_due(NOON, 5))


def test_concurrent_claims_stay_within_the_limit(deliveries: DeliveryRepository) -> None:
    made = [a_delivery(number) for number in range(3 * MAX_PER_ENDPOINT)]
    for delivery in made:
        deliveries.add(delivery)

    def claim_all(_: int) -> int:
        claims = (deliveries.claim(delivery.id, NOON, LEASE) for delivery in made)
        return sum(claim is not None for claim in claims)

    with ThreadPoolExecutor(3) as pool:
        assert 1 <= sum(pool.map(claim_all, range(3))) <= MAX_PER_ENDPOINT


def test_redelivery_does_not_change_a_waiting_delivery(deliveries: DeliveryRepository) -> None:
    """It is released once."""
    (busy, *_) = fill(deliveries)
    deliveries.add(a_delivery(1))
    assert deliveries.redeliver("msg_1_3", NOON + SECOND) is False
    assert latest(deliveries, a_delivery(1)) == a_delivery(1)
    ended(deliveries, busy)
    assert next_in_line(deliveries, NOON + SECOND) == ["msg_1_3"]


def test_claimed_delivery_leaves_the_line(deliveries: DeliveryRepository) -> None:
    """If the sweep's job claims it, the line no longer has it."""
    (busy, *_) = fill(deliveries)
    deliveries.add(a_delivery(1))
    ended(deliveries, busy)
    claim = claimed(deliveries, a_delivery(1))
    ended(deliveries, claim, try_again_at(NOON + LEASE))
    assert next_in_line(deliveries) == []


# Disabled endpoints


def test_endpoint_is_disabled_until_it_is_enabled(deliveries: DeliveryRepository) -> None:
    """Each claim has the time; for the owner and the endpoint, with any query."""
    assert deliveries.disabled_endpoints("anna") == []
    deliveries.disable_endpoint("anna", endpoint_of(URL), NOON)
    deliveries.disable_endpoint("anna", endpoint_of(URL), NOON + SECOND)
    assert list(deliveries.disabled_endpoints("anna")) == [
        DisabledEndpoint("anna", "https://example.test/hook", NOON)
    ]
    assert deliveries.disabled_endpoints("bert") == []
    others = [a_delivery(3, url=OTHER_URL), a_delivery(4, "bert")]
    for delivery in (a_delivery(1), a_delivery(2, url="https://EXAMPLE.test/hook"), *others):
        deliveries.add(delivery)
        expected = None if delivery in others else NOON
        assert claimed(deliveries, delivery).disabled_at == expected
    assert deliveries.enable_endpoint("anna", endpoint_of(URL)) is True
    assert deliveries.enable_endpoint("anna", endpoint_of(URL)) is False
    assert deliveries.disabled_endpoints("anna") == []
    deliveries.add(a_delivery(5))
    assert claimed(deliveries, a_delivery(5)).disabled_at is None


def test_endpoint_can_be_disabled_again(deliveries: DeliveryRepository) -> None:
    """With the new time; its leases do not change."""
    fill(deliveries)
    for moment in (NOON, NOON + SECOND):
        deliveries.disable_endpoint("anna", endpoint_of(URL), moment)
        assert [each.at for each in deliveries.disabled_endpoints("anna")] == [moment]
        deliveries.enable_endpoint("anna", endpoint_of(URL))
    assert deliveries.add(a_delivery(1)) is False


# Redelivery


@pytest.mark.parametrize("state", ENDS)
def test_ended_delivery_can_be_redelivered(
    deliveries: DeliveryRepository, state: DeliveryState
) -> None:
    """At once, as the same webhook, with a whole schedule; earlier attempts stay."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    first = outcome(claim, error="status", status=500)
    deliveries.finish(claim, first, Verdict(state))
    later = NOON + timedelta(days=4)
    assert latest(deliveries, delivery).ended_at == first.ended
    assert deliveries.redeliver(delivery.id, later) is True
    again = latest(deliveries, delivery)
    assert again == replace(delivery, due_at=later, attempts=(first,), attempts_before=1)
    assert list(deliveries.find_due(later, 10)) == [delivery.id]
    claim = claimed(deliveries, delivery, later)
    assert (claim.attempt, claim.schedule_attempt) == (2, 1)


def test_pending_delivery_can_be_sent_now(deliveries: DeliveryRepository) -> None:
    """Its schedule continues."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    deliveries.finish(claim, outcome(claim), try_again_at(NOON + timedelta(hours=5)))
    assert deliveries.redeliver(delivery.id, NOON + SECOND) is True
    claim = claimed(deliveries, delivery, NOON + SECOND)
    assert (claim.attempt, claim.schedule_attempt) == (2, 2)


def test_redelivery_does_not_change_a_leased_delivery(deliveries: DeliveryRepository) -> None:
    """Nor is an unknown one created."""
    delivery = a_delivery()
    deliveries.add(delivery)
    claim = claimed(deliveries, delivery)
    before = latest(deliveries, delivery)
    assert deliveries.redeliver(delivery.id, NOON + SECOND) is False
    assert deliveries.redeliver("msg_unknown", NOON) is False
    assert deliveries.redeliver("msg_9_9", NOON) is False
    assert latest(deliveries, delivery) == before
    ended(deliveries, claim)


def test_redelivery_keeps_the_last_attempts(deliveries: DeliveryRepository) -> None:
    """So that a record does not grow without limit; numbers continue."""
    delivery = a_delivery()
    deliveries.add(delivery)
    for number in range(1, MAX_ATTEMPTS_KEPT + 3):
        claim = claimed(deliveries, delivery)
        assert claim.attempt == number
        ended(deliveries, claim)
        assert deliveries.redeliver(delivery.id, NOON) is True
    kept = latest(deliveries, delivery)
    assert [each.number for each in kept.attempts] == list(range(3, MAX_ATTEMPTS_KEPT + 3))
    assert kept.attempts_before == MAX_ATTEMPTS_KEPT + 2
    claim = claimed(deliveries, delivery)
    done = outcome(claim, status=202)
    deliveries.finish(claim, done, Verdict(DeliveryState.DELIVERED))
    assert latest(deliveries, delivery).attempts[-1] == done


# Reads


def test_deliveries_are_found_by_id(deliveries: DeliveryRepository) -> None:
    """Those of the owner that exist; the operator reads any."""
    for delivery in (a_delivery(1), a_delivery(2), a_delivery(3, "bert")):
        deliveries.add(delivery)
    found = deliveries.find("anna", ["msg_1_3", "msg_3_3", "msg_4_3", "nonsense", ""])
    assert found == {"msg_1_3": a_delivery(1)}
    assert deliveries.find("anna", []) == {}
    assert deliveries.get("msg_3_3") == a_delivery(3, "bert")
    assert deliveries.get("msg_4_3") is None
    assert deliveries.get("nonsense") is None


def test_deliveries_are_listed_by_state(deliveries: DeliveryRepository) -> None:
    """Ended ones: latest first, from a time on. Pending ones: the next due first."""
    for number in range(1, 6):
        owner = "bert" if number == 3 else "anna"
        deliveries.add(a_delivery(number, owner))
        claim = claimed(deliveries, a_delivery(number))
        state = DeliveryState.GONE if number == 5 else DeliveryState.EXHAUSTED
        attempt = outcome(claim, NOON + number * LEASE)
        deliveries.finish(claim, attempt, Verdict(state))
    for number, seconds in ((6, 9), (7, 3)):
        deliveries.add(a_delivery(number, due_at=NOON + seconds * SECOND))

    def listed(state: DeliveryState, **options: Any) -> list[str]:
        return [each.id[4:-2] for each in deliveries.find_by_state(state, **options)]

    assert listed(DeliveryState.EXHAUSTED) == ["4", "3", "2", "1"]
    assert listed(DeliveryState.EXHAUSTED, owner="anna") == ["4", "2", "1"]
    since = NOON + 2 * LEASE + SECOND
    assert listed(DeliveryState.EXHAUSTED, since=since) == ["4", "3", "2"]
    assert listed(DeliveryState.EXHAUSTED, since=since + TICK) == ["4", "3"]
    assert listed(DeliveryState.GONE) == ["5"]
    assert listed(DeliveryState.DELIVERED) == []
    assert listed(DeliveryState.PENDING) == ["7", "6"]
    assert listed(DeliveryState.PENDING, owner="bert") == []
    deliveries.redeliver("msg_4_3", NOON)
    assert listed(DeliveryState.EXHAUSTED) == ["3", "2", "1"]
    assert listed(DeliveryState.PENDING) == ["4", "7", "6"]
