"""The contract of every connection repository."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.scope import ALL_SCOPES, Scope
from core.events.topics import blob_topic, owner_topic
from core.repositories.ports.connections import (
    MAX_TOPICS,
    Connection,
    ConnectionRepository,
    Subscription,
)
from tests.support.blobs import NOON

LATER = NOON.replace(microsecond=0) + timedelta(hours=2)
MINUTE = timedelta(minutes=1)
CONNECTION = Connection(
    "L0SM9cOFvHcCIhw=", "anna", frozenset({Scope.READ}), NOON + MINUTE, LATER, acknowledged=True
)
TOPIC = blob_topic("01KG9RJ4VB0000000000000001")
SUBSCRIPTION = Subscription(
    CONNECTION.id,
    "one",
    (TOPIC,),
    CONNECTION.owner,
    CONNECTION.scopes,
    CONNECTION.ends_at,
    LATER,
    "subscription S($x: [Float]) { blobEvents { id } }",
    {"x": [1e300, 0.1, -0.0, None, {"": []}]},
    "S",
)


def told(connections: ConnectionRepository, topic: str = TOPIC) -> set[tuple[str, str]]:
    return {(each.connection_id, each.operation) for each in connections.listeners(topic, NOON)}


def test_connection_is_read_as_it_was_stored(connections: ConnectionRepository) -> None:
    """With or without an end, until it expires."""
    assert connections.find(CONNECTION.id, NOON) is None
    endless = replace(CONNECTION, id="other", ends_at=None, scopes=ALL_SCOPES, acknowledged=False)
    for each in (CONNECTION, endless):
        assert connections.save(each) is True
        assert connections.find(each.id, NOON) == each
        assert connections.find(each.id, LATER) is None


def test_connection_is_acknowledged_once(connections: ConnectionRepository) -> None:
    """By the first caller; until then the record may be replaced."""
    assert connections.save(replace(CONNECTION, owner="boris", acknowledged=False)) is True
    with ThreadPoolExecutor(4) as pool:
        others = [replace(CONNECTION, owner=f"anna-{number}") for number in range(4)]
        saved = list(pool.map(connections.save, others))
    assert sorted(saved) == [False, False, False, True]
    assert connections.find(CONNECTION.id, NOON) == others[saved.index(True)]


def test_subscription_is_found_by_its_topic(connections: ConnectionRepository) -> None:
    """As it was stored, with its connection; other topics have others."""
    connections.save(CONNECTION)
    assert connections.has_listeners(TOPIC) is False
    assert connections.subscribe(SUBSCRIPTION) is True
    other = replace(SUBSCRIPTION, operation="two", topics=(owner_topic("anna"),))
    assert connections.subscribe(other) is True
    assert list(connections.listeners(TOPIC, NOON)) == [SUBSCRIPTION]
    assert list(connections.listeners(owner_topic("anna"), NOON)) == [other]
    assert list(connections.listeners(TOPIC, LATER)) == []
    assert [connections.has_listeners(each) for each in (TOPIC, other.topics[0], "blob#x")] == [
        True,
        True,
        False,
    ]
    found = connections.find(CONNECTION.id, NOON)
    assert found is not None
    assert [found.holds(each) for each in ("one", "two", "three")] == [True, True, False]
    assert [found.topics_of(each) for each in ("one", "three")] == [(TOPIC,), ()]


@pytest.mark.parametrize("operation", ["", "#", "a" * 5000, "☃", "\ud800", "o.o", ":x"])
def test_operation_may_have_any_id(connections: ConnectionRepository, operation: str) -> None:
    """The client chooses it."""
    connections.save(CONNECTION)
    odd = replace(SUBSCRIPTION, operation=operation, query=f"# {operation}")
    assert connections.subscribe(odd) is True
    assert list(connections.listeners(TOPIC, NOON)) == [odd]
    assert connections.unsubscribe(CONNECTION.id, operation) is True
    assert told(connections) == set()


def test_operation_has_one_subscription(connections: ConnectionRepository) -> None:
    """Until it ends; another connection may use the same id."""
    connections.save(CONNECTION)
    assert connections.subscribe(SUBSCRIPTION) is True
    assert connections.subscribe(SUBSCRIPTION) is False
    assert connections.subscribe(replace(SUBSCRIPTION, topics=("blob#2",))) is False
    assert connections.has_listeners("blob#2") is False
    other = replace(CONNECTION, id="other")
    connections.save(other)
    assert connections.subscribe(replace(SUBSCRIPTION, connection_id="other")) is True
    assert connections.unsubscribe(CONNECTION.id, "one") is True
    assert connections.unsubscribe(CONNECTION.id, "one") is False
    assert told(connections) == {("other", "one")}
    assert connections.subscribe(SUBSCRIPTION) is True


def test_number_of_topics_is_limited(connections: ConnectionRepository) -> None:
    """Of all subscriptions together, until one of them ends."""
    connections.save(CONNECTION)
    many = tuple(f"blob#{number}" for number in range(50))
    assert connections.subscribe(replace(SUBSCRIPTION, operation="many", topics=many)) is True
    for number in range(MAX_TOPICS - 50):
        assert connections.subscribe(replace(SUBSCRIPTION, operation=f"{number}")) is True
    assert connections.subscribe(SUBSCRIPTION) is False
    assert connections.unsubscribe(CONNECTION.id, "7") is True
    two = replace(SUBSCRIPTION, topics=("blob#1", "blob#2"))
    assert connections.subscribe(two) is False
    assert connections.end_topics(CONNECTION.id, "many", {"blob#1"}) is True
    assert connections.subscribe(two) is True
    connections.close(CONNECTION.id)
    for topic in (TOPIC, *many):
        assert told(connections, topic) == set()


def test_subscription_is_found_by_each_of_its_topics(connections: ConnectionRepository) -> None:
    """Until that topic ends; the last one is left to `unsubscribe`."""
    topics = ("blob#1", "blob#2", "blob#3")
    connections.save(CONNECTION)
    assert connections.subscribe(replace(SUBSCRIPTION, topics=topics)) is True
    for topic in topics:
        assert list(connections.listeners(topic, NOON)) == [replace(SUBSCRIPTION, topics=(topic,))]
    for _ in range(2):  # repeated, it changes nothing
        assert connections.end_topics(CONNECTION.id, "one", {"blob#2", "blob#9"}) is True
        assert [connections.has_listeners(topic) for topic in topics] == [True, False, True]
    assert connections.end_topics(CONNECTION.id, "one", set(topics)) is False
    assert connections.end_topics(CONNECTION.id, "one", {"blob#3"}) is True
    assert connections.end_topics(CONNECTION.id, "one", {"blob#1"}) is False
    found = connections.find(CONNECTION.id, NOON)
    assert found is not None
    assert found.topics_of("one") == ("blob#1",)
    assert connections.unsubscribe(CONNECTION.id, "one") is True
    assert not any(map(connections.has_listeners, topics))
    assert connections.end_topics(CONNECTION.id, "one", {"blob#1"}) is True
    found = connections.find(CONNECTION.id, NOON)
    assert found is not None
    assert not found.holds("one")


def test_of_topics_that_end_at_the_same_time_one_is_the_last(
    connections: ConnectionRepository,
) -> None:
    """So exactly one process completes the subscription."""
    connections.save(CONNECTION)
    topics = tuple(f"blob#{number}" for number in range(4))
    connections.subscribe(replace(SUBSCRIPTION, topics=topics))
    with ThreadPoolExecutor(4) as pool:
        ended = list(
            pool.map(lambda topic: connections.end_topics(CONNECTION.id, "one", {topic}), topics)
        )
    assert sorted(ended) == [False, True, True, True]
    assert connections.has_listeners(topics[ended.index(False)])


def test_subscription_without_connection_is_not_stored(connections: ConnectionRepository) -> None:
    """Nor one with an invalid topic."""
    assert connections.subscribe(SUBSCRIPTION) is False
    assert connections.unsubscribe(CONNECTION.id, "one") is False
    connections.save(CONNECTION)
    assert connections.subscribe(replace(SUBSCRIPTION, topics=("blob#" + "1" * 3000,))) is False
    assert connections.has_listeners(TOPIC) is False


def test_closing_deletes_subscriptions(
    connections: ConnectionRepository,
) -> None:
    """All of the connection's, and no others; it can be repeated."""
    other = replace(CONNECTION, id="other")
    for each in (CONNECTION, other):
        connections.save(each)
        for operation, topic in (("one", TOPIC), ("two", TOPIC), ("three", "blob#3")):
            connections.subscribe(
                replace(SUBSCRIPTION, connection_id=each.id, operation=operation, topics=(topic,))
            )
    for _ in range(2):
        connections.close(CONNECTION.id)
        assert connections.find(CONNECTION.id, NOON) is None
        assert told(connections) == {("other", "one"), ("other", "two")}
        assert told(connections, "blob#3") == {("other", "three")}
    assert connections.subscribe(SUBSCRIPTION) is False


def test_one_process_claims_the_final_message(connections: ConnectionRepository) -> None:
    """Another may claim it when that claim has expired."""
    connections.save(CONNECTION)
    connections.subscribe(SUBSCRIPTION)
    with ThreadPoolExecutor(4) as pool:
        claims = list(
            pool.map(
                lambda _: connections.claim_final_message(SUBSCRIPTION, NOON, NOON + MINUTE),
                range(4),
            )
        )
    assert sorted(claims) == [False, False, False, True]
    assert list(connections.listeners(TOPIC, NOON)) == [SUBSCRIPTION]
    assert connections.claim_final_message(SUBSCRIPTION, NOON + MINUTE, NOON + 2 * MINUTE) is True
    assert connections.unsubscribe(CONNECTION.id, "one") is True
    assert (
        connections.claim_final_message(SUBSCRIPTION, NOON + 3 * MINUTE, NOON + 4 * MINUTE) is False
    )
