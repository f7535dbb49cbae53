"""Connections that an earlier version stored on DynamoDB: one topic for each slot, uncounted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.domain.scope import ALL_SCOPES
from core.repositories.dynamodb.connections import DynamoConnectionRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.connections import Connection, Subscription, slot_of
from tests.support.aws.dynamodb import connections_definition, dynamodb_client
from tests.support.aws.moto import moto_aws
from tests.support.blobs import NOON

LATER = NOON.replace(year=2027, microsecond=0)


@pytest.fixture
def connections() -> Iterator[DynamoConnectionRepository]:
    """Anna's connection, with a subscription "old" to one blob."""
    with moto_aws():
        client = dynamodb_client()
        client.create_table(TableName="connections", **connections_definition())
        connections = DynamoConnectionRepository(Table(client, "connections"))
        connections.save(Connection("c", "anna", ALL_SCOPES, None, LATER, acknowledged=True))
        connections.subscribe(asking("old", "blob#1"))
        client.update_item(
            TableName="connections",
            Key={"pk": {"S": "connection#c"}, "sk": {"S": "connection"}},
            UpdateExpression="SET #slots.#slot = :topic REMOVE #topics",
            ExpressionAttributeNames={
                "#slots": "slots",
                "#slot": slot_of("old"),
                "#topics": "topics",
            },
            ExpressionAttributeValues={":topic": {"S": "blob#1"}},
        )
        yield connections


def asking(operation: str, *topics: str) -> Subscription:
    return Subscription("c", operation, topics, "anna", ALL_SCOPES, None, LATER, "{ x }")


def test_earlier_subscription_is_found_and_ends(connections: DynamoConnectionRepository) -> None:
    found = connections.find("c", NOON)
    assert found is not None
    assert found.topics_of("old") == ("blob#1",)
    assert connections.end_topics("c", "old", {"blob#1"}) is False
    assert connections.unsubscribe("c", "old") is True
    assert not connections.has_listeners("blob#1")


def test_earlier_connection_accepts_subscriptions(connections: DynamoConnectionRepository) -> None:
    """Closing it deletes them all."""
    assert connections.subscribe(asking("new", "blob#1", "blob#2")) is True
    assert connections.end_topics("c", "new", {"blob#2"}) is True
    assert [each.operation for each in connections.listeners("blob#1", NOON)] != ["old"]
    connections.close("c")
    assert not any(map(connections.has_listeners, ("blob#1", "blob#2")))
