"""Deliveries as items of the DynamoDB table; an item contains its attempts. Pure."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import from_text, to_text
from core.domain.delivery import (
    Attempt,
    Delivery,
    DeliveryState,
    delivery_id,
    parse_delivery_id,
)
from core.domain.errors import InvalidValue
from core.repositories.dynamodb.expressions import Item, fits_key, key
from core.repositories.dynamodb.table import blob_pk
from core.repositories.serialization import shard_of

if TYPE_CHECKING:
    from datetime import datetime

PREFIX: Final = "delivery#"


def keys_if_known(delivery_id: str) -> tuple[str, str] | None:
    """Return the key of a delivery's item; None for an id that no delivery can have."""
    parts = parse_delivery_id(delivery_id)
    if parts is None or not fits_key(*parts[:1]):
        return None
    blob_id, version = parts
    return blob_pk(blob_id), f"{PREFIX}{version:010d}"


def keys_of(delivery_id: str) -> tuple[str, str]:
    """Return the key of a delivery's item. Raises InvalidValue."""
    keys = keys_if_known(delivery_id)
    if keys is None:
        raise InvalidValue("delivery id", f"{delivery_id!r} was not made by delivery_id")
    return keys


def id_of(item: Item) -> str:
    """Return the id of the delivery of an item or index entry."""
    blob_id = item["pk"]["S"].removeprefix(blob_pk(""))
    return delivery_id(blob_id, int(item["sk"]["S"].removeprefix(PREFIX)))


def list_of(state: DeliveryState, blob_id: str) -> str:
    """Return the list that contains a blob's deliveries of a state."""
    return list_in(state, shard_of(blob_id))


def list_in(state: DeliveryState, shard: int) -> str:
    """Return the list of a shard's deliveries of a state."""
    if state is DeliveryState.PENDING:
        return f"deliveries#{shard}"
    return f"deliveries#{state.value}#{shard}"


def hash_of(endpoint: str) -> str:
    """Return a hash of an endpoint, for keys, which are limited in length."""
    return hashlib.sha256(endpoint.encode()).hexdigest()[:32]


def is_in_line(item: Item) -> bool:
    """Tell whether a delivery waits in its endpoint's line."""
    return item["state"]["S"] == DeliveryState.PENDING and item["at"] != item["due_at"]


def is_free(item: Item, now: datetime) -> bool:
    """Tell whether a delivery is not leased."""
    return "lease_until" not in item or item["lease_until"]["S"] <= to_text(now)


def delivery_to_item(delivery: Delivery) -> dict[str, Any]:
    """Return the item of a new delivery."""
    ended = delivery.ended_at
    return {
        **key(*keys_of(delivery.id)),
        "owner": {"S": delivery.owner},
        "url": {"S": delivery.url},
        "body_zlib": {"B": zlib.compress(delivery.body)},
        "created_at": {"S": to_text(delivery.created_at)},
        "due_at": {"S": to_text(delivery.due_at)},
        "state": {"S": delivery.state.value},
        "attempts": {"L": [attempt_to_item(attempt) for attempt in delivery.attempts]},
        "earlier": {"N": str(delivery.attempts_before)},
        "name": {"S": hash_of(delivery.endpoint)},
        "list": {"S": list_of(delivery.state, delivery.blob_id)},
        "at": {"S": to_text(ended or delivery.due_at)},
        **({"ended_at": {"S": to_text(ended)}} if ended else {}),
    }


def delivery_from_item(item: Item) -> Delivery:
    """Return the delivery of an item."""
    return Delivery(
        id=id_of(item),
        blob_id=item["pk"]["S"].removeprefix(blob_pk("")),
        owner=item["owner"]["S"],
        url=item["url"]["S"],
        body=_body_of(item),
        created_at=from_text(item["created_at"]["S"]),
        due_at=from_text(item["due_at"]["S"]),
        state=DeliveryState(item["state"]["S"]),
        attempts=tuple(
            _attempt_from_item(place, attempt["M"])
            for place, attempt in enumerate(item["attempts"]["L"], start=1)
        ),
        attempts_before=int(item["earlier"]["N"]) if "earlier" in item else 0,
        ended_at=from_text(item["ended_at"]["S"]) if "ended_at" in item else None,
    )


def _body_of(item: Item) -> bytes:
    if "body" in item:  # in early items
        return bytes(item["body"]["B"])
    return zlib.decompress(item["body_zlib"]["B"])


def attempt_to_item(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as an attribute value in its delivery's item."""
    values: dict[str, Any] = {
        "number": {"N": str(attempt.number)},
        "started": {"S": to_text(attempt.started)},
    }
    if attempt.ended is not None:
        values["ended"] = {"S": to_text(attempt.ended)}
    if attempt.status is not None:
        values["status"] = {"N": str(attempt.status)}
    if attempt.error is not None:
        values["error"] = {"S": attempt.error}
    if attempt.response:
        values["response"] = {"B": attempt.response}
    if attempt.address is not None:
        values["address"] = {"S": attempt.address}
    return {"M": values}


def _attempt_from_item(place: int, item: Item) -> Attempt:
    return Attempt(
        int(item["number"]["N"]) if "number" in item else place,  # early attempts have no number
        from_text(item["started"]["S"]),
        from_text(item["ended"]["S"]) if "ended" in item else None,
        int(item["status"]["N"]) if "status" in item else None,
        item["error"]["S"] if "error" in item else None,
        bytes(item["response"]["B"]) if "response" in item else b"",
        item["address"]["S"] if "address" in item else None,
    )
