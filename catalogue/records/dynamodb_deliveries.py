"""Delivery records on DynamoDB: one item each, its attempts inside."""

from __future__ import annotations

import secrets
from itertools import islice
from typing import TYPE_CHECKING, Any

from catalogue.clock import from_text, to_text
from catalogue.delivery import (
    Attempt,
    Claim,
    Delivery,
    DeliveryState,
    Verdict,
    delivery_id,
    parse_delivery_id,
)
from catalogue.errors import InvalidValue
from catalogue.records.dynamodb import BY_LIST, ConditionFailed, Item, Table, fits_key
from catalogue.records.items import SHARDS, shard_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

_PREFIX = "delivery#"


class DynamoDeliveries:
    """Delivery records in a `Table`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, delivery: Delivery) -> bool:
        """Keep a new delivery; False when that id is known already."""
        try:
            self._table.put(_to_item(delivery), "attribute_not_exists(pk)")
        except ConditionFailed:
            return False
        return True

    def claim(self, delivery_id: str, now: datetime, lease_for: timedelta) -> Claim | None:
        """Take the right to attempt a delivery that is pending, due and not under lease."""
        keys = _keys(delivery_id)
        if keys is None:
            return None
        lease = secrets.token_hex(8)
        try:
            item = self._table.update(
                *keys,
                "SET #lease = :lease, #lease_until = :until,"
                " #attempts = list_append(#attempts, :begun)",
                "#state = :pending AND #due_at <= :now"
                " AND (attribute_not_exists(#lease_until) OR #lease_until <= :now)",
                lease={"S": lease},
                until={"S": to_text(now + lease_for)},
                begun={"L": [_attempt_to_item(Attempt(0, now))]},
                pending={"S": DeliveryState.PENDING.value},
                now={"S": to_text(now)},
            )
        except ConditionFailed:
            return None
        delivery = _from_item(item)
        return Claim(delivery, len(delivery.attempts), lease)

    def finish(self, claim: Claim, attempt: Attempt, verdict: Verdict) -> bool:
        """Record an attempt's outcome; False when the lease was lost."""
        keys = _keys(claim.delivery.id)
        if keys is None:
            return False
        due_at = {"S": to_text(verdict.due_at or claim.delivery.due_at)}
        pending = verdict.state is DeliveryState.PENDING
        try:
            self._table.update(
                *keys,
                f"SET #state = :state, #due_at = :due, #attempts[{claim.attempt - 1}] = :attempt"
                + (", #at = :due" if pending else "")
                + " REMOVE #lease, #lease_until"
                + ("" if pending else ", #list, #at"),
                "#lease = :lease",
                state={"S": verdict.state.value},
                due=due_at,
                attempt=_attempt_to_item(attempt),
                lease={"S": claim.lease},
            )
        except ConditionFailed:
            return False
        return True

    def latest(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the newest delivery of each of the owner's blobs that has one, by blob id."""
        found: dict[str, Delivery] = {}
        for blob_id in filter(fits_key, blob_ids):
            items, _ = self._table.query(
                "#pk = :pk AND begins_with(#sk, :prefix)",
                {"pk": {"S": f"blob#{blob_id}"}, "prefix": {"S": _PREFIX}},
                descending=True,
                limit=1,
            )
            for item in items:
                delivery = _from_item(item)
                if delivery.owner == owner:
                    found[blob_id] = delivery
        return found

    def find_due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return ids of pending deliveries that are due and not under lease."""
        due: list[tuple[str, str]] = []
        for shard in range(SHARDS):
            items = self._table.query_all(
                "#list = :list AND #at <= :now",
                {"list": {"S": f"deliveries#{shard}"}, "now": {"S": to_text(now)}},
                index=BY_LIST,
                filtered="attribute_not_exists(#lease_until) OR #lease_until <= :now",
                limit=limit,
            )
            due += [(item["at"]["S"], _id_of(item)) for item in islice(items, limit)]
        return [each for _, each in sorted(due)[:limit]]


def _keys(delivery_id: str) -> tuple[str, str] | None:
    parts = parse_delivery_id(delivery_id)
    if parts is None or not fits_key(*parts[:1]):
        return None
    blob_id, version = parts
    return f"blob#{blob_id}", f"{_PREFIX}{version:010d}"


def _id_of(item: Item) -> str:
    blob_id = item["pk"]["S"].removeprefix("blob#")
    return delivery_id(blob_id, int(item["sk"]["S"].removeprefix(_PREFIX)))


def _to_item(delivery: Delivery) -> dict[str, Any]:
    keys = _keys(delivery.id)
    if keys is None:
        raise InvalidValue("delivery id", f"{delivery.id!r} was not made by delivery_id")
    item: dict[str, Any] = {
        "pk": {"S": keys[0]},
        "sk": {"S": keys[1]},
        "owner": {"S": delivery.owner},
        "url": {"S": delivery.url},
        "body": {"B": delivery.body},
        "created_at": {"S": to_text(delivery.created_at)},
        "due_at": {"S": to_text(delivery.due_at)},
        "state": {"S": delivery.state.value},
        "attempts": {"L": [_attempt_to_item(attempt) for attempt in delivery.attempts]},
    }
    if delivery.state is DeliveryState.PENDING:
        item["list"] = {"S": f"deliveries#{shard_of(delivery.blob_id)}"}
        item["at"] = item["due_at"]
    return item


def _from_item(item: Item) -> Delivery:
    return Delivery(
        id=_id_of(item),
        blob_id=item["pk"]["S"].removeprefix("blob#"),
        owner=item["owner"]["S"],
        url=item["url"]["S"],
        body=bytes(item["body"]["B"]),
        created_at=from_text(item["created_at"]["S"]),
        due_at=from_text(item["due_at"]["S"]),
        state=DeliveryState(item["state"]["S"]),
        attempts=tuple(
            _attempt_from_item(number, attempt["M"])
            for number, attempt in enumerate(item["attempts"]["L"], start=1)
        ),
    )


def _attempt_to_item(attempt: Attempt) -> dict[str, Any]:
    values: dict[str, Any] = {"started": {"S": to_text(attempt.started)}}
    if attempt.ended is not None:
        values["ended"] = {"S": to_text(attempt.ended)}
    if attempt.status is not None:
        values["status"] = {"N": str(attempt.status)}
    if attempt.error is not None:
        values["error"] = {"S": attempt.error}
    if attempt.response:
        values["response"] = {"B": attempt.response}
    return {"M": values}


def _attempt_from_item(number: int, item: Item) -> Attempt:
    return Attempt(
        number,
        from_text(item["started"]["S"]),
        from_text(item["ended"]["S"]) if "ended" in item else None,
        int(item["status"]["N"]) if "status" in item else None,
        item["error"]["S"] if "error" in item else None,
        bytes(item["response"]["B"]) if "response" in item else b"",
    )
