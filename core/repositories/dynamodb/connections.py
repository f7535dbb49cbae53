"""Connections on DynamoDB, in a table of their own (docs/decisions/0018).

    item            pk               sk
    connection      connection#<id>  connection
    subscription    <topic>          <connection id>#<slot of its operation>, for each topic

A topic's subscriptions are in one partition, so that they are read with strong consistency: a
change misses no subscription that was stored before it. A connection stores the topics of its
subscriptions, by slot, and their number.
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
    MAX_TOPICS,
    Connection,
    Subscription,
    slot_of,
)
from core.repositories.serialization import marshal, unmarshal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
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
        """Store a subscription, and its topics on its connection."""
        topics = subscription.topics
        if not all(map(fits_key, topics)) or len(topics) >= MAX_TOPICS:
            return False
        slot = f"#slots.#{slot_of(subscription.operation)}"
        place = transact_update(
            *_keys(subscription.connection_id),
            f"SET {slot} = :topics, #topics = if_not_exists(#topics, :none) + :added",
            f"attribute_exists(pk) AND attribute_not_exists({slot})"
            " AND (attribute_not_exists(#topics) OR #topics <= :room)",
            topics=marshal(topics),
            none={"N": "0"},
            added={"N": str(len(topics))},
            room={"N": str(MAX_TOPICS - len(topics))},
        )
        rows = [transact_put(item) for item in _subscription_to_items(subscription)]
        return self._try([place, *rows])

    def unsubscribe(self, connection_id: str, operation: str) -> bool:
        """Delete a subscription, and its topics on its connection."""
        while topics := self._topics(connection_id, operation):
            if self._shrink(connection_id, operation, topics, ()):
                return True
        return False

    def end_topics(self, connection_id: str, operation: str, topics: Collection[str]) -> bool:
        """Delete topics of a subscription unless no others would be left."""
        while known := self._topics(connection_id, operation):
            left = tuple(topic for topic in known if topic not in topics)
            if not left:
                return False
            if left == known or self._shrink(connection_id, operation, known, left):
                return True
        return True

    def _topics(self, connection_id: str, operation: str) -> tuple[str, ...]:
        item = self._table.get(*_keys(connection_id))
        return _slots_from_item(item).get(slot_of(operation), ()) if item else ()

    def _shrink(
        self, connection_id: str, operation: str, known: tuple[str, ...], left: tuple[str, ...]
    ) -> bool:
        """Replace a subscription's topics by fewer, or delete it. Return False if they changed.

        The topics only ever become fewer, so their number tells whether they changed.
        """
        name = slot_of(operation)
        slot = f"#slots.#{name}"
        change = f"SET {slot} = :left," if left else f"REMOVE {slot} SET"
        values: dict[str, Any] = {"left": marshal(left)} if left else {}
        place = transact_update(
            *_keys(connection_id),
            f"{change} #topics = if_not_exists(#topics, :fewer) - :fewer",
            f"size({slot}) = :known OR attribute_type({slot}, :text)",
            **values,
            fewer={"N": str(len(known) - len(left))},
            known={"N": str(len(known))},
            text={"S": "S"},  # in a connection of an early release
        )
        sort_key = _sort_key(connection_id, name)
        rows = [transact_delete(topic, sort_key) for topic in known if topic not in left]
        return self._try([place, *rows])

    def _try(self, writes: Sequence[dict[str, Any]]) -> bool:
        try:
            self._table.transact(writes)
        except ConditionFailed:
            return False
        return True

    def claim_final_message(
        self, subscription: Subscription, now: datetime, until: datetime
    ) -> bool:
        """Claim the right to send a subscription the final message of a topic."""
        (topic,) = subscription.topics
        sort_key = _sort_key(subscription.connection_id, slot_of(subscription.operation))
        try:
            self._table.update(
                topic,
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
        rows = [
            transact_delete(topic, _sort_key(connection_id, slot))
            for slot, topics in (_slots_from_item(item) if item else {}).items()
            for topic in topics
        ]
        if rows:
            self._table.transact(rows)

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
        "topics": {"N": str(sum(map(len, connection.slots.values())))},
    }


def _connection_from_item(connection_id: str, item: Item) -> Connection:
    return Connection(
        connection_id,
        **_caller_from_item(item),
        acknowledged=item["acknowledged"]["BOOL"],
        slots=_slots_from_item(item),
    )


def _slots_from_item(item: Item) -> Mapping[str, tuple[str, ...]]:
    return {
        # A connection of an early release has one topic for each slot.
        slot: (topics,) if isinstance(topics, str) else tuple(topics)
        for slot, topics in unmarshal(item["slots"]).items()
    }


def _subscription_to_items(subscription: Subscription) -> list[Item]:
    slot = slot_of(subscription.operation)
    asked = {
        "operation": subscription.operation,
        "query": subscription.query,
        "variables": dict(subscription.variables),
        "operation_name": subscription.operation_name,
    }
    item = {
        **_caller_to_item(subscription),
        # As JSON: DynamoDB does not accept all of its numbers, nor lone surrogates.
        "asked": {"S": json.dumps(asked)},
    }
    sort_key = _sort_key(subscription.connection_id, slot)
    return [{**key(topic, sort_key), **item} for topic in subscription.topics]


def _subscription_from_item(item: Item) -> Subscription:
    return Subscription(
        connection_id=item["sk"]["S"].rpartition("#")[0],
        topics=(item["pk"]["S"],),
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
