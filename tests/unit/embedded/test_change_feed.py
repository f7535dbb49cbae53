"""The change rows, read in order and given to a handler."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from core.domain.corrections import DecisionKind
from core.domain.errors import Unavailable
from core.domain.label import Label
from core.queues.base import Message
from embedded.change_feed import FEED, MAX_FEED_ATTEMPTS, ChangeFeed
from tests.support.blobs import again, corrected
from tests.support.services.embedded_stores import EmbeddedStores

Event = Mapping[str, Any]


class FakeHandler:
    """A handler of stream records; those of some sequences fail."""

    def __init__(self, *failing: str) -> None:
        self.failing = set(failing)
        self.batches: list[list[str]] = []

    def __call__(self, event: Event) -> dict[str, Any]:
        batch = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
        self.batches.append(batch)
        failures = [{"itemIdentifier": each} for each in batch if each in self.failing]
        return {"batchItemFailures": failures}


def feed_of(stores: EmbeddedStores, handler: Callable[[Event], Any]) -> ChangeFeed:
    return ChangeFeed(stores.database, stores.blobs, stores.queue("changes"), handler)


def finish(stores: EmbeddedStores) -> str:
    """Create a labelled blob; return the sequence of its last change."""
    stores.labelled("anna", Label("Cat", 90.0))
    return str(stores.blobs.changes.read_after(0, 1000)[-1].sequence)


def test_changes_are_handled_once_in_order(stores: EmbeddedStores) -> None:
    """The position is stored."""
    sequences = [finish(stores) for _ in range(3)]
    handler = FakeHandler()
    feed = feed_of(stores, handler)
    assert feed.read() == 9  # each blob was created, uploaded and labelled
    assert feed.read() == 0
    told = [number for batch in handler.batches for number in batch]
    assert [number for number in told if number in sequences] == sequences
    assert told == sorted(told, key=int)


def test_correction_of_a_blob_that_is_labelled_again_is_handled(stores: EmbeddedStores) -> None:
    """At once: its labels are counted although its state is not final."""
    blob = stores.labelled("anna", Label("Cat", 90.0))
    started = again(blob)
    stores.blobs.save(started, blob)
    handler = FakeHandler()
    feed = feed_of(stores, handler)
    feed.read()
    woken: list[None] = []
    feed.listen(lambda: woken.append(None))
    stores.blobs.save(corrected(started, DecisionKind.ADDED, "Cow"), started)
    assert len(woken) == 1
    feed.read()
    assert handler.batches[1:] == [[str(stores.blobs.changes.read_after(0, 100)[-1].sequence)]]


def test_position_survives_a_restart(stores: EmbeddedStores) -> None:
    """A new reader continues after the last change."""
    finish(stores)
    feed_of(stores, FakeHandler()).read()
    later = finish(stores)
    handler = FakeHandler()
    feed_of(stores, handler).read()
    assert later in handler.batches[0]
    assert all(int(number) > 3 for number in handler.batches[0])


def test_failing_change_is_quarantined_and_delays_no_other(stores: EmbeddedStores) -> None:
    """After some attempts. The others of its batch are handled at once."""
    before, poison, after = finish(stores), finish(stores), finish(stores)
    handler = FakeHandler(poison)
    feed = feed_of(stores, handler)
    for _ in range(MAX_FEED_ATTEMPTS - 1):
        assert feed.read() is None
        assert stores.blobs.changes.position(FEED) == int(poison) - 1
    assert after in handler.batches[0]
    assert all(before not in batch for batch in handler.batches[1:])
    assert feed.read()
    assert stores.blobs.changes.position(FEED) == int(after)
    (message,) = stores.queue("changes").receive(limit=10)
    assert sequences_in(message) == [poison]
    assert feed.read() == 0


def test_failing_changes_are_quarantined_one_after_the_other(stores: EmbeddedStores) -> None:
    """Each has its own attempts."""
    sequences = [finish(stores) for _ in range(4)]
    handler = FakeHandler(sequences[0], sequences[2])
    feed = feed_of(stores, handler)
    reads = 0
    while feed.read() != 0:
        reads += 1
        assert reads <= 2 * MAX_FEED_ATTEMPTS
    messages = stores.queue("changes").receive(limit=10)
    assert [sequences_in(message) for message in messages] == [[sequences[0]], [sequences[2]]]
    assert stores.blobs.changes.position(FEED) == int(sequences[-1])


def test_change_that_recovers_is_not_quarantined(stores: EmbeddedStores) -> None:
    number = finish(stores)
    handler = FakeHandler(number)
    feed = feed_of(stores, handler)
    assert feed.read() is None
    handler.failing.clear()
    assert feed.read()
    assert stores.queue("changes").depth() == 0


def sequences_in(message: Message) -> list[str]:
    """Return the sequences of the changes in a quarantined message."""
    event = json.loads(message.body)
    assert {record["eventSource"] for record in event["Records"]} == {"aws:dynamodb"}
    return [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]


def test_effects_and_position_are_committed_together(
    stores: EmbeddedStores,
) -> None:
    """A handler that raises leaves neither."""
    finish(stores)
    delivery_queue = stores.queue("hints")

    def broken(_: Event) -> dict[str, Any]:
        delivery_queue.send("half done")
        raise Unavailable("full")

    with pytest.raises(Unavailable):
        feed_of(stores, broken).read()
    assert (delivery_queue.depth(), stores.blobs.changes.position(FEED)) == (0, 0)
    handler = FakeHandler()
    assert feed_of(stores, handler).read()
    assert len(handler.batches) == 1


def test_backlog_is_read_in_batches(stores: EmbeddedStores) -> None:
    """Without a gap or a repeat."""
    for _ in range(110):
        finish(stores)
    handler = FakeHandler()
    feed = feed_of(stores, handler)
    while feed.read():
        pass
    told = [number for batch in handler.batches for number in batch]
    assert len(told) == len(set(told)) >= 110
    assert max(len(batch) for batch in handler.batches) <= 100
