"""The notifier's ways in: stream records, hints and the sweep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.backends.sqlite import Database
from core.domain.blob import Blob, expire
from core.domain.delivery import PER_ENDPOINT, DeliveryState
from core.domain.errors import Unavailable
from core.queues.sqlite import SqliteQueue
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from embedded.migrations import MIGRATIONS
from notifier.delivery import DeliveryJob
from notifier.handler import LONGEST_DELAY, SWEEP_LIMIT, Notifier
from notifier.subscription_publisher import SubscriptionPublisher
from tests.support.blobs import a_blob, again, failed, labelled, uploaded
from tests.support.stream_records import stream_record

URL = "https://example.test/hook"
NOTHING: dict[str, Any] = {"batchItemFailures": []}
SWEEP = {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
LEASE = timedelta(seconds=30)
TICK = timedelta(milliseconds=1)


class Deliverer:
    """Keeps the ids it is given; `due_in` says what comes of each."""

    def __init__(self) -> None:
        self.attempted: list[str] = []
        self.due_in: dict[str, timedelta | Exception | None] = {}

    def attempt(self, delivery_id: str) -> list[DeliveryJob]:
        self.attempted.append(delivery_id)
        outcome = self.due_in.get(delivery_id)
        if isinstance(outcome, Exception):
            raise outcome
        return [DeliveryJob(delivery_id, outcome)] if outcome else []


class EmbeddedStores:
    """A notifier on real stores."""

    def __init__(self, path: Path, clock: Any) -> None:
        self.clock = clock
        self.database = Database(path, MIGRATIONS)
        self.blobs = SqliteBlobRepository(self.database, clock)
        self.deliveries = SqliteDeliveryRepository(self.database)
        self.delivery_queue = SqliteQueue(
            self.database, "hints", clock, visibility=timedelta(minutes=1), max_receives=5
        )
        self.deliverer = Deliverer()
        self.notifier = Notifier(
            self.blobs, self.deliveries, self.deliverer, self.delivery_queue, clock
        )  # fmt: skip

    def take(self, *records: dict[str, Any]) -> list[str]:
        """Give a batch; return which of it is to be given again."""
        answer = self.notifier.handle({"Records": list(records)})
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]

    def enqueued(self) -> list[str]:
        """Take the hints that can be seen now."""
        messages = self.delivery_queue.receive(limit=1000)
        for message in messages:
            self.delivery_queue.delete(message.receipt)
        return [json.loads(message.body)["delivery_id"] for message in messages]

    def due(self) -> list[str]:
        return list(self.deliveries.find_due(self.clock(), 1000))

    def counts(self) -> dict[str, int]:
        page = self.blobs.find_labels("anna", "", first=100)
        return {summary.name: summary.blob_count for summary in page.items}


@pytest.fixture
def stores(tmp_path: Path, clock: Any) -> Iterator[EmbeddedStores]:
    stores = EmbeddedStores(tmp_path / "labelling.sqlite", clock)
    yield stores
    stores.database.close()


def finished(**values: Any) -> tuple[Blob, Blob]:
    """A blob before and after its labels came."""
    before = uploaded(a_blob(**{"callback_url": URL, **values}))
    return before, labelled(before, ("Cat", 90.0))


def delivery_id(blob: Blob) -> str:
    return f"msg_{blob.id}_{blob.version}"


def hint(number: int, body: str) -> dict[str, Any]:
    return {"messageId": f"m{number}", "body": body, "eventSource": "aws:sqs"}


def job_for(number: int, delivery: str) -> dict[str, Any]:
    return hint(number, json.dumps({"delivery_id": delivery}))


# Stream records


def test_a_finished_blob_makes_one_delivery_and_one_hint(stores: EmbeddedStores) -> None:
    """However often its record comes: in one batch, in the next, or a day later."""
    old, new = finished()
    record = stream_record(old, new)
    assert stores.take(record, record) == []
    assert stores.take(record) == []
    assert stores.due() == stores.enqueued() == [delivery_id(new)]
    claim = stores.deliveries.claim(delivery_id(new), stores.clock(), LEASE)
    assert claim is not None
    stores.clock.advance(timedelta(days=1))
    assert stores.take(record) == []
    assert stores.enqueued() == []
    assert stores.counts() == {"Cat": 1}


def test_each_labelling_is_an_event_of_its_own(stores: EmbeddedStores) -> None:
    """With an id of its own; counts are those of the last."""
    old, new = finished()
    once_more = again(new)
    worse = failed(once_more)
    records = [stream_record(*pair) for pair in [(old, new), (new, once_more), (once_more, worse)]]
    assert stores.take(*records) == []
    assert sorted(stores.due()) == sorted([delivery_id(new), delivery_id(worse)])
    assert stores.counts() == {}


@pytest.mark.parametrize("old", [finished()[1], finished()[0], a_blob(callback_url=URL)])
def test_a_removal_sends_nothing(stores: EmbeddedStores, old: Blob) -> None:
    """Whatever the blob was."""
    assert stores.take(stream_record(old, None)) == []
    assert stores.due() == stores.enqueued() == []


def test_a_removal_undoes_what_was_told_before(stores: EmbeddedStores) -> None:
    """Its counts and deliveries; a change of it that is told after that brings nothing back."""
    old, new = finished()
    stores.blobs.create(new)
    other = finished()[1]
    assert stores.take(stream_record(old, new), stream_record(None, other)) == []
    assert stores.counts() == {"Cat": 2}
    stores.blobs.delete(new, stores.clock())
    for _ in range(2):
        assert stores.take(stream_record(new, None), stream_record(old, new)) == []
        assert stores.counts() == {"Cat": 1}
        assert stores.due() == [delivery_id(other)]
    stores.enqueued()


def test_a_removal_lets_others_go(stores: EmbeddedStores) -> None:
    """Who waited in line behind the deliveries removed is hinted at."""
    blobs = [finished() for _ in range(PER_ENDPOINT + 1)]
    for old, new in blobs:
        stores.take(stream_record(old, new))
    assert len(stores.enqueued()) == PER_ENDPOINT
    stores.take(stream_record(blobs[0][1], None))
    assert stores.enqueued() == [delivery_id(blobs[-1][1])]


def test_an_unrelated_change_sends_nothing(stores: EmbeddedStores) -> None:
    """A creation, an upload, an expiry, a write that changes nothing, another item."""
    awaiting = a_blob(callback_url=URL)
    _, done = finished()
    other_item = stream_record(None, done)
    other_item["dynamodb"]["Keys"]["sk"] = {"S": "delivery#x"}
    records = [
        stream_record(None, awaiting),
        stream_record(awaiting, uploaded(awaiting)),
        stream_record(awaiting, expire(awaiting)),
        stream_record(done, done),
        stream_record(done, again(done)),
        other_item,
    ]
    assert stores.take(*records) == []
    assert stores.due() == stores.enqueued() == []
    assert stores.counts() == {}


def test_without_a_callback_labels_are_counted_only(stores: EmbeddedStores) -> None:
    """Nobody asked to be told."""
    assert stores.take(stream_record(*finished(callback_url=None))) == []
    assert stores.due() == []
    assert stores.counts() == {"Cat": 1}


def test_a_poison_record_is_reported_and_the_others_proceed(stores: EmbeddedStores) -> None:
    """Those before it and those behind it."""
    (old, new), (old_2, new_2) = finished(), finished()
    poison = stream_record(old, new)
    poison["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    failures = stores.take(stream_record(old, new), poison, stream_record(old_2, new_2))
    assert failures == [poison["dynamodb"]["SequenceNumber"]]
    assert sorted(stores.enqueued()) == sorted([delivery_id(new), delivery_id(new_2)])


def test_a_record_that_meets_a_busy_store_is_reported(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given again, it is done."""
    record = stream_record(*(pair := finished()))
    with monkeypatch.context() as busy:
        busy.setattr(stores.deliveries, "add", raising(Unavailable("busy")))
        assert stores.take(record) == [record["dynamodb"]["SequenceNumber"]]
    assert stores.take(record) == []
    assert stores.due() == [delivery_id(pair[1])]


def raising(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


class Ear:
    """Keeps what it is told of; of who listens, it can't say."""

    def __init__(self) -> None:
        self.blob_ids: list[str] = []

    def is_heard(self, topic: str) -> bool:
        raise Unavailable("down")

    def take(self, changes: Any) -> None:
        self.blob_ids += [(each.new or each.old).id for each in changes]


def test_changes_are_told_to_those_who_listen_once_they_are_done(stores: EmbeddedStores) -> None:
    """Not those that are given again; nor what is no change, or can't be read."""
    publisher = Ear()
    stores.notifier = Notifier(
        stores.blobs,
        stores.deliveries,
        stores.deliverer,
        stores.delivery_queue,
        stores.clock,
        publisher=publisher,
    )
    pairs = [finished() for _ in range(3)]
    poison = stream_record(*pairs[1])
    poison["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    other_item = stream_record(None, pairs[0][1])
    other_item["dynamodb"]["Keys"]["sk"] = {"S": "delivery#x"}
    stores.take(stream_record(*pairs[0]), other_item, poison, stream_record(*pairs[2]))
    assert publisher.blob_ids == [pairs[0][1].id]
    stores.take(stream_record(*pairs[2]), stream_record(pairs[0][1], None))
    assert publisher.blob_ids[1:] == [pairs[2][1].id, pairs[0][1].id]
    stores.take(job_for(1, "a"))
    stores.notifier.handle(SWEEP)
    assert len(publisher.blob_ids) == 3


def test_who_can_not_be_told_holds_up_no_webhook(stores: EmbeddedStores) -> None:
    """It is as if nobody listened."""
    publisher = SubscriptionPublisher(Ear(), raising(AssertionError))
    stores.notifier = Notifier(
        stores.blobs,
        stores.deliveries,
        stores.deliverer,
        stores.delivery_queue,
        stores.clock,
        publisher=publisher,
    )
    old, new = finished()
    assert stores.take(stream_record(old, new)) == []
    assert stores.enqueued() == [delivery_id(new)]


# Hints


def test_a_hint_is_an_attempt(stores: EmbeddedStores) -> None:
    """And is done with when nothing is due again."""
    assert stores.take(job_for(1, "a"), job_for(2, "b")) == []
    assert stores.deliverer.attempted == ["a", "b"]
    assert stores.enqueued() == []


def test_a_retry_is_hinted_at_for_when_it_is_due(stores: EmbeddedStores) -> None:
    """Not before."""
    stores.deliverer.due_in["a"] = timedelta(seconds=5)
    assert stores.take(job_for(1, "a")) == []
    stores.clock.advance(timedelta(seconds=5) - TICK)
    assert stores.enqueued() == []
    stores.clock.advance(TICK)
    assert stores.enqueued() == ["a"]


def test_what_is_due_later_than_sqs_can_delay_is_left_to_the_sweep(stores: EmbeddedStores) -> None:
    """A hint that comes too early would be for nothing."""
    stores.deliverer.due_in |= {"soon": LONGEST_DELAY, "late": LONGEST_DELAY + TICK, "past": -TICK}
    stores.take(job_for(1, "soon"), job_for(2, "late"), job_for(3, "past"))
    assert stores.enqueued() == ["past"]
    stores.clock.advance(LONGEST_DELAY)
    assert stores.enqueued() == ["soon"]
    stores.clock.advance(LONGEST_DELAY)
    assert stores.enqueued() == []


def test_hints_that_fail_are_reported_by_their_message(stores: EmbeddedStores) -> None:
    """The others are done."""
    stores.deliverer.due_in |= {"busy": Unavailable("busy"), "broken": RuntimeError("a bug")}
    failures = stores.take(
        job_for(1, "a"),
        job_for(2, "busy"),
        hint(3, "not JSON"),
        hint(4, "[]"),
        hint(5, '{"delivery": "a"}'),
        job_for(6, "broken"),
        job_for(7, "b"),
    )
    assert failures == ["m2", "m3", "m4", "m5", "m6"]
    assert stores.deliverer.attempted == ["a", "busy", "broken", "b"]


# The sweep


def test_a_lost_hint_is_made_up_for_by_the_sweep(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record comes again and finds its delivery kept, so it hints no more."""
    old, new = finished()
    record = stream_record(old, new)
    with monkeypatch.context() as lost:
        lost.setattr(stores.delivery_queue, "send", raising(Unavailable("queue away")))
        assert stores.take(record) == [record["dynamodb"]["SequenceNumber"]]
    assert stores.take(record) == []
    assert stores.enqueued() == []
    assert stores.notifier.handle(SWEEP) == NOTHING
    assert stores.enqueued() == [delivery_id(new)]


def test_the_sweep_hints_at_what_is_due_and_in_nobodys_hands(stores: EmbeddedStores) -> None:
    """It returns how many; delivered ones and those under lease are left alone."""
    pairs = [finished() for _ in range(3)]
    stores.take(*(stream_record(*pair) for pair in pairs))
    stores.enqueued()
    assert stores.deliveries.claim(delivery_id(pairs[0][1]), stores.clock(), LEASE)
    waiting = sorted(delivery_id(new) for _, new in pairs[1:])
    assert stores.notifier.sweep() == 2
    assert sorted(stores.enqueued()) == waiting
    stores.clock.advance(LEASE)
    assert stores.notifier.sweep() == 3


def test_the_sweep_takes_no_more_than_its_share(stores: EmbeddedStores) -> None:
    """The rest is due the next minute."""
    blob = finished()[1]
    with stores.database.write(synced=False):
        for number in range(SWEEP_LIMIT + 1):
            before = replace(again(blob), callback_url=f"{URL}/{number}")
            blob = labelled(before, ("Cat", 90.0))
            stores.take(stream_record(before, blob))
    assert stores.notifier.sweep() == SWEEP_LIMIT


def test_what_waits_in_line_is_not_hinted_at(stores: EmbeddedStores) -> None:
    """Until an attempt at its endpoint makes room: a burst for one fills no queue."""
    pairs = [finished() for _ in range(PER_ENDPOINT + 3)]
    stores.take(*(stream_record(*pair) for pair in pairs))
    assert sorted(stores.enqueued()) == sorted(delivery_id(new) for _, new in pairs[:PER_ENDPOINT])
    assert stores.notifier.sweep() == PER_ENDPOINT


def test_an_event_without_records_does_nothing(stores: EmbeddedStores) -> None:
    """An empty batch is none."""
    assert stores.notifier.handle({"Records": []}) == stores.notifier.handle({}) == NOTHING


def test_a_delivery_waits_pending(stores: EmbeddedStores) -> None:
    """It is the notifier's to attempt; the stream's side only keeps it."""
    old, new = finished()
    stores.take(stream_record(old, new))
    found = stores.deliveries.latest("anna", [new.id])[new.id]
    assert (found.state, found.attempts) == (DeliveryState.PENDING, ())
    assert stores.deliverer.attempted == []


def with_quarantine(stores: EmbeddedStores) -> tuple[Notifier, SqliteQueue]:
    """The notifier as it is where nobody else sets records aside, and its queue for them."""
    quarantine = SqliteQueue(
        stores.database, "aside", stores.clock, visibility=timedelta(minutes=1), max_receives=5
    )
    notifier = Notifier(
        stores.blobs,
        stores.deliveries,
        stores.deliverer,
        stores.delivery_queue,
        stores.clock,
        quarantine,
    )
    return notifier, quarantine


@pytest.mark.parametrize("error", [ZeroDivisionError(), Unavailable("later")])
def test_trouble_with_counting_keeps_no_webhook_back(
    stores: EmbeddedStores, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept and hinted at, whatever becomes of the record."""
    old = uploaded(a_blob(callback_url=URL))
    new = labelled(old, ("Cat", 90.0))

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(stores.blobs, "count_labels", fail)
    record = stream_record(old, new)
    assert stores.take(record) == [record["dynamodb"]["SequenceNumber"]]
    (hint,) = stores.delivery_queue.receive()
    assert json.loads(hint.body)["delivery_id"] == f"msg_{new.id}_{new.version}"
    assert new.id in stores.deliveries.latest("anna", [new.id])


def test_a_record_that_can_never_be_handled_is_set_aside_whole(stores: EmbeddedStores) -> None:
    """It holds up no other, and can be given again as it is."""
    notifier, quarantine = with_quarantine(stores)
    old = uploaded(a_blob(callback_url=URL))
    poison = stream_record(old, labelled(old, ("Cat", 90.0)))
    poison["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    assert notifier.handle({"Records": [poison]}) == NOTHING
    (kept,) = quarantine.receive()
    assert json.loads(kept.body) == {"Records": [poison]}


def test_trouble_that_may_pass_sets_nothing_aside(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is given again."""
    notifier, quarantine = with_quarantine(stores)
    old = uploaded(a_blob(callback_url=URL))
    record = stream_record(old, labelled(old, ("Cat", 90.0)))

    def fail(*_: Any) -> None:
        raise Unavailable("DynamoDB is not well")

    monkeypatch.setattr(stores.deliveries, "add", fail)
    answer = notifier.handle({"Records": [record]})
    assert answer["batchItemFailures"] == [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]
    assert quarantine.receive() == []


def test_a_record_that_can_not_even_be_set_aside_is_given_again(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is dropped."""
    notifier, quarantine = with_quarantine(stores)

    def fail(*_: Any, **__: Any) -> None:
        raise Unavailable("SQS is not well")

    monkeypatch.setattr(quarantine, "send", fail)
    poison = stream_record(None, a_blob())
    poison["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    answer = notifier.handle({"Records": [poison]})
    assert len(answer["batchItemFailures"]) == 1
