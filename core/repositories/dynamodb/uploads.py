"""Reserved uploads on DynamoDB.

A counter bounds the uploads per minute. There is no counter of open uploads: the labeller would
have to update it in a transaction for every picture of an owner. Instead an item stores how many
further uploads there is certainly room for. Each reservation takes one. When none is left, the open
uploads are counted in their index, and the difference to the limit becomes the new room.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import Blob, BlobStatus
from core.domain.clock import epoch_ms, from_text, to_text
from core.domain.errors import IdempotencyKeyReused, LabellingError, Unavailable
from core.repositories.dynamodb import facts
from core.repositories.dynamodb.expressions import Item, escape_key, key, transact_put
from core.repositories.dynamodb.table import BY_STATUS, DELETED, ConditionFailed, Table, blob_pk
from core.repositories.ports.uploads import (
    KEY_RETENTION,
    RETRY_DELAY,
    IdempotencyKey,
    UploadLimits,
    open_uploads_error,
    rate_limit_error,
)
from core.repositories.serialization import blob_from_item, blob_to_item

if TYPE_CHECKING:
    from datetime import datetime

_MAX_ATTEMPTS: Final = 10
_COUNT_KEPT: Final = timedelta(hours=1)
_ROOM_KEPT: Final = timedelta(days=7)
# The next count waits as long as a count at this rate would take.
_COUNTED_A_SECOND: Final = 1000


class _Unfinished(LabellingError):
    """Another process is reserving an upload under the same key, or another has its external id."""


class DynamoUploadRepository:
    """Reserved uploads in a `Table`. The limit per minute is exact.

    The limit of open uploads can be exceeded by the reservations that are made during a count, and
    by those just before it, which the index does not contain yet.
    """

    def __init__(self, table: Table, limits: UploadLimits) -> None:
        self._table = table
        self._limits = limits

    def reserve(self, blob: Blob, key: IdempotencyKey | None = None) -> Blob:
        """Store a new blob, or return the one that was reserved under the same key."""
        if key is None:
            self._count(blob)
            facts.create(self._table, blob)
            return blob
        counted = False
        for tries in count(1):
            with suppress(_Unfinished):
                # Read first, because the key may be kept meanwhile, with the external id.
                holder = facts.holder_of(self._table, blob) if tries > 1 else None
                held = self._table.get(*_place_of(blob.owner, key))
                if kept := self._kept(held, key, blob.created_at):
                    return kept
                facts.check_external_id(holder, blob)
                if not counted:
                    self._count(blob)
                    counted = True
                self._keep(blob, key, held)
                break
            self._table.back_off(tries, "Too many processes use the same idempotency key")
        return blob

    def _kept(self, held: Item | None, upload_key: IdempotencyKey, now: datetime) -> Blob | None:
        """Return the blob of a key, if any. Raises IdempotencyKeyReused or _Unfinished."""
        if held is None or held["until"]["S"] <= to_text(now):
            return None
        pk = blob_pk(held["blob_id"]["S"])
        item = self._table.get(pk, "blob")
        if item is None:
            # The items of a transaction may become visible one after the other (Amazon DynamoDB
            # Developer Guide: "Isolation levels for transactions").
            if self._table.get(pk, DELETED) is None:
                raise _Unfinished
            return None
        blob = blob_from_item(item)
        if held["digest"]["S"] != upload_key.digest:
            raise IdempotencyKeyReused(blob.id)
        return blob

    def _keep(self, blob: Blob, upload_key: IdempotencyKey, held: Item | None) -> None:
        until = blob.created_at + KEY_RETENTION
        item = {
            **key(*_place_of(blob.owner, upload_key)),
            "digest": {"S": upload_key.digest},
            "blob_id": {"S": blob.id},
            "until": {"S": to_text(until)},
            "expires_at": _seconds(until),
        }
        # An expired item exists until DynamoDB deletes it.
        if held is None:
            put = transact_put(item, "attribute_not_exists(pk)")
        else:
            put = transact_put(
                item, "attribute_not_exists(pk) OR #blob_id = :held", held=held["blob_id"]
            )
        try:
            changes = facts.changes_of(blob.owner, blob.id, blob.facts)
            self._table.transact([put, transact_put(blob_to_item(blob)), *changes])
        except ConditionFailed as exc:
            raise _Unfinished from exc

    def _count(self, blob: Blob) -> None:
        """Count an upload. Raises QuotaExceeded."""
        if self._limits.per_minute:
            self._count_minute(blob.owner, blob.created_at)
        if self._limits.open:
            self._take_room(blob.owner, blob.created_at)

    def _count_minute(self, owner: str, now: datetime) -> None:
        most = self._limits.per_minute
        try:
            self._table.update(
                f"uploads#{escape_key(owner)}#{epoch_ms(now) // 60_000}",
                "count",
                "SET #expires_at = :expires ADD #count :one",
                "attribute_not_exists(#count) OR #count < :most",
                expires=_seconds(now + _COUNT_KEPT),
                one={"N": "1"},
                most={"N": str(most)},
            )
        except ConditionFailed as exc:
            raise rate_limit_error(most, now) from exc

    def _take_room(self, owner: str, now: datetime) -> None:
        place = f"uploads#{escape_key(owner)}", "room"
        bound = {"N": str(self._limits.open)}
        for _ in range(_MAX_ATTEMPTS):
            with suppress(ConditionFailed):
                self._table.update(
                    *place,
                    "ADD #room :taken",
                    "#room > :none AND #bound = :bound",
                    taken={"N": "-1"},
                    none={"N": "0"},
                    bound=bound,
                )
                return
            item = self._table.get(*place)
            if item and item["bound"] == bound:
                if int(item["room"]["N"]) > 0:
                    continue  # another process has counted
                if now < from_text(item["again_at"]["S"]):
                    raise open_uploads_error(self._limits.open, now)
            with suppress(ConditionFailed):  # another process counts
                self._make_room(place, owner, now, item)
        raise Unavailable("Too many processes count the owner's uploads at the same time.")

    def _make_room(
        self, place: tuple[str, str], owner: str, now: datetime, former: Item | None
    ) -> None:
        awaiting = self._table.count(
            "#by_status = :awaiting",
            {"awaiting": {"S": f"{BlobStatus.AWAITING_UPLOAD}#{owner}"}},
            index=BY_STATUS,
            most=self._limits.open,
        )
        rest = min(RETRY_DELAY, timedelta(seconds=max(1, awaiting) / _COUNTED_A_SECOND))
        item: dict[str, Any] = {
            **key(*place),
            "room": {"N": str(self._limits.open - awaiting)},
            "bound": {"N": str(self._limits.open)},
            "again_at": {"S": to_text(now + rest)},
            "turn": {"N": str(int(former["turn"]["N"]) + 1 if former else 1)},
            "expires_at": _seconds(now + _ROOM_KEPT),
        }
        if former is None:
            self._table.put(item, "attribute_not_exists(pk)")
        else:
            # Another process has neither counted nor reserved since the read.
            self._table.put(
                item, "#turn = :turn AND #room = :room", turn=former["turn"], room=former["room"]
            )


def _place_of(owner: str, key: IdempotencyKey) -> tuple[str, str]:
    return f"upload-key#{escape_key(owner)}#{key.hash}", "key"


def _seconds(moment: datetime) -> dict[str, str]:
    """Return a time in whole seconds, rounded up, for DynamoDB's time to live."""
    return {"N": str(epoch_ms(moment) // 1000 + 1)}
