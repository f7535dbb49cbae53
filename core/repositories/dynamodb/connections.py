"""Connections on DynamoDB, in a table of their own (docs/decisions/0018).

    item            pk               sk
    connection      connection#<id>  connection
    subscription    <topic>          <connection id>#<slot of its operation>

A topic's subscriptions are in one partition, so that they are read with strong consistency: a
change misses no subscription that was stored before it. A connection stores the slots of its
subscriptions.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import epoch_ms, from_epoch_ms
from core.repositories.dynamodb.expressions import (
    Item,
    fits_key,
    key,
    transact_delete,
    transact_put,
    transact_update,
)
from core.repositories.dynamodb.scopes import scopes_from_item, scopes_to_item
from core.repositories.dynamodb.table import ConditionFailed, Table
from core.repositories.ports.connections import (
    MAX_SUBSCRIPTIONS,
    Connection,
    Subscription,
    slot_of,
)
from core.repositories.serialization import marshal, unmarshal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_CONNECTION: Final = "connection"


class DynamoConnectionRepository:
    """Connections in a `Table`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def save(self, connection: Connection) -> bool:
        """Store a connection. Return False if it is already acknowledged."""
        condition = "attribute_not_exists(pk) OR #acknowledged = :no"
        try:
            self._table.put(_connection_to_item(connection), condition, no={"BOOL": False})
        except ConditionFailed:
            return False
        return True

    def find(self, connection_id: str, now: datetime) -> Connection | None:
        """Return a connection, if it exists and has not expired."""
        item = self._table.get(*_keys(connection_id))
        connection = _connection_from_item(connection_id, item) if item else None
        return connection if connection and connection.expires_at > now else None

    def subscribe(self, subscription: Subscription) -> bool:
        """Store a subscription, and its slot on its connection."""
        if not fits_key(subscription.topic):
            return False
        slot = f"#slots.#{slot_of(subscription.operation)}"
        place = transact_update(
            *_keys(subscription.connection_id),
            f"SET {slot} = :topic",
            f"attribute_exists(pk) AND attribute_not_exists({slot}) AND size(#slots) < :most",
            topic={"S": subscription.topic},
            most={"N": str(MAX_SUBSCRIPTIONS)},
        )
        try:
            self._table.transact([place, transact_put(_subscription_to_item(subscription))])
        except ConditionFailed:
            return False
        return True

    def unsubscribe(self, connection_id: str, operation: str, topic: str) -> bool:
        """Delete a subscription, and its slot on its connection."""
        slot = f"#slots.#{slot_of(operation)}"
        place = transact_update(
            *_keys(connection_id), f"REMOVE {slot}", f"{slot} = :topic", topic={"S": topic}
        )
        gone = transact_delete(topic, _sort_key(connection_id, slot_of(operation)))
        try:
            self._table.transact([place, gone])
        except ConditionFailed:
            return False
        return True

    def claim_final_message(
        self, subscription: Subscription, now: datetime, until: datetime
    ) -> bool:
        """Claim the right to send a subscription its final message."""
        sort_key = _sort_key(subscription.connection_id, slot_of(subscription.operation))
        try:
            self._table.update(
                subscription.topic,
                sort_key,
                "SET #claimed_until = :until",
                "attribute_exists(pk)"
                " AND (attribute_not_exists(#claimed_until) OR #claimed_until <= :now)",
                now=_milliseconds(now),
                until=_milliseconds(until),
            )
        except ConditionFailed:
            return False
        return True

    def close(self, connection_id: str) -> None:
        """Delete a connection and its subscriptions."""
        # The connection first, so that no more are stored. After a crash they expire.
        item = self._table.pop(*_keys(connection_id))
        slots = unmarshal(item["slots"]) if item else {}
        if slots:
            self._table.transact(
                [
                    transact_delete(topic, _sort_key(connection_id, slot))
                    for slot, topic in slots.items()
                ]
            )

    def listeners(self, topic: str, now: datetime) -> Iterator[Subscription]:
        """Yield the subscriptions of a topic."""
        for item in self._table.query_all("#pk = :pk", {"pk": {"S": topic}}):
            subscription = _subscription_from_item(item)
            if subscription.expires_at > now:
                yield subscription

    def has_listeners(self, topic: str) -> bool:
        """Tell whether a topic has subscriptions."""
        items, _ = self._table.query("#pk = :pk", {"pk": {"S": topic}}, limit=1)
        return bool(items)


def _keys(connection_id: str) -> tuple[str, str]:
    return f"connection#{connection_id}", _CONNECTION


def _sort_key(connection_id: str, slot: str) -> str:
    return f"{connection_id}#{slot}"


def _connection_to_item(connection: Connection) -> Item:
    return {
        **key(*_keys(connection.id)),
        **_caller_to_item(connection),
        "acknowledged": {"BOOL": connection.acknowledged},
        "slots": marshal(dict(connection.slots)),
    }


def _connection_from_item(connection_id: str, item: Item) -> Connection:
    return Connection(
        connection_id,
        **_caller_from_item(item),
        acknowledged=item["acknowledged"]["BOOL"],
        slots=unmarshal(item["slots"]),
    )


def _subscription_to_item(subscription: Subscription) -> Item:
    slot = slot_of(subscription.operation)
    asked = {
        "operation": subscription.operation,
        "query": subscription.query,
        "variables": dict(subscription.variables),
        "operation_name": subscription.operation_name,
    }
    return {
        **key(subscription.topic, _sort_key(subscription.connection_id, slot)),
        **_caller_to_item(subscription),
        # As JSON: DynamoDB does not accept all of its numbers, nor lone surrogates.
        "asked": {"S": json.dumps(asked)},
    }


def _subscription_from_item(item: Item) -> Subscription:
    return Subscription(
        connection_id=item["sk"]["S"].rpartition("#")[0],
        topic=item["pk"]["S"],
        **json.loads(item["asked"]["S"]),
        **_caller_from_item(item),
    )


def _caller_to_item(caller: Connection | Subscription) -> Mapping[str, Any]:
    ends = {"ends_at": _milliseconds(caller.ends_at)} if caller.ends_at else {}
    return {
        "owner": {"S": caller.owner},
        **scopes_to_item(caller.scopes),
        "expires_at": {"N": str(-(-epoch_ms(caller.expires_at) // 1000))},
        **ends,
    }


def _caller_from_item(item: Item) -> dict[str, Any]:
    return {
        "owner": item["owner"]["S"],
        "scopes": scopes_from_item(item) or frozenset(),
        "expires_at": from_epoch_ms(int(item["expires_at"]["N"]) * 1000),
        "ends_at": from_epoch_ms(int(item["ends_at"]["N"])) if "ends_at" in item else None,
    }


def _milliseconds(moment: datetime) -> dict[str, str]:
    return {"N": str(epoch_ms(moment))}
