"""The notifier's events: stream records, delivery jobs and the sweep."""

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
from core.domain.delivery import MAX_PER_ENDPOINT, DeliveryState
from core.domain.errors import Unavailable
from core.queues.sqlite import SqliteQueue
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from embedded.migrations import MIGRATIONS
from notifier.delivery import DeliveryJob
from notifier.handler import MAX_DELAY, SWEEP_LIMIT, Notifier
from notifier.subscription_publisher import SubscriptionPublisher
from tests.support.aws.stream_records import stream_record
from tests.support.blobs import a_blob, again, failed, labelled, uploaded

URL = "https://example.test/hook"
NOTHING: dict[str, Any] = {"batchItemFailures": []}
SWEEP = {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
LEASE = timedelta(seconds=30)
TICK = timedelta(milliseconds=1)


class Deliverer:
    """Records the ids it is given. `due_in` maps an id to its next job's delay, or an error."""

    def __init__(self) -> None:
        self.attempted: list[str] = []
        self.due_in: dict[str, timedelta | Exception | None] = {}

    def attempt(self, delivery_id: str) -> list[DeliveryJob]:
        self.attempted.append(delivery_id)
        outcome = self.due_in.get(delivery_id)
        if isinstance(outcome, Exception):
            raise outcome
        return [DeliveryJob(delivery_id, outcome)] if outcome else []


class Stores:
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

    def handle(self, *records: dict[str, Any]) -> list[str]:
        """Handle a batch. Return the identifiers of the records to retry."""
        result = self.notifier.handle({"Records": list(records)})
        return [item["itemIdentifier"] for item in result["batchItemFailures"]]

    def enqueued(self) -> list[str]:
        """Receive and delete the jobs that are visible now."""
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
def stores(tmp_path: Path, clock: Any) -> Iterator[Stores]:
    stores = Stores(tmp_path / "labelling.sqlite", clock)
    yield stores
    stores.database.close()


def finished(**values: Any) -> tuple[Blob, Blob]:
    """A blob before and after it is labelled."""
    before = uploaded(a_blob(**{"callback_url": URL, **values}))
    return before, labelled(before, ("Cat", 90.0))


def delivery_id(blob: Blob) -> str:
    return f"msg_{blob.id}_{blob.version}"


def sqs_record(number: int, body: str) -> dict[str, Any]:
    return {"messageId": f"m{number}", "body": body, "eventSource": "aws:sqs"}


def job_for(number: int, delivery: str) -> dict[str, Any]:
    return sqs_record(number, json.dumps({"delivery_id": delivery}))


# Stream records


def test_labelled_blob_creates_one_delivery_and_one_job(stores: Stores) -> None:
    """A repeated record changes nothing: in the same batch, in the next, or a day later."""
    old, new = finished()
    record = stream_record(old, new)
    assert stores.handle(record, record) == []
    assert stores.handle(record) == []
    assert stores.due() == stores.enqueued() == [delivery_id(new)]
    claim = stores.deliveries.claim(delivery_id(new), stores.clock(), LEASE)
    assert claim is not None
    stores.clock.advance(timedelta(days=1))
    assert stores.handle(record) == []
    assert stores.enqueued() == []
    assert stores.counts() == {"Cat": 1}


def test_each_labelling_creates_its_own_delivery(stores: Stores) -> None:
    """Each has its own id, and the counts are those of the last labelling."""
    old, new = finished()
    once_more = again(new)
    worse = failed(once_more)
    records = [stream_record(*pair) for pair in [(old, new), (new, once_more), (once_more, worse)]]
    assert stores.handle(*records) == []
    assert sorted(stores.due()) == sorted([delivery_id(new), delivery_id(worse)])
    assert stores.counts() == {}


@pytest.mark.parametrize("old", [finished()[1], finished()[0], a_blob(callback_url=URL)])
def test_removal_sends_nothing(stores: Stores, old: Blob) -> None:
    """This holds for every status of the blob."""
    assert stores.handle(stream_record(old, None)) == []
    assert stores.due() == stores.enqueued() == []


def test_removal_deletes_counts_and_deliveries(stores: Stores) -> None:
    """A late record of an earlier change restores nothing."""
    old, new = finished()
    stores.blobs.create(new)
    other = finished()[1]
    assert stores.handle(stream_record(old, new), stream_record(None, other)) == []
    assert stores.counts() == {"Cat": 2}
    stores.blobs.delete(new, stores.clock())
    for _ in range(2):
        assert stores.handle(stream_record(new, None), stream_record(old, new)) == []
        assert stores.counts() == {"Cat": 1}
        assert stores.due() == [delivery_id(other)]
    stores.enqueued()


def test_removal_starts_deliveries_waiting_in_line(stores: Stores) -> None:
    """They waited behind the removed deliveries."""
    blobs = [finished() for _ in range(MAX_PER_ENDPOINT + 1)]
    for old, new in blobs:
        stores.handle(stream_record(old, new))
    assert len(stores.enqueued()) == MAX_PER_ENDPOINT
    stores.handle(stream_record(blobs[0][1], None))
    assert stores.enqueued() == [delivery_id(blobs[-1][1])]


def test_unrelated_change_sends_nothing(stores: Stores) -> None:
    """A creation, an upload, an expiry, a write without a change, another item."""
    awaiting = a_blob(callback_url=URL)
    _, done = finished()
    other_item = stream_record(None, done)
    other_item["dynamodb"]["Keys"]["sk"] = {"S": "delivery#x"}
    records = [
        stream_record(None, awaiting),
        stream_record(awaiting, uploaded(awaiting)),
        stream_record(awaiting, expire(awaiting, awaiting.created_at)),
        stream_record(done, done),
        stream_record(done, again(done)),
        other_item,
    ]
    assert stores.handle(*records) == []
    assert stores.due() == stores.enqueued() == []
    assert stores.counts() == {}


def test_blob_without_callback_is_only_counted(stores: Stores) -> None:
    assert stores.handle(stream_record(*finished(callback_url=None))) == []
    assert stores.due() == []
    assert stores.counts() == {"Cat": 1}


def test_invalid_record_is_reported_and_the_others_are_handled(stores: Stores) -> None:
    """Those before it and those after it."""
    (old, new), (old_2, new_2) = finished(), finished()
    invalid = stream_record(old, new)
    invalid["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    failures = stores.handle(stream_record(old, new), invalid, stream_record(old_2, new_2))
    assert failures == [invalid["dynamodb"]["SequenceNumber"]]
    assert sorted(stores.enqueued()) == sorted([delivery_id(new), delivery_id(new_2)])


def test_record_is_retried_while_the_store_is_busy(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retry succeeds."""
    record = stream_record(*(pair := finished()))
    with monkeypatch.context() as busy:
        busy.setattr(stores.deliveries, "add", raising(Unavailable("busy")))
        assert stores.handle(record) == [record["dynamodb"]["SequenceNumber"]]
    assert stores.handle(record) == []
    assert stores.due() == [delivery_id(pair[1])]


def raising(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


class Publisher:
    """Records the blobs whose events it publishes. Its lookup of subscribers fails."""

    def __init__(self) -> None:
        self.blob_ids: list[str] = []

    def has_listeners(self, topic: str) -> bool:
        raise Unavailable("down")

    def publish(self, events: Any) -> None:
        self.blob_ids += [each.blob_id for each in events]


def test_handled_changes_are_published(stores: Stores) -> None:
    """Not those after a failure, which the stream repeats, nor items that are no blob."""
    publisher = Publisher()
    stores.notifier = Notifier(
        stores.blobs,
        stores.deliveries,
        stores.deliverer,
        stores.delivery_queue,
        stores.clock,
        publisher=publisher,
    )
    pairs = [finished() for _ in range(3)]
    invalid = stream_record(*pairs[1])
    invalid["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    other_item = stream_record(None, pairs[0][1])
    other_item["dynamodb"]["Keys"]["sk"] = {"S": "delivery#x"}
    stores.handle(stream_record(*pairs[0]), other_item, invalid, stream_record(*pairs[2]))
    assert publisher.blob_ids == [pairs[0][1].id]
    stores.handle(stream_record(*pairs[2]), stream_record(pairs[0][1], None))
    assert publisher.blob_ids[1:] == [pairs[2][1].id, pairs[0][1].id]
    stores.handle(job_for(1, "a"))
    stores.notifier.handle(SWEEP)
    assert len(publisher.blob_ids) == 3


def test_publisher_error_delays_no_webhook(stores: Stores) -> None:
    publisher = SubscriptionPublisher(Publisher(), raising(AssertionError))
    stores.notifier = Notifier(
        stores.blobs,
        stores.deliveries,
        stores.deliverer,
        stores.delivery_queue,
        stores.clock,
        publisher=publisher,
    )
    old, new = finished()
    assert stores.handle(stream_record(old, new)) == []
    assert stores.enqueued() == [delivery_id(new)]


# Delivery jobs


def test_job_makes_an_attempt(stores: Stores) -> None:
    """It enqueues nothing when there is no retry."""
    assert stores.handle(job_for(1, "a"), job_for(2, "b")) == []
    assert stores.deliverer.attempted == ["a", "b"]
    assert stores.enqueued() == []


def test_retry_job_is_visible_when_it_is_due(stores: Stores) -> None:
    """It is not visible before."""
    stores.deliverer.due_in["a"] = timedelta(seconds=5)
    assert stores.handle(job_for(1, "a")) == []
    stores.clock.advance(timedelta(seconds=5) - TICK)
    assert stores.enqueued() == []
    stores.clock.advance(TICK)
    assert stores.enqueued() == ["a"]


def test_retry_beyond_the_longest_delay_is_left_to_the_sweep(stores: Stores) -> None:
    """A job that arrives too early would do nothing."""
    stores.deliverer.due_in |= {"soon": MAX_DELAY, "late": MAX_DELAY + TICK, "past": -TICK}
    stores.handle(job_for(1, "soon"), job_for(2, "late"), job_for(3, "past"))
    assert stores.enqueued() == ["past"]
    stores.clock.advance(MAX_DELAY)
    assert stores.enqueued() == ["soon"]
    stores.clock.advance(MAX_DELAY)
    assert stores.enqueued() == []


def test_failed_jobs_are_reported_by_message_id(stores: Stores) -> None:
    """The other jobs run."""
    stores.deliverer.due_in |= {"busy": Unavailable("busy"), "broken": RuntimeError("a bug")}
    failures = stores.handle(
        job_for(1, "a"),
        job_for(2, "busy"),
        sqs_record(3, "not JSON"),
        sqs_record(4, "[]"),
        sqs_record(5, '{"delivery": "a"}'),
        job_for(6, "broken"),
        job_for(7, "b"),
    )
    assert failures == ["m2", "m3", "m4", "m5", "m6"]
    assert stores.deliverer.attempted == ["a", "busy", "broken", "b"]


# The sweep


def test_sweep_enqueues_a_delivery_whose_job_was_lost(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repeated record finds the delivery stored and enqueues no job."""
    old, new = finished()
    record = stream_record(old, new)
    with monkeypatch.context() as lost:
        lost.setattr(stores.delivery_queue, "send", raising(Unavailable("no queue")))
        assert stores.handle(record) == [record["dynamodb"]["SequenceNumber"]]
    assert stores.handle(record) == []
    assert stores.enqueued() == []
    assert stores.notifier.handle(SWEEP) == NOTHING
    assert stores.enqueued() == [delivery_id(new)]


def test_sweep_enqueues_due_deliveries_without_a_lease(stores: Stores) -> None:
    """It returns their number and ignores delivered and leased ones."""
    pairs = [finished() for _ in range(3)]
    stores.handle(*(stream_record(*pair) for pair in pairs))
    stores.enqueued()
    assert stores.deliveries.claim(delivery_id(pairs[0][1]), stores.clock(), LEASE)
    waiting = sorted(delivery_id(new) for _, new in pairs[1:])
    assert stores.notifier.sweep() == 2
    assert sorted(stores.enqueued()) == waiting
    stores.clock.advance(LEASE)
    assert stores.notifier.sweep() == 3


def test_sweep_enqueues_at_most_its_limit(stores: Stores) -> None:
    """The next sweep enqueues the rest."""
    blob = finished()[1]
    with stores.database.write(synced=False):
        for number in range(SWEEP_LIMIT + 1):
            before = replace(again(blob), owner=f"owner {number}")
            blob = labelled(before, ("Cat", 90.0))
            stores.handle(stream_record(before, blob))
    assert stores.notifier.sweep() == SWEEP_LIMIT


def test_delivery_waiting_in_line_is_not_enqueued(stores: Stores) -> None:
    """It waits for the end of an attempt, so a burst to one endpoint doesn't fill the queue."""
    pairs = [finished() for _ in range(MAX_PER_ENDPOINT + 3)]
    stores.handle(*(stream_record(*pair) for pair in pairs))
    assert sorted(stores.enqueued()) == sorted(
        delivery_id(new) for _, new in pairs[:MAX_PER_ENDPOINT]
    )
    assert stores.notifier.sweep() == MAX_PER_ENDPOINT


def test_event_without_records_does_nothing(stores: Stores) -> None:
    assert stores.notifier.handle({"Records": []}) == stores.notifier.handle({}) == NOTHING


def test_stream_record_only_stores_a_pending_delivery(stores: Stores) -> None:
    """A delivery job makes the attempt."""
    old, new = finished()
    stores.handle(stream_record(old, new))
    found = stores.deliveries.find_latest("anna", [new.id])[new.id]
    assert (found.state, found.attempts) == (DeliveryState.PENDING, ())
    assert stores.deliverer.attempted == []


def with_quarantine(stores: Stores) -> tuple[Notifier, SqliteQueue]:
    """A notifier with a quarantine queue, and that queue."""
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
def test_counting_error_delays_no_webhook(
    stores: Stores, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delivery is stored and its job enqueued, even if the record fails."""
    old = uploaded(a_blob(callback_url=URL))
    new = labelled(old, ("Cat", 90.0))

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(stores.blobs, "count_batch", fail)
    record = stream_record(old, new)
    assert stores.handle(record) == [record["dynamodb"]["SequenceNumber"]]
    (sqs_record,) = stores.delivery_queue.receive()
    assert json.loads(sqs_record.body)["delivery_id"] == f"msg_{new.id}_{new.version}"
    assert new.id in stores.deliveries.find_latest("anna", [new.id])


def labelled_records(count: int) -> list[dict[str, Any]]:
    """The records of so many blobs that got the label Cat."""
    blobs = [uploaded(a_blob()) for _ in range(count)]
    return [stream_record(blob, labelled(blob, ("Cat", 90.0))) for blob in blobs]


def counts(stores: Stores) -> dict[str, int]:
    page = stores.blobs.find_labels("anna", "", first=9)
    return {each.name: each.blob_count for each in page.items}


def test_labels_of_a_batch_are_counted_together(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that each summary is written once."""
    sizes: list[int] = []
    count_batch = stores.blobs.count_batch

    def counting(batch: Any) -> None:
        sizes.append(len(batch))
        count_batch(batch)

    monkeypatch.setattr(stores.blobs, "count_batch", counting)
    blob = labelled(uploaded(a_blob()), ("Cat", 90.0))
    unchanged = stream_record(blob, again(blob))
    assert stores.handle(*labelled_records(5), unchanged) == []
    assert sizes == [5]
    assert counts(stores) == {"Cat": 5}


def test_error_of_one_count_moves_its_record_alone_to_quarantine(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its batch are counted."""
    notifier, quarantine = with_quarantine(stores)
    records = labelled_records(3)
    wrong = records[1]["dynamodb"]["Keys"]["pk"]["S"].removeprefix("blob#")
    count_batch = stores.blobs.count_batch

    def fail_on_one(batch: Any) -> None:
        if any(each.blob_id == wrong for each in batch):
            raise ZeroDivisionError
        count_batch(batch)

    monkeypatch.setattr(stores.blobs, "count_batch", fail_on_one)
    assert notifier.handle({"Records": records}) == NOTHING
    (message,) = quarantine.receive()
    assert json.loads(message.body) == {"Records": [records[1]]}
    assert counts(stores) == {"Cat": 2}


def test_counts_that_are_unavailable_are_all_retried(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records without labels to count are done."""
    records = labelled_records(2)
    blob = labelled(uploaded(a_blob()), ("Cat", 90.0))
    done = stream_record(blob, again(blob))

    def fail(_: Any) -> None:
        raise Unavailable("DynamoDB is unavailable")

    monkeypatch.setattr(stores.blobs, "count_batch", fail)
    assert stores.handle(records[0], done, records[1]) == [
        record["dynamodb"]["SequenceNumber"] for record in records
    ]


def test_invalid_record_moves_to_quarantine(stores: Stores) -> None:
    """It blocks no other record and can be replayed unchanged."""
    notifier, quarantine = with_quarantine(stores)
    old = uploaded(a_blob(callback_url=URL))
    invalid = stream_record(old, labelled(old, ("Cat", 90.0)))
    invalid["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    assert notifier.handle({"Records": [invalid]}) == NOTHING
    (message,) = quarantine.receive()
    assert json.loads(message.body) == {"Records": [invalid]}


def test_temporary_error_moves_nothing_to_quarantine(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is retried."""
    notifier, quarantine = with_quarantine(stores)
    old = uploaded(a_blob(callback_url=URL))
    record = stream_record(old, labelled(old, ("Cat", 90.0)))

    def fail(*_: Any) -> None:
        raise Unavailable("DynamoDB is unavailable")

    monkeypatch.setattr(stores.deliveries, "add", fail)
    result = notifier.handle({"Records": [record]})
    assert result["batchItemFailures"] == [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]
    assert quarantine.receive() == []


def test_record_is_retried_when_quarantine_fails(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost."""
    notifier, quarantine = with_quarantine(stores)

    def fail(*_: Any, **__: Any) -> None:
        raise Unavailable("SQS is unavailable")

    monkeypatch.setattr(quarantine, "send", fail)
    invalid = stream_record(None, a_blob())
    invalid["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    result = notifier.handle({"Records": [invalid]})
    assert len(result["batchItemFailures"]) == 1
