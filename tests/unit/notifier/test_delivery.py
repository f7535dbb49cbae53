"""One attempt at one delivery, and what many of them come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from core.backends.sqlite import Database
from core.domain.clock import epoch_ms
from core.domain.delivery import (
    PER_ENDPOINT,
    TEST_VERSION,
    Attempt,
    Delivery,
    DeliveryState,
    delivery_id,
)
from core.domain.errors import Unavailable
from core.domain.owner import Owner, WebhookSecret, new_secret, with_new_key, with_new_secret
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from embedded.migrations import MIGRATIONS
from notifier.delivery import Deliverer, DeliveryJob
from notifier.http.client import Response, SendError
from notifier.retries import MAX_ATTEMPTS, PAUSES
from notifier.signing import new_key

LEASE = timedelta(seconds=30)
DAY = timedelta(days=1)
SECRETS = (new_secret(), new_secret())
OK = Response(204, None, b"")
URL = "https://example.test/hook"


class Owners:
    """Every owner has two secrets, as while they are rotated, or what `known` says."""

    def __init__(self) -> None:
        self.known = Owner("anna", tuple(map(WebhookSecret, SECRETS)))

    def owner(self, owner_id: str) -> Owner:
        return self.known


class Sender:
    """Keeps what is sent and answers with what `answer` says."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Mapping[str, str], bytes]] = []
        self.answer: Callable[[], Response] = lambda: OK

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        self.sent.append((url, headers, body))
        return self.answer()


class Middle:
    """No jitter."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "labelling.sqlite", MIGRATIONS)
    yield database
    database.close()


@pytest.fixture
def deliveries(database: Database) -> SqliteDeliveryRepository:
    return SqliteDeliveryRepository(database)


@pytest.fixture
def sender() -> Sender:
    return Sender()


class Stopwatch:
    """Stands still unless it is moved."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def owners() -> Owners:
    return Owners()


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def deliverer(
    deliveries: SqliteDeliveryRepository,
    owners: Owners,
    sender: Sender,
    clock: Any,
    stopwatch: Stopwatch,
) -> Deliverer:
    return Deliverer(
        deliveries, owners, sender, clock, Middle(), lease_for=LEASE, stopwatch=stopwatch
    )


def kept(
    deliveries: SqliteDeliveryRepository,
    at: datetime,
    name: str = "1",
    version: int = 3,
) -> Delivery:
    body = b'{"snow":"\xe2\x98\x83"}'
    delivery = Delivery(delivery_id(name, version), name, "anna", URL, body, at, at)
    deliveries.add(delivery)
    return delivery


def now_of(deliveries: SqliteDeliveryRepository, name: str = "1") -> Delivery:
    return deliveries.latest("anna", [name])[name]


def attempt(deliverer: Deliverer, delivery_id: str) -> timedelta | None:
    """Follow a hint; return after how long the next one at the same delivery is due."""
    delays = [
        each.delay for each in deliverer.attempt(delivery_id) if each.delivery_id == delivery_id
    ]
    return delays[0] if delays else None


def fails_with(error: Exception) -> Callable[[], Response]:
    def answer() -> Response:
        raise error

    return answer


def test_an_attempt_sends_the_frozen_body_signed(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """With every secret of its owner; the id is the delivery's, the timestamp the attempt's."""
    clock.now = datetime.now(clock.now.tzinfo).replace(microsecond=0)
    delivery = kept(deliveries, clock())
    clock.advance(timedelta(seconds=9))
    assert attempt(deliverer, delivery.id) is None
    ((url, headers, body),) = sender.sent
    assert (url, body) == (URL, delivery.body)
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("labelling-webhooks/")
    assert headers["webhook-id"] == delivery.id
    assert headers["webhook-timestamp"] == str(epoch_ms(clock()) // 1000)
    for secret in SECRETS:
        Webhook(secret).verify(body, dict(headers))


def test_a_success_is_on_record(
    deliverer: Deliverer,
    deliveries: SqliteDeliveryRepository,
    sender: Sender,
    clock: Any,
    stopwatch: Stopwatch,
) -> None:
    """With the answer and its times; nothing is sent again."""
    delivery = kept(deliveries, clock())
    started = clock()

    def answer() -> Response:
        stopwatch.seconds += 2
        return Response(200, None, b"thanks")

    sender.answer = answer
    assert attempt(deliverer, delivery.id) is None
    assert now_of(deliveries) == replace(
        delivery,
        state=DeliveryState.DELIVERED,
        ended_at=started + timedelta(seconds=2),
        attempts=(Attempt(1, started, started + timedelta(seconds=2), 200, None, b"thanks"),),
    )
    clock.advance(DAY)
    assert attempt(deliverer, delivery.id) is None
    assert len(sender.sent) == 1


@pytest.mark.parametrize(
    ("answer", "status", "error", "state"),
    [
        (lambda: Response(500, None, b"oh"), 500, "status", DeliveryState.PENDING),
        (lambda: Response(301, None, b"oh"), 301, "status", DeliveryState.PENDING),
        (lambda: Response(410, None, b"oh"), 410, "status", DeliveryState.GONE),
        (fails_with(SendError("timeout", "no answer")), None, "timeout", DeliveryState.PENDING),
        (fails_with(SendError("tls", "bad")), None, "tls", DeliveryState.PENDING),
    ],
)
def test_a_failure_is_on_record(
    deliverer: Deliverer,
    deliveries: SqliteDeliveryRepository,
    sender: Sender,
    clock: Any,
    answer: Callable[[], Response],
    status: int | None,
    error: str,
    state: DeliveryState,
) -> None:
    """With its class, and when it is tried again."""
    delivery = kept(deliveries, clock())
    sender.answer = answer
    pause = attempt(deliverer, delivery.id)
    found = now_of(deliveries)
    assert (found.state, found.attempts[0].status, found.attempts[0].error) == (
        state, status, error,
    )  # fmt: skip
    if state is DeliveryState.PENDING:
        assert pause == PAUSES[0] == found.due_at - clock()
    else:
        assert pause is None


def test_retry_after_puts_off_the_next_attempt(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """As the receiver asked."""
    delivery = kept(deliveries, clock())
    sender.answer = lambda: Response(429, "600", b"")
    assert attempt(deliverer, delivery.id) == timedelta(minutes=10)
    clock.advance(timedelta(minutes=10) - timedelta(milliseconds=1))
    assert attempt(deliverer, delivery.id) is None
    assert len(sender.sent) == 1


def test_a_retry_has_the_same_id_and_a_new_timestamp(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """500, then 200: delivered; both signatures verify."""
    clock.now = datetime.now(clock.now.tzinfo).replace(microsecond=0)
    delivery = kept(deliveries, clock())
    answers = iter([Response(500, None, b""), OK])
    sender.answer = lambda: next(answers)
    pause = attempt(deliverer, delivery.id)
    assert pause is not None
    clock.advance(pause)
    assert attempt(deliverer, delivery.id) is None
    assert now_of(deliveries).state is DeliveryState.DELIVERED
    (_, first, body), (_, second, same_body) = sender.sent
    assert first["webhook-id"] == second["webhook-id"] == delivery.id
    assert int(second["webhook-timestamp"]) == int(first["webhook-timestamp"]) + 5
    assert body == same_body
    for headers in (first, second):
        Webhook(SECRETS[0]).verify(body, dict(headers))


def test_a_secret_rotated_between_two_attempts_signs_the_second_too(
    deliverer: Deliverer,
    deliveries: SqliteDeliveryRepository,
    owners: Owners,
    sender: Sender,
    clock: Any,
) -> None:
    """With the old one while that is valid, and alone after; a key of its owner signs as well."""
    clock.now = datetime.now(clock.now.tzinfo).replace(microsecond=0)
    old, new, key = new_secret(), new_secret(), new_key()
    owners.known = Owner("anna", (WebhookSecret(old),))
    delivery = kept(deliveries, clock())
    sender.answer = lambda: Response(500, None, b"")
    for advance, kinds in ((0, ["v1"]), (1, ["v1", "v1", "v1a"]), (25 * 3600, ["v1", "v1a"])):
        clock.advance(timedelta(seconds=advance))
        if advance == 1:
            owners.known = with_new_secret(owners.known, new, clock())
            owners.known = with_new_key(owners.known, key, clock())
        deliveries.redeliver(delivery.id, clock())
        attempt(deliverer, delivery.id)
        _, headers, body = sender.sent[-1]
        signatures = headers["webhook-signature"].split()
        assert [each.partition(",")[0] for each in signatures] == kinds
    (_, first, _), (_, second, _), (_, third, _) = sender.sent
    Webhook(old).verify(body, dict(second))
    Webhook(new).verify(body, dict(second))
    for secret, headers in ((new, first), (old, third)):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, dict(headers))


def test_ten_failures_exhaust_it(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """All ten are on record, and there is no eleventh."""
    delivery = kept(deliveries, clock())
    sender.answer = lambda: Response(404, None, b"")
    began = clock()
    while (pause := attempt(deliverer, delivery.id)) is not None:
        clock.advance(pause)
    assert clock() - began == timedelta(hours=75, minutes=35, seconds=5)
    found = now_of(deliveries)
    assert found.state is DeliveryState.EXHAUSTED
    assert [attempt.number for attempt in found.attempts] == list(range(1, 11))
    clock.advance(30 * DAY)
    assert attempt(deliverer, delivery.id) is None
    assert len(sender.sent) == MAX_ATTEMPTS


def test_a_receiver_at_a_forbidden_address_is_rejected_for_good(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """The owner can see why; it is not tried again."""
    delivery = kept(deliveries, clock())
    sender.answer = fails_with(SendError("rejected", "receiver.example is at 10.0.0.1"))
    assert attempt(deliverer, delivery.id) is None
    rejected = now_of(deliveries)
    assert rejected.state is DeliveryState.REJECTED
    assert rejected.attempts[0].error == "rejected"
    assert b"10.0.0.1" in rejected.attempts[0].response
    clock.advance(DAY)
    assert attempt(deliverer, delivery.id) is None
    assert len(sender.sent) == 1


def test_a_fault_of_our_own_is_an_attempt_all_the_same(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """So that it ends after ten rather than go on for ever."""
    delivery = kept(deliveries, clock())
    sender.answer = fails_with(RuntimeError("bug"))
    assert attempt(deliverer, delivery.id) == PAUSES[0]
    assert now_of(deliveries).attempts[0].error == "internal"


def test_hints_for_nothing_send_nothing(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """Unknown, not due, or in another's hands."""
    assert attempt(deliverer, "msg_unknown") is None
    kept(deliveries, clock() + timedelta(seconds=1), "later")
    assert attempt(deliverer, "msg_later_3") is None
    claimed = kept(deliveries, clock(), "claimed")
    deliveries.claim(claimed.id, clock(), LEASE)
    assert attempt(deliverer, claimed.id) is None
    assert sender.sent == []


def test_a_worker_that_dies_leaves_an_unknown_attempt(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """After its lease it is sent once more, with the same id."""
    delivery = kept(deliveries, clock())
    sender.answer = fails_with(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        attempt(deliverer, delivery.id)
    sender.answer = lambda: OK
    clock.advance(LEASE - timedelta(milliseconds=1))
    assert attempt(deliverer, delivery.id) is None
    assert len(sender.sent) == 1
    clock.advance(timedelta(milliseconds=1))
    attempt(deliverer, delivery.id)
    unknown, done = now_of(deliveries).attempts
    assert (unknown.number, unknown.ended, unknown.status) == (1, None, None)
    assert (done.number, done.status) == (2, 204)
    assert {headers["webhook-id"] for _, headers, _ in sender.sent} == {delivery.id}


def most_pages(database: Database, pages: int) -> None:
    """Let the database's file have no more pages than that."""
    with database.write() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages}")


def test_an_outcome_that_cannot_be_kept_is_not_lost(
    deliverer: Deliverer,
    deliveries: SqliteDeliveryRepository,
    sender: Sender,
    clock: Any,
    database: Database,
) -> None:
    """Disk full at the end: it is sent again after the lease."""
    delivery = kept(deliveries, clock())

    def answer() -> Response:
        most_pages(database, 1)  # those there are
        return Response(200, None, bytes(4096))

    sender.answer = answer
    with pytest.raises(Unavailable, match="full"):
        attempt(deliverer, delivery.id)
    most_pages(database, 1_000_000)
    clock.advance(LEASE)
    assert list(deliveries.find_due(clock(), 10)) == [delivery.id]
    sender.answer = lambda: OK
    attempt(deliverer, delivery.id)
    found = now_of(deliveries)
    assert found.state is DeliveryState.DELIVERED
    assert [each.status for each in found.attempts] == [None, 204]


def test_a_stale_workers_outcome_changes_nothing(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """It neither ends what another has in hand nor puts it off."""
    delivery = kept(deliveries, clock())

    def answer() -> Response:
        clock.advance(LEASE)
        assert deliveries.claim(delivery.id, clock(), LEASE)
        return Response(410, None, b"")

    sender.answer = answer
    assert attempt(deliverer, delivery.id) is None
    found = now_of(deliveries)
    assert found.state is DeliveryState.PENDING
    assert [attempt.ended for attempt in found.attempts] == [None, None]


def test_a_clock_set_back_causes_no_storm(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """What was tried already waits for its time; nothing is sent meanwhile."""
    delivery = kept(deliveries, clock())
    sender.answer = lambda: Response(500, None, b"")
    attempt(deliverer, delivery.id)
    clock.advance(timedelta(minutes=-10))
    for _ in range(10):
        clock.advance(timedelta(minutes=1))
        attempt(deliverer, delivery.id)
    assert len(sender.sent) == 1
    clock.advance(PAUSES[0])
    attempt(deliverer, delivery.id)
    assert len(sender.sent) == 2


def test_gone_disables_the_endpoint(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """What else was to go there is cancelled, with the reason, and nothing is sent."""
    first, second = kept(deliveries, clock(), "1"), kept(deliveries, clock(), "2")
    sender.answer = lambda: Response(410, None, b"")
    assert attempt(deliverer, first.id) is None
    (disabled,) = deliveries.disabled_endpoints("anna")
    assert (disabled.endpoint, disabled.at) == (URL, clock())
    assert attempt(deliverer, second.id) is None
    cancelled = now_of(deliveries, "2")
    assert (cancelled.state, cancelled.attempts[0].error) == (DeliveryState.CANCELLED, "disabled")
    assert b"410 Gone on 2026-" in cancelled.attempts[0].response
    assert len(sender.sent) == 1


def test_an_endpoint_that_is_enabled_again_is_sent_to(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """What was cancelled can be redelivered, with its whole schedule."""
    delivery = kept(deliveries, clock())
    deliveries.disable_endpoint("anna", URL, clock())
    attempt(deliverer, delivery.id)
    deliveries.redeliver(delivery.id, clock())
    attempt(deliverer, delivery.id)
    assert now_of(deliveries).state is DeliveryState.CANCELLED
    assert deliveries.enable_endpoint("anna", URL)
    deliveries.redeliver(delivery.id, clock())
    sender.answer = lambda: Response(500, None, b"")
    assert attempt(deliverer, delivery.id) == PAUSES[0]
    clock.advance(PAUSES[0])
    sender.answer = lambda: OK
    attempt(deliverer, delivery.id)
    assert now_of(deliveries).state is DeliveryState.DELIVERED


def test_what_is_redelivered_has_ten_more_attempts(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """As the same webhook."""
    delivery = kept(deliveries, clock())
    sender.answer = lambda: Response(500, None, b"")
    for sent in (MAX_ATTEMPTS, 2 * MAX_ATTEMPTS):
        while (pause := attempt(deliverer, delivery.id)) is not None:
            clock.advance(pause)
        assert now_of(deliveries).state is DeliveryState.EXHAUSTED
        assert len(sender.sent) == sent
        deliveries.redeliver(delivery.id, clock())
    assert {headers["webhook-id"] for _, headers, _ in sender.sent} == {delivery.id}


def test_a_test_event_is_tried_once(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """Somebody is looking: a receiver that isn't ready is asked again when they say so."""
    delivery = kept(deliveries, clock(), version=TEST_VERSION)
    sender.answer = lambda: Response(500, None, b"")
    assert attempt(deliverer, delivery.id) is None
    assert now_of(deliveries).state is DeliveryState.EXHAUSTED


def test_the_end_of_an_attempt_calls_the_next_in_line(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """However it ended: a dead receiver's line moves on too."""
    made = [kept(deliveries, clock(), str(number)) for number in range(PER_ENDPOINT + 2)]
    sender.answer = fails_with(SendError("timeout", "no answer"))
    first, second = made[0].id, made[-2].id
    assert list(deliverer.attempt(first)) == [DeliveryJob(first, PAUSES[0]), DeliveryJob(second)]
    clock.advance(PAUSES[0])
    third = made[-1].id
    assert list(deliverer.attempt(second)) == [DeliveryJob(second, PAUSES[0])]
    assert list(deliverer.attempt(first)) == [DeliveryJob(first, PAUSES[1]), DeliveryJob(third)]


def test_a_clock_set_back_does_not_end_an_attempt_before_it_began(
    deliverer: Deliverer,
    deliveries: SqliteDeliveryRepository,
    sender: Sender,
    clock: Any,
    stopwatch: Stopwatch,
) -> None:
    """How long it took is measured by a clock that nobody sets."""
    delivery = kept(deliveries, clock())

    def answer() -> Response:
        stopwatch.seconds += 3
        clock.advance(-timedelta(minutes=10))
        return OK

    sender.answer = answer
    attempt(deliverer, delivery.id)
    (made,) = now_of(deliveries).attempts
    assert made.ended == made.started + timedelta(seconds=3)


def test_attempts_that_are_never_finished_come_to_an_end(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """A worker that is killed in each counts as much as a receiver that answers none."""
    delivery = kept(deliveries, clock())
    for _ in range(MAX_ATTEMPTS):
        assert deliveries.claim(delivery.id, clock(), LEASE)
        clock.advance(LEASE)
    assert attempt(deliverer, delivery.id) is None
    assert sender.sent == []
    after = now_of(deliveries)
    assert (after.state, len(after.attempts)) == (DeliveryState.EXHAUSTED, MAX_ATTEMPTS + 1)
    assert after.attempts[-1].error == "internal"
    clock.advance(DAY)
    assert attempt(deliverer, delivery.id) is None
