"""Delivery records on DynamoDB: one item each, its attempts inside.

An endpoint has an item of its own, which holds the leases of the attempts at it, and so bounds
them. What finds no room gets an entry in the endpoint's line; its place in the list of what is due
is put off meanwhile, so that the sweep sees it only if the line should be stuck.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from contextlib import suppress
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import from_text, to_text
from core.domain.delivery import (
    ATTEMPTS_KEPT,
    LINE_CHECK,
    PER_ENDPOINT,
    Attempt,
    Claim,
    Delivery,
    DeliveryState,
    DisabledEndpoint,
    Verdict,
    delivery_id,
    parse_delivery_id,
)
from core.domain.errors import InvalidValue
from core.repositories.dynamodb.table import (
    BY_LIST,
    DELETED,
    ConditionFailed,
    Item,
    Table,
    fits_key,
    key,
    segment,
)
from core.repositories.serialization import SHARDS, shard_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

_PREFIX: Final = "delivery#"
_ENDPOINT: Final = "endpoint"
_MAX_ATTEMPTS: Final = 10
_READ_BATCH: Final = 100
_MAX_LOOKED_AT: Final = 5000  # of a shard's due deliveries, in one sweep
_FORGET_AFTER: Final = 7 * 24 * 3600  # seconds, of an endpoint that nothing is sent to


class DynamoDeliveryRepository:
    """Delivery records in a `Table`."""

    def __init__(self, table: Table, per_endpoint: int = PER_ENDPOINT) -> None:
        self._table = table
        self._per_endpoint = per_endpoint

    def add(self, delivery: Delivery) -> bool:
        """Keep a new delivery; True when a hint at it is due."""
        now = delivery.created_at
        room = self._room(delivery.owner, delivery.endpoint, now)
        item = _to_item(delivery)
        if not room:
            item["at"] = {"S": to_text(now + LINE_CHECK)}
        try:
            self._table.put(item, "attribute_not_exists(pk)")
        except ConditionFailed:
            return False
        # A change may be told late: whoever deletes the blob can't wait for it.
        if not delivery.is_test and self._table.get(item["pk"]["S"], DELETED):
            self.remove(delivery.blob_id, now)
            return False
        return room > 0 or self._stand_in_line(delivery, now)

    def claim(self, delivery_id: str, now: datetime, lease_for: timedelta) -> Claim | None:
        """Take the right to attempt a delivery that is pending, due and not under lease."""
        item = self._item(delivery_id)
        if item is None or not _is_free(item, now):
            return None
        delivery = _from_item(item)
        if delivery.state is not DeliveryState.PENDING or delivery.due_at > now:
            return None
        lease = secrets.token_hex(8)
        endpoint = self._take_place(delivery, lease, now, now + lease_for)
        if endpoint is None and self._put_off(delivery, now):
            endpoint = self._take_place(delivery, lease, now, now + lease_for)
        if endpoint is None:
            return None
        number = (delivery.attempts[-1].number if delivery.attempts else 0) + 1
        try:
            claimed = self._table.update(
                *_keys_of(delivery.id),
                "SET #lease = :lease, #lease_until = :until,"
                " #attempts = list_append(#attempts, :begun)",
                "#state = :pending AND #due_at <= :now AND size(#attempts) = :known"
                " AND (attribute_not_exists(#lease_until) OR #lease_until <= :now)",
                lease={"S": lease},
                until={"S": to_text(now + lease_for)},
                begun={"L": [_attempt_to_item(Attempt(number, now))]},
                pending={"S": DeliveryState.PENDING.value},
                known={"N": str(len(delivery.attempts))},
                now={"S": to_text(now)},
            )
        except ConditionFailed:
            self._leave_place(delivery, lease)
            return None
        self._leave_line(item)
        disabled_at = endpoint.get("disabled_at")
        return Claim(
            _from_item(claimed), number, lease, from_text(disabled_at["S"]) if disabled_at else None
        )

    def finish(self, claim: Claim, attempt: Attempt, verdict: Verdict) -> bool:
        """Record an attempt's outcome; False when the lease was lost."""
        delivery = claim.delivery
        pending = verdict.state is DeliveryState.PENDING
        due_at = to_text(verdict.due_at or delivery.due_at)
        ended = to_text(attempt.ended or attempt.started)
        try:
            self._table.update(
                *_keys_of(delivery.id),
                f"SET #state = :state, #due_at = :due, #list = :list, #at = :at,"
                f" #attempts[{len(delivery.attempts) - 1}] = :attempt"
                + ("" if pending else ", #ended_at = :at")
                + " REMOVE #lease, #lease_until",
                "#lease = :lease",
                state={"S": verdict.state.value},
                due={"S": due_at},
                list={"S": _list_of(verdict.state, delivery.blob_id)},
                at={"S": due_at if pending else ended},
                attempt=_attempt_to_item(attempt),
                lease={"S": claim.lease},
            )
        except ConditionFailed:
            return False
        finally:
            self._leave_place(delivery, claim.lease)
        return True

    def next_in_line(self, owner: str, endpoint: str, now: datetime) -> Sequence[str]:
        """Let out of an endpoint's line as many as it has room for, the longest due first."""
        room = self._room(owner, endpoint, now)
        if not room:
            return []
        line = _line_key(owner, endpoint)
        entries, _ = self._table.query("#pk = :pk", {"pk": {"S": line}}, limit=room)
        let_out = []
        for entry in entries:
            with suppress(ConditionFailed):  # another let it out
                self._table.delete(line, entry["sk"]["S"], "attribute_exists(pk)")
                let_out.append(entry["sk"]["S"].partition("#")[2])
        return let_out

    def redeliver(self, delivery_id: str, now: datetime) -> bool:
        """Make a delivery due now, whatever its state; True when a hint at it is due."""
        item = self._item(delivery_id)
        if item is None or not _is_free(item, now) or _is_in_line(item):
            return False
        delivery = _from_item(item)
        anew = delivery.state is not DeliveryState.PENDING
        kept = delivery.attempts[-ATTEMPTS_KEPT:] if anew else delivery.attempts
        earlier = kept[-1].number if anew and kept else delivery.earlier
        try:
            self._table.update(
                *_keys_of(delivery_id),
                "SET #state = :pending, #due_at = :now, #list = :list, #at = :now,"
                " #earlier = :earlier, #attempts = :kept REMOVE #ended_at",
                "size(#attempts) = :known AND #due_at = :due"
                " AND (attribute_not_exists(#lease_until) OR #lease_until <= :now)",
                pending={"S": DeliveryState.PENDING.value},
                now={"S": to_text(now)},
                list={"S": _list_of(DeliveryState.PENDING, delivery.blob_id)},
                earlier={"N": str(earlier)},
                kept={"L": [_attempt_to_item(attempt) for attempt in kept]},
                known={"N": str(len(delivery.attempts))},
                due={"S": to_text(delivery.due_at)},
            )
        except ConditionFailed:  # an attempt began or ended meanwhile
            return False
        return True

    def remove(self, blob_id: str, now: datetime) -> Sequence[str]:
        """Forget a blob's deliveries; return the ids of those that may go in their place."""
        endpoints: set[tuple[str, str]] = set()
        for item in self._of_blob(blob_id):
            delivery = _from_item(item)
            with suppress(ConditionFailed):  # another removes it
                self._table.delete(*_keys_of(delivery.id), "attribute_exists(pk)")
            if delivery.state is DeliveryState.PENDING:
                endpoints.add((delivery.owner, delivery.endpoint))
                self._leave_line(item)
        return [
            each
            for owner, endpoint in sorted(endpoints)
            for each in self.next_in_line(owner, endpoint, now)
        ]

    def find(self, owner: str, delivery_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return those of the deliveries that exist and are the owner's, by id."""
        found = (_from_item(item) for item in self._items(delivery_ids))
        return {delivery.id: delivery for delivery in found if delivery.owner == owner}

    def get(self, delivery_id: str) -> Delivery | None:
        """Return a delivery whoever owns it."""
        item = self._item(delivery_id)
        return _from_item(item) if item else None

    def latest(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the newest delivery of each of the owner's blobs that has one, by blob id."""
        found: dict[str, Delivery] = {}
        for blob_id in filter(fits_key, blob_ids):
            for item in islice(self._of_blob(blob_id, descending=True, limit=1), 1):
                delivery = _from_item(item)
                if delivery.owner == owner:
                    found[blob_id] = delivery
        return found

    def find_due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return ids of pending deliveries that are due and not under lease."""
        due: list[tuple[str, str, tuple[str, str | None]]] = []
        for shard in range(SHARDS):
            items = self._table.query_all(
                "#list = :list AND #at <= :now",
                {
                    "list": {"S": _list_in(DeliveryState.PENDING, shard)},
                    "now": {"S": to_text(now)},
                },
                index=BY_LIST,
                filtered="attribute_not_exists(#lease_until) OR #lease_until <= :now",
            )
            due += [
                (item["at"]["S"], _id_of(item), (item["owner"]["S"], item.get("name", {}).get("S")))
                for item in islice(items, _MAX_LOOKED_AT)
            ]
        ranked: list[tuple[int, str, str]] = []
        seen: Counter[tuple[str, str | None]] = Counter()
        for at, each, endpoint in sorted(due, key=itemgetter(0, 1)):
            seen[endpoint] += 1
            ranked.append((seen[endpoint], at, each))
        return [each for _, _, each in sorted(ranked)[:limit]]

    def find_by_state(
        self, state: DeliveryState, *, owner: str | None = None, since: datetime | None = None
    ) -> Iterator[Delivery]:
        """List deliveries of a state, of one owner or all."""
        pending = state is DeliveryState.PENDING
        entries: list[tuple[str, str]] = []
        for shard in range(SHARDS):
            items = self._table.query_all(
                "#list = :list AND #at >= :since",
                {
                    "list": {"S": _list_in(state, shard)},
                    "since": {"S": to_text(since) if since and not pending else "0"},
                },
                index=BY_LIST,
            )
            entries += [
                (item["at"]["S"], _id_of(item))
                for item in items
                if owner is None or item["owner"]["S"] == owner
            ]
        ids = [each for _, each in sorted(entries, reverse=not pending)]
        for start in range(0, len(ids), _READ_BATCH):
            wanted = ids[start : start + _READ_BATCH]
            found = {_id_of(item): _from_item(item) for item in self._items(wanted)}
            yield from (found[each] for each in wanted if each in found)

    def disable_endpoint(self, owner: str, endpoint: str, now: datetime) -> None:
        """Note that nothing more is to be sent to an owner's endpoint."""
        with suppress(ConditionFailed):
            self._table.update(
                _endpoint_key(owner, endpoint),
                _ENDPOINT,
                "SET #disabled_at = :now, #list = :list, #at = :now, #name = :endpoint"
                " REMOVE #expires_at",
                "attribute_not_exists(#disabled_at)",
                now={"S": to_text(now)},
                list={"S": _disabled_list(owner)},
                endpoint={"S": endpoint},
            )

    def enable_endpoint(self, owner: str, endpoint: str) -> bool:
        """Let deliveries go to an endpoint again; False when it was not disabled."""
        try:
            self._table.update(
                _endpoint_key(owner, endpoint),
                _ENDPOINT,
                "REMOVE #disabled_at, #list, #at, #name",
                "attribute_exists(#disabled_at)",
            )
        except ConditionFailed:
            return False
        return True

    def disabled_endpoints(self, owner: str) -> Sequence[DisabledEndpoint]:
        """List an owner's disabled endpoints, the first disabled first."""
        items = self._table.query_all(
            "#list = :list", {"list": {"S": _disabled_list(owner)}}, index=BY_LIST
        )
        return [
            DisabledEndpoint(owner, item["name"]["S"], from_text(item["at"]["S"])) for item in items
        ]

    def _item(self, delivery_id: str) -> Item | None:
        keys = _keys(delivery_id)
        return self._table.get(*keys) if keys else None

    def _items(self, delivery_ids: Collection[str]) -> list[Item]:
        known = [keys for each in delivery_ids if (keys := _keys(each)) is not None]
        return self._table.get_many(known)

    def _of_blob(self, blob_id: str, **options: Any) -> Iterator[Item]:
        return self._table.query_all(
            "#pk = :pk AND begins_with(#sk, :prefix)",
            {"pk": {"S": f"blob#{blob_id}"}, "prefix": {"S": _PREFIX}},
            **options,
        )

    def _room(self, owner: str, endpoint: str, now: datetime) -> int:
        """Return how many more attempts at an endpoint may be under lease."""
        item = self._table.get(_endpoint_key(owner, endpoint), _ENDPOINT)
        return max(0, self._per_endpoint - len(_live_leases(item, now)))

    def _take_place(
        self, delivery: Delivery, lease: str, now: datetime, until: datetime
    ) -> Item | None:
        """Put a lease into the endpoint's item and return that, or None if there is no room."""
        keys = _endpoint_key(delivery.owner, delivery.endpoint), _ENDPOINT
        for _ in range(_MAX_ATTEMPTS):
            item = self._table.get(*keys) or {}
            live = _live_leases(item, now)
            if len(live) >= self._per_endpoint:
                return None
            taken = item.get("taken", {"N": "0"})
            values: dict[str, Any] = {
                "leases": {"M": {**live, lease: {"S": to_text(until)}}},
                "taken": taken,
                "next": {"N": str(int(taken["N"]) + 1)},
            }
            expression = "SET #leases = :leases, #taken = :next"
            if "disabled_at" not in item:
                expression += ", #expires_at = :forget"
                values["forget"] = {"N": str(int(until.timestamp()) + _FORGET_AFTER)}
            condition = "#taken = :taken"
            if "taken" not in item:
                condition += " OR attribute_not_exists(#taken)"
            with suppress(ConditionFailed):  # another took a place meanwhile: look again
                return self._table.update(*keys, expression, condition, **values)
        return None

    def _leave_place(self, delivery: Delivery, lease: str) -> None:
        with suppress(ConditionFailed):  # it ran out, and another swept it away
            self._table.update(
                _endpoint_key(delivery.owner, delivery.endpoint),
                _ENDPOINT,
                f"REMOVE #leases.#{lease}",
                f"attribute_exists(#leases.#{lease})",
            )

    def _put_off(self, delivery: Delivery, now: datetime) -> bool:
        """Have a delivery wait; True when room was made before it stood in line."""
        with suppress(ConditionFailed):  # it is in somebody's hands
            self._table.update(
                *_keys_of(delivery.id),
                "SET #at = :at",
                "#state = :pending AND #due_at = :due"
                " AND (attribute_not_exists(#lease_until) OR #lease_until <= :now)",
                at={"S": to_text(now + LINE_CHECK)},
                pending={"S": DeliveryState.PENDING.value},
                due={"S": to_text(delivery.due_at)},
                now={"S": to_text(now)},
            )
        return self._stand_in_line(delivery, now)

    def _leave_line(self, item: Item) -> None:
        """Take away the place in line of a delivery that needs it no more, if it has one."""
        if _is_in_line(item):
            delivery = _from_item(item)
            with suppress(ConditionFailed):  # it was let out
                self._table.delete(
                    _line_key(delivery.owner, delivery.endpoint),
                    _place_in_line(delivery),
                    "attribute_exists(pk)",
                )

    def _stand_in_line(self, delivery: Delivery, now: datetime) -> bool:
        line = _line_key(delivery.owner, delivery.endpoint)
        with suppress(ConditionFailed):  # it stands there already
            self._table.put(key(line, _place_in_line(delivery)), "attribute_not_exists(pk)")
        # Whoever ended an attempt before this entry was there could not let it out.
        return self._room(delivery.owner, delivery.endpoint, now) > 0


def _hash_of(endpoint: str) -> str:
    return hashlib.sha256(endpoint.encode()).hexdigest()[:32]


def _endpoint_key(owner: str, endpoint: str) -> str:
    return f"endpoint#{segment(owner)}#{_hash_of(endpoint)}"


def _line_key(owner: str, endpoint: str) -> str:
    return f"line#{segment(owner)}#{_hash_of(endpoint)}"


def _place_in_line(delivery: Delivery) -> str:
    return f"{to_text(delivery.due_at)}#{delivery.id}"


def _disabled_list(owner: str) -> str:
    return f"disabled#{segment(owner)}"


def _list_of(state: DeliveryState, blob_id: str) -> str:
    return _list_in(state, shard_of(blob_id))


def _list_in(state: DeliveryState, shard: int) -> str:
    if state is DeliveryState.PENDING:
        return f"deliveries#{shard}"
    return f"deliveries#{state.value}#{shard}"


def _live_leases(endpoint: Item | None, now: datetime) -> dict[str, Any]:
    leases: Mapping[str, Any] = endpoint["leases"]["M"] if endpoint and "leases" in endpoint else {}
    return {lease: until for lease, until in leases.items() if until["S"] > to_text(now)}


def _is_in_line(item: Item) -> bool:
    return item["state"]["S"] == DeliveryState.PENDING and item["at"] != item["due_at"]


def _is_free(item: Item, now: datetime) -> bool:
    return "lease_until" not in item or item["lease_until"]["S"] <= to_text(now)


def _keys(delivery_id: str) -> tuple[str, str] | None:
    parts = parse_delivery_id(delivery_id)
    if parts is None or not fits_key(*parts[:1]):
        return None
    blob_id, version = parts
    return f"blob#{blob_id}", f"{_PREFIX}{version:010d}"


def _keys_of(delivery_id: str) -> tuple[str, str]:
    keys = _keys(delivery_id)
    if keys is None:
        raise InvalidValue("delivery id", f"{delivery_id!r} was not made by delivery_id")
    return keys


def _id_of(item: Item) -> str:
    blob_id = item["pk"]["S"].removeprefix("blob#")
    return delivery_id(blob_id, int(item["sk"]["S"].removeprefix(_PREFIX)))


def _to_item(delivery: Delivery) -> dict[str, Any]:
    ended = delivery.ended_at
    return {
        **key(*_keys_of(delivery.id)),
        "owner": {"S": delivery.owner},
        "url": {"S": delivery.url},
        "body": {"B": delivery.body},
        "created_at": {"S": to_text(delivery.created_at)},
        "due_at": {"S": to_text(delivery.due_at)},
        "state": {"S": delivery.state.value},
        "attempts": {"L": [_attempt_to_item(attempt) for attempt in delivery.attempts]},
        "earlier": {"N": str(delivery.earlier)},
        "name": {"S": _hash_of(delivery.endpoint)},
        "list": {"S": _list_of(delivery.state, delivery.blob_id)},
        "at": {"S": to_text(ended or delivery.due_at)},
        **({"ended_at": {"S": to_text(ended)}} if ended else {}),
    }


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
            _attempt_from_item(place, attempt["M"])
            for place, attempt in enumerate(item["attempts"]["L"], start=1)
        ),
        earlier=int(item["earlier"]["N"]) if "earlier" in item else 0,
        ended_at=from_text(item["ended_at"]["S"]) if "ended_at" in item else None,
    )


def _attempt_to_item(attempt: Attempt) -> dict[str, Any]:
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
        int(item["number"]["N"]) if "number" in item else place,  # early ones had none
        from_text(item["started"]["S"]),
        from_text(item["ended"]["S"]) if "ended" in item else None,
        int(item["status"]["N"]) if "status" in item else None,
        item["error"]["S"] if "error" in item else None,
        bytes(item["response"]["B"]) if "response" in item else b"",
        item["address"]["S"] if "address" in item else None,
    )
