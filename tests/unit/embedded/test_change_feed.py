"""The change rows, read in order and given to a handler."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from core.domain.errors import Unavailable
from core.domain.label import Label
from core.queues.base import Message
from embedded.change_feed import FEED, MAX_FEED_ATTEMPTS, ChangeFeed
from tests.support.embedded_stores import EmbeddedStores

Event = Mapping[str, Any]


class Taking:
    """Takes in stream records; those of some sequences fail."""

    def __init__(self, *failing: str) -> None:
        self.failing = set(failing)
        self.batches: list[list[str]] = []

    def __call__(self, event: Event) -> dict[str, Any]:
        batch = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
        self.batches.append(batch)
        failures = [{"itemIdentifier": each} for each in batch if each in self.failing]
        return {"batchItemFailures": failures}


def feed_of(stores: EmbeddedStores, taking: Callable[[Event], Any]) -> ChangeFeed:
    return ChangeFeed(stores.database, stores.blobs, stores.queue("changes"), taking)


def finish(stores: EmbeddedStores) -> str:
    """Make a blob finish; return the sequence of that change."""
    stores.labelled("anna", Label("Cat", 90.0))
    return str(stores.blobs.changes.read_after(0, 1000)[-1].sequence)


def test_changes_are_told_once_in_order(stores: EmbeddedStores) -> None:
    """What finished a blob is told, and where the feed stands is kept."""
    sequences = [finish(stores) for _ in range(3)]
    taking = Taking()
    feed = feed_of(stores, taking)
    assert feed.read() == 9  # each blob was made, received and labelled
    assert feed.read() == 0
    told = [number for batch in taking.batches for number in batch]
    assert [number for number in told if number in sequences] == sequences
    assert told == sorted(told, key=int)


def test_where_the_feed_stands_survives_a_restart(stores: EmbeddedStores) -> None:
    """A new reader goes on behind the last."""
    finish(stores)
    feed_of(stores, Taking()).read()
    later = finish(stores)
    taking = Taking()
    feed_of(stores, taking).read()
    assert later in taking.batches[0]
    assert all(int(number) > 3 for number in taking.batches[0])


def test_a_poison_change_is_set_aside_and_holds_up_no_other(stores: EmbeddedStores) -> None:
    """It is tried some times; the others of its batch go through at once; then it waits apart."""
    before, poison, after = finish(stores), finish(stores), finish(stores)
    taking = Taking(poison)
    feed = feed_of(stores, taking)
    for _ in range(MAX_FEED_ATTEMPTS - 1):
        assert feed.read() is None
        assert stores.blobs.changes.position(FEED) == int(poison) - 1
    assert after in taking.batches[0]
    assert all(before not in batch for batch in taking.batches[1:])
    assert feed.read()
    assert stores.blobs.changes.position(FEED) == int(after)
    (message,) = stores.queue("changes").receive(limit=10)
    assert sequences_in(message) == [poison]
    assert feed.read() == 0


def test_several_poison_changes_are_set_aside_one_after_the_other(stores: EmbeddedStores) -> None:
    """Each has its own tries; in the end the feed is through."""
    sequences = [finish(stores) for _ in range(4)]
    taking = Taking(sequences[0], sequences[2])
    feed = feed_of(stores, taking)
    reads = 0
    while feed.read() != 0:
        reads += 1
        assert reads <= 2 * MAX_FEED_ATTEMPTS
    messages = stores.queue("changes").receive(limit=10)
    assert [sequences_in(message) for message in messages] == [[sequences[0]], [sequences[2]]]
    assert stores.blobs.changes.position(FEED) == int(sequences[-1])


def test_a_change_that_fails_for_a_while_is_not_set_aside(stores: EmbeddedStores) -> None:
    """Trouble that passes leaves no trace."""
    number = finish(stores)
    taking = Taking(number)
    feed = feed_of(stores, taking)
    assert feed.read() is None
    taking.failing.clear()
    assert feed.read()
    assert stores.queue("changes").depth() == 0


def sequences_in(message: Message) -> list[str]:
    """Return which changes a message set aside holds, as the handler would be told of them."""
    event = json.loads(message.body)
    assert {record["eventSource"] for record in event["Records"]} == {"aws:dynamodb"}
    return [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]


def test_what_a_batch_brings_about_is_kept_with_the_position_or_not_at_all(
    stores: EmbeddedStores,
) -> None:
    """A handler that breaks leaves neither."""
    finish(stores)
    delivery_queue = stores.queue("hints")

    def broken(_: Event) -> dict[str, Any]:
        delivery_queue.send("half done")
        raise Unavailable("full")

    with pytest.raises(Unavailable):
        feed_of(stores, broken).read()
    assert (delivery_queue.depth(), stores.blobs.changes.position(FEED)) == (0, 0)
    taking = Taking()
    assert feed_of(stores, taking).read()
    assert len(taking.batches) == 1


def test_a_long_backlog_is_read_in_batches(stores: EmbeddedStores) -> None:
    """Without gap or repeat."""
    for _ in range(110):
        finish(stores)
    taking = Taking()
    feed = feed_of(stores, taking)
    while feed.read():
        pass
    told = [number for batch in taking.batches for number in batch]
    assert len(told) == len(set(told)) >= 110
    assert max(len(batch) for batch in taking.batches) <= 100
