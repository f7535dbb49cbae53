"""Single delivery attempts, and sequences of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from core.backends.sqlite import Database
from core.domain.clock import epoch_ms
from core.domain.delivery import (
    MAX_PER_ENDPOINT,
    TEST_VERSION,
    Attempt,
    Delivery,
    DeliveryState,
    delivery_id,
)
from core.domain.errors import Unavailable
from core.domain.owner import Owner, WebhookSecret, new_secret, with_new_key, with_new_secret
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from notifier.delivery import Deliverer, DeliveryJob
from notifier.http.client import Response, SendError
from notifier.retries import MAX_ATTEMPTS, RETRY_DELAYS
from notifier.signing import new_key

LEASE = timedelta(seconds=30)
DAY = timedelta(days=1)
SECRETS = (new_secret(), new_secret())
OK = Response(204, None, b"")
URL = "https://example.test/hook"


class Owners:
    """Every owner has two secrets, as during a rotation, or what `known` says."""

    def __init__(self) -> None:
        self.known = Owner("anna", tuple(map(WebhookSecret, SECRETS)))

    def get_or_create(self, owner_id: str) -> Owner:
        return self.known


class Sender:
    """Records what is sent and returns what `respond` returns."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Mapping[str, str], bytes]] = []
        self.respond: Callable[[], Response] = lambda: OK

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        self.sent.append((url, headers, body))
        return self.respond()


class Middle:
    """No jitter."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@pytest.fixture
def deliveries(database: Database) -> SqliteDeliveryRepository:
    return SqliteDeliveryRepository(database)


@pytest.fixture
def sender() -> Sender:
    return Sender()


class Stopwatch:
    """A clock that advances only when a test sets it."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def owners() -> Owners:
    return Owners()


@pytest.fixture
def monotonic() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def deliverer(
    deliveries: SqliteDeliveryRepository,
    owners: Owners,
    sender: Sender,
    clock: Any,
    monotonic: Stopwatch,
) -> Deliverer:
    return Deliverer(
        deliveries, owners, sender, clock, Middle(), lease_duration=LEASE, monotonic=monotonic
    )


def stored(
    deliveries: SqliteDeliveryRepository,
    at: datetime,
    name: str = "1",
    version: int = 3,
) -> Delivery:
    body = b'{"snow":"\xe2\x98\x83"}'
    delivery = Delivery(delivery_id(name, version), name, "anna", URL, body, at, at)
    deliveries.add(delivery)
    return delivery


def current(deliveries: SqliteDeliveryRepository, name: str = "1") -> Delivery:
    return deliveries.find_latest("anna", [name])[name]


def attempt(deliverer: Deliverer, delivery_id: str) -> timedelta | None:
    """Run a delivery job. Return the delay of the next job for the same delivery."""
    delays = [
        each.delay for each in deliverer.attempt(delivery_id) if each.delivery_id == delivery_id
    ]
    return delays[0] if delays else None


def fails_with(error: Exception) -> Callable[[], Response]:
    def respond() -> Response:
        raise error

    return respond


def test_attempt_sends_stored_body_signed_with_every_secret(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """The id is the delivery's, the timestamp the attempt's."""
    clock.now = datetime.now(clock.now.tzinfo).replace(microsecond=0)
    delivery = stored(deliveries, clock())
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


def test_success_is_recorded_and_not_repeated(
    deliverer: Deliverer,
    deliveries: SqliteDeliveryRepository,
    sender: Sender,
    clock: Any,
    monotonic: Stopwatch,
) -> None:
    """The record holds the response and both times."""
    delivery = stored(deliveries, clock())
    started = clock()

    def respond() -> Response:
        monotonic.seconds += 2
        return Response(200, None, b"thanks")

    sender.respond = respond
    assert attempt(deliverer, delivery.id) is None
    assert current(deliveries) == replace(
        delivery,
        state=DeliveryState.DELIVERED,
        ended_at=started + timedelta(seconds=2),
        attempts=(Attempt(1, started, started + timedelta(seconds=2), 200, None, b"thanks"),),
    )
    clock.advance(DAY)
    assert attempt(deliverer, delivery.id) is None
    assert len(sender.sent) == 1


@pytest.mark.parametrize(
    ("respond", "status", "error", "state"),
    [
        (lambda: Response(500, None, b"oh"), 500, "status", DeliveryState.PENDING),
        (lambda: Response(301, None, b"oh"), 301, "status", DeliveryState.PENDING),
        (lambda: Response(410, None, b"oh"), 410, "status", DeliveryState.GONE),
        (fails_with(SendError("timeout", "no response")), None, "timeout", DeliveryState.PENDING),
        (fails_with(SendError("tls", "bad")), None, "tls", DeliveryState.PENDING),
    ],
)
def test_failure_is_recorded_with_its_class_and_retry_time(
    deliverer: Deliverer,
    deliveries: SqliteDeliveryRepository,
    sender: Sender,
    clock: Any,
    respond: Callable[[], Response],
    status: int | None,
    error: str,
    state: DeliveryState,
) -> None:
    delivery = stored(deliveries, clock())
    sender.respond = respond
    delay = attempt(deliverer, delivery.id)
    found = current(deliveries)
    assert (found.state, found.attempts[0].status, found.attempts[0].error) == (
        state, status, error,
    )  # fmt: skip
    if state is DeliveryState.PENDING:
        assert delay == RETRY_DELAYS[0] == found.due_at - clock()
    else:
        assert delay is None


def test_retry_after_delays_the_next_attempt(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    delivery = stored(deliveries, clock())
    sender.respond = lambda: Response(429, "600", b"")
    assert attempt(deliverer, delivery.id) == timedelta(minutes=10)
    clock.advance(timedelta(minutes=10) - timedelta(milliseconds=1))
    assert attempt(deliverer, delivery.id) is None
    assert len(sender.sent) == 1


def test_retry_keeps_the_id_and_renews_the_timestamp(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """After 500 and 200 the delivery is delivered, and both signatures verify."""
    clock.now = datetime.now(clock.now.tzinfo).replace(microsecond=0)
    delivery = stored(deliveries, clock())
    responses = iter([Response(500, None, b""), OK])
    sender.respond = lambda: next(responses)
    delay = attempt(deliverer, delivery.id)
    assert delay is not None
    clock.advance(delay)
    assert attempt(deliverer, delivery.id) is None
    assert current(deliveries).state is DeliveryState.DELIVERED
    (_, first, body), (_, second, same_body) = sender.sent
    assert first["webhook-id"] == second["webhook-id"] == delivery.id
    assert int(second["webhook-timestamp"]) == int(first["webhook-timestamp"]) + 5
    assert body == same_body
    for headers in (first, second):
        Webhook(SECRETS[0]).verify(body, dict(headers))


def test_second_attempt_is_signed_with_rotated_secrets(
    deliverer: Deliverer,
    deliveries: SqliteDeliveryRepository,
    owners: Owners,
    sender: Sender,
    clock: Any,
) -> None:
    """The old secret signs too while it is valid, and so does the owner's key."""
    clock.now = datetime.now(clock.now.tzinfo).replace(microsecond=0)
    old, new, key = new_secret(), new_secret(), new_key()
    owners.known = Owner("anna", (WebhookSecret(old),))
    delivery = stored(deliveries, clock())
    sender.respond = lambda: Response(500, None, b"")
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


def test_ten_failures_exhaust_the_delivery(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """All ten attempts are recorded, and there is no eleventh."""
    delivery = stored(deliveries, clock())
    sender.respond = lambda: Response(404, None, b"")
    started = clock()
    while (delay := attempt(deliverer, delivery.id)) is not None:
        clock.advance(delay)
    assert clock() - started == timedelta(hours=75, minutes=35, seconds=5)
    found = current(deliveries)
    assert found.state is DeliveryState.EXHAUSTED
    assert [attempt.number for attempt in found.attempts] == list(range(1, 11))
    clock.advance(30 * DAY)
    assert attempt(deliverer, delivery.id) is None
    assert len(sender.sent) == MAX_ATTEMPTS


def test_forbidden_address_is_rejected_without_retry(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """The owner can read the reason."""
    delivery = stored(deliveries, clock())
    sender.respond = fails_with(SendError("rejected", "receiver.example is at 10.0.0.1"))
    assert attempt(deliverer, delivery.id) is None
    rejected = current(deliveries)
    assert rejected.state is DeliveryState.REJECTED
    assert rejected.attempts[0].error == "rejected"
    assert b"10.0.0.1" in rejected.attempts[0].response
    clock.advance(DAY)
    assert attempt(deliverer, delivery.id) is None
    assert len(sender.sent) == 1


def test_internal_error_counts_as_an_attempt(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """So the delivery ends after ten attempts."""
    delivery = stored(deliveries, clock())
    sender.respond = fails_with(RuntimeError("bug"))
    assert attempt(deliverer, delivery.id) == RETRY_DELAYS[0]
    assert current(deliveries).attempts[0].error == "internal"


def test_jobs_for_unclaimable_deliveries_send_nothing(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """The delivery is unknown, not due, or leased by another worker."""
    assert attempt(deliverer, "msg_unknown") is None
    stored(deliveries, clock() + timedelta(seconds=1), "later")
    assert attempt(deliverer, "msg_later_3") is None
    claimed = stored(deliveries, clock(), "claimed")
    deliveries.claim(claimed.id, clock(), LEASE)
    assert attempt(deliverer, claimed.id) is None
    assert sender.sent == []


def test_killed_worker_leaves_an_attempt_without_outcome(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """After the lease the delivery is sent again with the same id."""
    delivery = stored(deliveries, clock())
    sender.respond = fails_with(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        attempt(deliverer, delivery.id)
    sender.respond = lambda: OK
    clock.advance(LEASE - timedelta(milliseconds=1))
    assert attempt(deliverer, delivery.id) is None
    assert len(sender.sent) == 1
    clock.advance(timedelta(milliseconds=1))
    attempt(deliverer, delivery.id)
    unknown, done = current(deliveries).attempts
    assert (unknown.number, unknown.ended, unknown.status) == (1, None, None)
    assert (done.number, done.status) == (2, 204)
    assert {headers["webhook-id"] for _, headers, _ in sender.sent} == {delivery.id}


def limit_pages(database: Database, pages: int) -> None:
    """Limit the size of the database's file."""
    with database.write() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages}")


def test_delivery_whose_outcome_cannot_be_stored_is_sent_again(
    deliverer: Deliverer,
    deliveries: SqliteDeliveryRepository,
    sender: Sender,
    clock: Any,
    database: Database,
) -> None:
    """The disk is full at the end of the attempt. The lease runs out, then it is retried."""
    delivery = stored(deliveries, clock())

    def respond() -> Response:
        limit_pages(database, 1)  # the existing ones
        return Response(200, None, bytes(4096))

    sender.respond = respond
    with pytest.raises(Unavailable, match="full"):
        attempt(deliverer, delivery.id)
    limit_pages(database, 1_000_000)
    clock.advance(LEASE)
    assert list(deliveries.find_due(clock(), 10)) == [delivery.id]
    sender.respond = lambda: OK
    attempt(deliverer, delivery.id)
    found = current(deliveries)
    assert found.state is DeliveryState.DELIVERED
    assert [each.status for each in found.attempts] == [None, 204]


def test_outcome_after_a_lost_lease_changes_nothing(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """It neither ends nor delays the attempt of the worker that has the lease now."""
    delivery = stored(deliveries, clock())

    def respond() -> Response:
        clock.advance(LEASE)
        assert deliveries.claim(delivery.id, clock(), LEASE)
        return Response(410, None, b"")

    sender.respond = respond
    assert attempt(deliverer, delivery.id) is None
    found = current(deliveries)
    assert found.state is DeliveryState.PENDING
    assert [attempt.ended for attempt in found.attempts] == [None, None]


def test_clock_set_back_causes_no_extra_attempts(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """A tried delivery waits for its due time."""
    delivery = stored(deliveries, clock())
    sender.respond = lambda: Response(500, None, b"")
    attempt(deliverer, delivery.id)
    clock.advance(timedelta(minutes=-10))
    for _ in range(10):
        clock.advance(timedelta(minutes=1))
        attempt(deliverer, delivery.id)
    assert len(sender.sent) == 1
    clock.advance(RETRY_DELAYS[0])
    attempt(deliverer, delivery.id)
    assert len(sender.sent) == 2


def test_gone_disables_the_endpoint(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """Other deliveries to it are cancelled with the reason, and nothing is sent."""
    first, second = stored(deliveries, clock(), "1"), stored(deliveries, clock(), "2")
    sender.respond = lambda: Response(410, None, b"")
    assert attempt(deliverer, first.id) is None
    (disabled,) = deliveries.disabled_endpoints("anna")
    assert (disabled.endpoint, disabled.at) == (URL, clock())
    assert attempt(deliverer, second.id) is None
    cancelled = current(deliveries, "2")
    assert (cancelled.state, cancelled.attempts[0].error) == (DeliveryState.CANCELLED, "disabled")
    assert b"410 Gone on 2026-" in cancelled.attempts[0].response
    assert len(sender.sent) == 1


def test_enabled_endpoint_receives_again(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """A cancelled delivery can be redelivered with its whole schedule."""
    delivery = stored(deliveries, clock())
    deliveries.disable_endpoint("anna", URL, clock())
    attempt(deliverer, delivery.id)
    deliveries.redeliver(delivery.id, clock())
    attempt(deliverer, delivery.id)
    assert current(deliveries).state is DeliveryState.CANCELLED
    assert deliveries.enable_endpoint("anna", URL)
    deliveries.redeliver(delivery.id, clock())
    sender.respond = lambda: Response(500, None, b"")
    assert attempt(deliverer, delivery.id) == RETRY_DELAYS[0]
    clock.advance(RETRY_DELAYS[0])
    sender.respond = lambda: OK
    attempt(deliverer, delivery.id)
    assert current(deliveries).state is DeliveryState.DELIVERED


def test_redelivery_has_ten_more_attempts(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """They keep the webhook-id."""
    delivery = stored(deliveries, clock())
    sender.respond = lambda: Response(500, None, b"")
    for sent in (MAX_ATTEMPTS, 2 * MAX_ATTEMPTS):
        while (delay := attempt(deliverer, delivery.id)) is not None:
            clock.advance(delay)
        assert current(deliveries).state is DeliveryState.EXHAUSTED
        assert len(sender.sent) == sent
        deliveries.redeliver(delivery.id, clock())
    assert {headers["webhook-id"] for _, headers, _ in sender.sent} == {delivery.id}


def test_test_event_is_sent_once_without_retry(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """The user sends another one when the receiver is ready."""
    delivery = stored(deliveries, clock(), version=TEST_VERSION)
    sender.respond = lambda: Response(500, None, b"")
    assert attempt(deliverer, delivery.id) is None
    assert current(deliveries).state is DeliveryState.EXHAUSTED


def test_end_of_an_attempt_starts_the_next_in_line(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """This holds for failed attempts too, so a dead receiver's line moves on."""
    made = [stored(deliveries, clock(), str(number)) for number in range(MAX_PER_ENDPOINT + 2)]
    sender.respond = fails_with(SendError("timeout", "no response"))
    first, second = made[0].id, made[-2].id
    assert list(deliverer.attempt(first)) == [
        DeliveryJob(first, RETRY_DELAYS[0]),
        DeliveryJob(second),
    ]
    clock.advance(RETRY_DELAYS[0])
    third = made[-1].id
    assert list(deliverer.attempt(second)) == [DeliveryJob(second, RETRY_DELAYS[0])]
    assert list(deliverer.attempt(first)) == [
        DeliveryJob(first, RETRY_DELAYS[1]),
        DeliveryJob(third),
    ]


def test_clock_set_back_does_not_end_an_attempt_before_its_start(
    deliverer: Deliverer,
    deliveries: SqliteDeliveryRepository,
    sender: Sender,
    clock: Any,
    monotonic: Stopwatch,
) -> None:
    """The duration is measured by a monotonic clock."""
    delivery = stored(deliveries, clock())

    def respond() -> Response:
        monotonic.seconds += 3
        clock.advance(-timedelta(minutes=10))
        return OK

    sender.respond = respond
    attempt(deliverer, delivery.id)
    (made,) = current(deliveries).attempts
    assert made.ended == made.started + timedelta(seconds=3)


def test_unfinished_attempts_exhaust_the_delivery(
    deliverer: Deliverer, deliveries: SqliteDeliveryRepository, sender: Sender, clock: Any
) -> None:
    """An attempt whose worker is killed counts like one without a response."""
    delivery = stored(deliveries, clock())
    for _ in range(MAX_ATTEMPTS):
        assert deliveries.claim(delivery.id, clock(), LEASE)
        clock.advance(LEASE)
    assert attempt(deliverer, delivery.id) is None
    assert sender.sent == []
    after = current(deliveries)
    assert (after.state, len(after.attempts)) == (DeliveryState.EXHAUSTED, MAX_ATTEMPTS + 1)
    assert after.attempts[-1].error == "internal"
    clock.advance(DAY)
    assert attempt(deliverer, delivery.id) is None
