"""The notifier's ways in: stream records, hints and the sweep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.domain.blob import Blob, expire
from core.domain.delivery import PER_ENDPOINT, DeliveryState
from core.domain.errors import Unavailable
from core.queues.sqlite import SqliteQueue
from core.repositories.sqlite.blobs import SqliteBlobs
from core.repositories.sqlite.deliveries import SqliteDeliveries
from core.runtime.sqlite import Database
from notifier.delivery import Hint
from notifier.handler import LONGEST_DELAY, SWEEP_LIMIT, Notifier
from notifier.subscription_publisher import Live
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

    def attempt(self, delivery_id: str) -> list[Hint]:
        self.attempted.append(delivery_id)
        outcome = self.due_in.get(delivery_id)
        if isinstance(outcome, Exception):
            raise outcome
        return [Hint(delivery_id, outcome)] if outcome else []


class House:
    """A notifier on real stores."""

    def __init__(self, path: Path, clock: Any) -> None:
        self.clock = clock
        self.database = Database(path)
        self.blobs = SqliteBlobs(self.database, clock)
        self.deliveries = SqliteDeliveries(self.database)
        self.hints = SqliteQueue(
            self.database, "hints", clock, visibility=timedelta(minutes=1), max_receives=5
        )
        self.deliverer = Deliverer()
        self.notifier = Notifier(
            self.blobs, self.deliveries, self.deliverer, self.hints, clock
        )  # fmt: skip

    def take(self, *records: dict[str, Any]) -> list[str]:
        """Give a batch; return which of it is to be given again."""
        answer = self.notifier.handle({"Records": list(records)})
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]

    def hinted(self) -> list[str]:
        """Take the hints that can be seen now."""
        messages = self.hints.receive(limit=1000)
        for message in messages:
            self.hints.delete(message.receipt)
        return [json.loads(message.body)["delivery_id"] for message in messages]

    def due(self) -> list[str]:
        return list(self.deliveries.find_due(self.clock(), 1000))

    def counts(self) -> dict[str, int]:
        page = self.blobs.find_labels("anna", "", first=100)
        return {summary.name: summary.blob_count for summary in page.items}


@pytest.fixture
def house(tmp_path: Path, clock: Any) -> Iterator[House]:
    house = House(tmp_path / "labelling.sqlite", clock)
    yield house
    house.database.close()


def finished(**values: Any) -> tuple[Blob, Blob]:
    """A blob before and after its labels came."""
    before = uploaded(a_blob(**{"callback_url": URL, **values}))
    return before, labelled(before, ("Cat", 90.0))


def delivery_id(blob: Blob) -> str:
    return f"msg_{blob.id}_{blob.version}"


def hint(number: int, body: str) -> dict[str, Any]:
    return {"messageId": f"m{number}", "body": body, "eventSource": "aws:sqs"}


def hint_for(number: int, delivery: str) -> dict[str, Any]:
    return hint(number, json.dumps({"delivery_id": delivery}))


# Stream records


def test_a_finished_blob_makes_one_delivery_and_one_hint(house: House) -> None:
    """However often its record comes: in one batch, in the next, or a day later."""
    old, new = finished()
    record = stream_record(old, new)
    assert house.take(record, record) == []
    assert house.take(record) == []
    assert house.due() == house.hinted() == [delivery_id(new)]
    claim = house.deliveries.claim(delivery_id(new), house.clock(), LEASE)
    assert claim is not None
    house.clock.advance(timedelta(days=1))
    assert house.take(record) == []
    assert house.hinted() == []
    assert house.counts() == {"Cat": 1}


def test_each_labelling_is_an_event_of_its_own(house: House) -> None:
    """With an id of its own; counts are those of the last."""
    old, new = finished()
    once_more = again(new)
    worse = failed(once_more)
    records = [stream_record(*pair) for pair in [(old, new), (new, once_more), (once_more, worse)]]
    assert house.take(*records) == []
    assert sorted(house.due()) == sorted([delivery_id(new), delivery_id(worse)])
    assert house.counts() == {}


@pytest.mark.parametrize("old", [finished()[1], finished()[0], a_blob(callback_url=URL)])
def test_a_removal_sends_nothing(house: House, old: Blob) -> None:
    """Whatever the blob was."""
    assert house.take(stream_record(old, None)) == []
    assert house.due() == house.hinted() == []


def test_a_removal_undoes_what_was_told_before(house: House) -> None:
    """Its counts and deliveries; a change of it that is told after that brings nothing back."""
    old, new = finished()
    house.blobs.create(new)
    other = finished()[1]
    assert house.take(stream_record(old, new), stream_record(None, other)) == []
    assert house.counts() == {"Cat": 2}
    house.blobs.delete(new, house.clock())
    for _ in range(2):
        assert house.take(stream_record(new, None), stream_record(old, new)) == []
        assert house.counts() == {"Cat": 1}
        assert house.due() == [delivery_id(other)]
    house.hinted()


def test_a_removal_lets_others_go(house: House) -> None:
    """Who waited in line behind the deliveries removed is hinted at."""
    blobs = [finished() for _ in range(PER_ENDPOINT + 1)]
    for old, new in blobs:
        house.take(stream_record(old, new))
    assert len(house.hinted()) == PER_ENDPOINT
    house.take(stream_record(blobs[0][1], None))
    assert house.hinted() == [delivery_id(blobs[-1][1])]


def test_an_unrelated_change_sends_nothing(house: House) -> None:
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
    assert house.take(*records) == []
    assert house.due() == house.hinted() == []
    assert house.counts() == {}


def test_without_a_callback_labels_are_counted_only(house: House) -> None:
    """Nobody asked to be told."""
    assert house.take(stream_record(*finished(callback_url=None))) == []
    assert house.due() == []
    assert house.counts() == {"Cat": 1}


def test_a_poison_record_is_reported_and_the_others_proceed(house: House) -> None:
    """Those before it and those behind it."""
    (old, new), (old_2, new_2) = finished(), finished()
    poison = stream_record(old, new)
    poison["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    failures = house.take(stream_record(old, new), poison, stream_record(old_2, new_2))
    assert failures == [poison["dynamodb"]["SequenceNumber"]]
    assert sorted(house.hinted()) == sorted([delivery_id(new), delivery_id(new_2)])


def test_a_record_that_meets_a_busy_store_is_reported(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given again, it is done."""
    record = stream_record(*(pair := finished()))
    with monkeypatch.context() as busy:
        busy.setattr(house.deliveries, "add", raising(Unavailable("busy")))
        assert house.take(record) == [record["dynamodb"]["SequenceNumber"]]
    assert house.take(record) == []
    assert house.due() == [delivery_id(pair[1])]


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


def test_changes_are_told_to_those_who_listen_once_they_are_done(house: House) -> None:
    """Not those that are given again; nor what is no change, or can't be read."""
    live = Ear()
    house.notifier = Notifier(
        house.blobs, house.deliveries, house.deliverer, house.hints, house.clock, live=live
    )
    pairs = [finished() for _ in range(3)]
    poison = stream_record(*pairs[1])
    poison["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    other_item = stream_record(None, pairs[0][1])
    other_item["dynamodb"]["Keys"]["sk"] = {"S": "delivery#x"}
    house.take(stream_record(*pairs[0]), other_item, poison, stream_record(*pairs[2]))
    assert live.blob_ids == [pairs[0][1].id]
    house.take(stream_record(*pairs[2]), stream_record(pairs[0][1], None))
    assert live.blob_ids[1:] == [pairs[2][1].id, pairs[0][1].id]
    house.take(hint_for(1, "a"))
    house.notifier.handle(SWEEP)
    assert len(live.blob_ids) == 3


def test_who_can_not_be_told_holds_up_no_webhook(house: House) -> None:
    """It is as if nobody listened."""
    live = Live(Ear(), raising(AssertionError))
    house.notifier = Notifier(
        house.blobs, house.deliveries, house.deliverer, house.hints, house.clock, live=live
    )
    old, new = finished()
    assert house.take(stream_record(old, new)) == []
    assert house.hinted() == [delivery_id(new)]


# Hints


def test_a_hint_is_an_attempt(house: House) -> None:
    """And is done with when nothing is due again."""
    assert house.take(hint_for(1, "a"), hint_for(2, "b")) == []
    assert house.deliverer.attempted == ["a", "b"]
    assert house.hinted() == []


def test_a_retry_is_hinted_at_for_when_it_is_due(house: House) -> None:
    """Not before."""
    house.deliverer.due_in["a"] = timedelta(seconds=5)
    assert house.take(hint_for(1, "a")) == []
    house.clock.advance(timedelta(seconds=5) - TICK)
    assert house.hinted() == []
    house.clock.advance(TICK)
    assert house.hinted() == ["a"]


def test_what_is_due_later_than_sqs_can_delay_is_left_to_the_sweep(house: House) -> None:
    """A hint that comes too early would be for nothing."""
    house.deliverer.due_in |= {"soon": LONGEST_DELAY, "late": LONGEST_DELAY + TICK, "past": -TICK}
    house.take(hint_for(1, "soon"), hint_for(2, "late"), hint_for(3, "past"))
    assert house.hinted() == ["past"]
    house.clock.advance(LONGEST_DELAY)
    assert house.hinted() == ["soon"]
    house.clock.advance(LONGEST_DELAY)
    assert house.hinted() == []


def test_hints_that_fail_are_reported_by_their_message(house: House) -> None:
    """The others are done."""
    house.deliverer.due_in |= {"busy": Unavailable("busy"), "broken": RuntimeError("a bug")}
    failures = house.take(
        hint_for(1, "a"),
        hint_for(2, "busy"),
        hint(3, "not JSON"),
        hint(4, "[]"),
        hint(5, '{"delivery": "a"}'),
        hint_for(6, "broken"),
        hint_for(7, "b"),
    )
    assert failures == ["m2", "m3", "m4", "m5", "m6"]
    assert house.deliverer.attempted == ["a", "busy", "broken", "b"]


# The sweep


def test_a_lost_hint_is_made_up_for_by_the_sweep(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record comes again and finds its delivery kept, so it hints no more."""
    old, new = finished()
    record = stream_record(old, new)
    with monkeypatch.context() as lost:
        lost.setattr(house.hints, "send", raising(Unavailable("queue away")))
        assert house.take(record) == [record["dynamodb"]["SequenceNumber"]]
    assert house.take(record) == []
    assert house.hinted() == []
    assert house.notifier.handle(SWEEP) == NOTHING
    assert house.hinted() == [delivery_id(new)]


def test_the_sweep_hints_at_what_is_due_and_in_nobodys_hands(house: House) -> None:
    """It returns how many; delivered ones and those under lease are left alone."""
    pairs = [finished() for _ in range(3)]
    house.take(*(stream_record(*pair) for pair in pairs))
    house.hinted()
    assert house.deliveries.claim(delivery_id(pairs[0][1]), house.clock(), LEASE)
    waiting = sorted(delivery_id(new) for _, new in pairs[1:])
    assert house.notifier.sweep() == 2
    assert sorted(house.hinted()) == waiting
    house.clock.advance(LEASE)
    assert house.notifier.sweep() == 3


def test_the_sweep_takes_no_more_than_its_share(house: House) -> None:
    """The rest is due the next minute."""
    blob = finished()[1]
    with house.database.write(synced=False):
        for number in range(SWEEP_LIMIT + 1):
            before = replace(again(blob), callback_url=f"{URL}/{number}")
            blob = labelled(before, ("Cat", 90.0))
            house.take(stream_record(before, blob))
    assert house.notifier.sweep() == SWEEP_LIMIT


def test_what_waits_in_line_is_not_hinted_at(house: House) -> None:
    """Until an attempt at its endpoint makes room: a burst for one fills no queue."""
    pairs = [finished() for _ in range(PER_ENDPOINT + 3)]
    house.take(*(stream_record(*pair) for pair in pairs))
    assert sorted(house.hinted()) == sorted(delivery_id(new) for _, new in pairs[:PER_ENDPOINT])
    assert house.notifier.sweep() == PER_ENDPOINT


def test_an_event_without_records_does_nothing(house: House) -> None:
    """An empty batch is none."""
    assert house.notifier.handle({"Records": []}) == house.notifier.handle({}) == NOTHING


def test_a_delivery_waits_pending(house: House) -> None:
    """It is the notifier's to attempt; the stream's side only keeps it."""
    old, new = finished()
    house.take(stream_record(old, new))
    found = house.deliveries.latest("anna", [new.id])[new.id]
    assert (found.state, found.attempts) == (DeliveryState.PENDING, ())
    assert house.deliverer.attempted == []


def with_aside(house: House) -> tuple[Notifier, SqliteQueue]:
    """The notifier as it is where nobody else sets records aside, and its queue for them."""
    aside = SqliteQueue(
        house.database, "aside", house.clock, visibility=timedelta(minutes=1), max_receives=5
    )
    notifier = Notifier(
        house.blobs, house.deliveries, house.deliverer, house.hints, house.clock, aside
    )
    return notifier, aside


@pytest.mark.parametrize("error", [ZeroDivisionError(), Unavailable("later")])
def test_trouble_with_counting_keeps_no_webhook_back(
    house: House, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept and hinted at, whatever becomes of the record."""
    old = uploaded(a_blob(callback_url=URL))
    new = labelled(old, ("Cat", 90.0))

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(house.blobs, "count_labels", fail)
    record = stream_record(old, new)
    assert house.take(record) == [record["dynamodb"]["SequenceNumber"]]
    (hint,) = house.hints.receive()
    assert json.loads(hint.body)["delivery_id"] == f"msg_{new.id}_{new.version}"
    assert new.id in house.deliveries.latest("anna", [new.id])


def test_a_record_that_can_never_be_handled_is_set_aside_whole(house: House) -> None:
    """It holds up no other, and can be given again as it is."""
    notifier, aside = with_aside(house)
    old = uploaded(a_blob(callback_url=URL))
    poison = stream_record(old, labelled(old, ("Cat", 90.0)))
    poison["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    assert notifier.handle({"Records": [poison]}) == NOTHING
    (kept,) = aside.receive()
    assert json.loads(kept.body) == {"Records": [poison]}


def test_trouble_that_may_pass_sets_nothing_aside(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is given again."""
    notifier, aside = with_aside(house)
    old = uploaded(a_blob(callback_url=URL))
    record = stream_record(old, labelled(old, ("Cat", 90.0)))

    def fail(*_: Any) -> None:
        raise Unavailable("DynamoDB is not well")

    monkeypatch.setattr(house.deliveries, "add", fail)
    answer = notifier.handle({"Records": [record]})
    assert answer["batchItemFailures"] == [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]
    assert aside.receive() == []


def test_a_record_that_can_not_even_be_set_aside_is_given_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is dropped."""
    notifier, aside = with_aside(house)

    def fail(*_: Any, **__: Any) -> None:
        raise Unavailable("SQS is not well")

    monkeypatch.setattr(aside, "send", fail)
    poison = stream_record(None, a_blob())
    poison["dynamodb"]["NewImage"]["status"] = {"S": "ASLEEP"}
    answer = notifier.handle({"Records": [poison]})
    assert len(answer["batchItemFailures"]) == 1
