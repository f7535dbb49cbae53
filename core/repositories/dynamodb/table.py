"""The DynamoDB table of all records: its keys and indexes, and calls that raise our errors.

(WebSocket connections have a table of their own: connections.py.)

    item            pk                       sk                  in the indexes
    blob            blob#<id>                blob                by-owner, by-status; by-digest if
                                                                 its bytes' SHA-256 is known;
                                                                 by-name if its file has one;
                                                                 by-list while it awaits them;
                                                                 by-owner and by-list alone while it
                                                                 waits to be deleted
    counted labels  blob#<id>                counted
    deletion        blob#<id>                deleted             by-list until it is finished
    idempotency key upload-key#<owner>#<SHA-256>  key
    upload count    uploads#<owner>#<minute>      count
    open uploads    uploads#<owner>               room
    delivery        blob#<id>                delivery#<version>  by-list while it is pending
    label entry     label#<owner>#<label>    <blob id>#<run>     by-confidence
    external id     external-id#<owner>#<SHA-256>  id
    metadata entry  metadata#<owner>#<SHA-256>     <blob id>
    label summary   labels#<owner>           <label>
    API key         key#<SHA-256>            key                 by-list
    owner           owner#<id>               owner
    label policy    owner#<id>               policy              by-list until it is applied
    own vocabulary  owner#<id>               vocabulary
    audit record    audit#<yyyy-mm>          <time>#<random>

Labels are folded (`str.casefold`). Reads of the table are strongly consistent unless a caller
allows others; its global secondary indexes are updated a moment later (docs.aws.amazon.com: "Using
Global Secondary Indexes").
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from core.backends.aws_errors import error_code, translated_errors
from core.domain.errors import LabellingError, Unavailable
from core.repositories.dynamodb.expressions import expression_arguments, key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from core.repositories.dynamodb.expressions import Item

BY_OWNER: Final = "by-owner"
BY_STATUS: Final = "by-status"
BY_CONFIDENCE: Final = "by-confidence"
BY_LIST: Final = "by-list"
BY_DIGEST: Final = "by-digest"
BY_NAME: Final = "by-name"

DELETED: Final = "deleted"  # sort key of the record of a blob's deletion

_BATCH: Final = 100  # keys of one BatchGetItem
_WRITE_BATCH: Final = 25  # items of one BatchWriteItem
_MAX_ATTEMPTS: Final = 8
# Cancellation reasons after which a transaction may succeed later. botocore does not retry them.
_RETRIED: Final = frozenset(
    {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
)
_FIRST_PAUSE: Final = 0.02  # seconds
_CONFLICT: Final = "DynamoDB has too many writes to the same items"


def blob_pk(blob_id: str) -> str:
    """Return the partition key of all items of a blob."""
    return f"blob#{blob_id}"


class ConditionFailed(LabellingError):
    """The condition of a write is false; nothing was written."""


class Table:
    """A table of DynamoDB. Every call raises Unavailable if DynamoDB can't answer."""

    def __init__(
        self, client: Any, name: str, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._name = name
        self._pause = pause

    def get(self, pk: str, sk: str) -> Item | None:
        """Return an item, if it exists."""
        with translated_errors("DynamoDB"):
            answer = self._client.get_item(
                TableName=self._name, Key=key(pk, sk), ConsistentRead=True
            )
        item: Item | None = answer.get("Item")
        return item

    def get_many(self, keys: Iterable[tuple[str, str]], *, consistent: bool = True) -> list[Item]:
        """Return the items that exist, in any order.

        An inconsistent read costs half, and may lack writes of the last second.
        """
        left = [key(*each) for each in dict.fromkeys(keys)]
        items: list[Item] = []
        tries = 0
        while left:
            with translated_errors("DynamoDB"):
                answer = self._client.batch_get_item(
                    RequestItems={self._name: {"Keys": left[:_BATCH], "ConsistentRead": consistent}}
                )
            items += answer["Responses"].get(self._name, [])
            undone = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            tries = tries + 1 if len(undone) == len(left[:_BATCH]) else 1
            left = undone + left[_BATCH:]
            if undone:
                self.back_off(tries, "DynamoDB did not return all items")
        return items

    def put(self, item: Item, condition: str, **values: Any) -> None:
        """Write an item if the condition is true for the existing one. Raises ConditionFailed."""
        self._write("put_item", Item=item, **expression_arguments(condition, values))

    def update(self, pk: str, sk: str, expression: str, condition: str, **values: Any) -> Item:
        """Update an item if the condition is true; return the new item. Raises ConditionFailed.

        In expressions, `#name` stands for an attribute and `:name` for a value of that name.
        """
        answer = self._write(
            "update_item",
            Key=key(pk, sk),
            UpdateExpression=expression,
            ReturnValues="ALL_NEW",
            **expression_arguments(condition, values, expression),
        )
        item: Item = answer["Attributes"]
        return item

    def delete(self, pk: str, sk: str, condition: str, **values: Any) -> None:
        """Delete an item if the condition is true. Raises ConditionFailed."""
        self._write("delete_item", Key=key(pk, sk), **expression_arguments(condition, values))

    def pop(self, pk: str, sk: str) -> Item | None:
        """Delete an item; return it, if it existed."""
        answer = self._write("delete_item", Key=key(pk, sk), ReturnValues="ALL_OLD")
        item: Item | None = answer.get("Attributes")
        return item

    def _write(self, call: str, **arguments: Any) -> Any:
        """Write an item, again after a conflict with a transaction. Raises ConditionFailed."""
        tries = 0
        while True:
            try:
                with translated_errors("DynamoDB"):
                    return getattr(self._client, call)(TableName=self._name, **arguments)
            except Unavailable as exc:
                code = error_code(exc.__cause__)
                if code == "ConditionalCheckFailedException":
                    raise ConditionFailed from exc
                if code != "TransactionConflictException":  # which botocore does not retry
                    raise
            tries += 1
            self.back_off(tries, _CONFLICT)

    def write_many(
        self, items: Iterable[Item] = (), deleted: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Write items and delete others, without conditions and in any order. Not a transaction."""
        left: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
        left += [{"DeleteRequest": {"Key": key(*each)}} for each in deleted]
        tries = 0
        while left:
            with translated_errors("DynamoDB"):
                answer = self._client.batch_write_item(
                    RequestItems={self._name: left[:_WRITE_BATCH]}
                )
            undone = answer.get("UnprocessedItems", {}).get(self._name, [])
            tries = tries + 1 if len(undone) == len(left[:_WRITE_BATCH]) else 1
            left = undone + left[_WRITE_BATCH:]
            if undone:
                self.back_off(tries, "DynamoDB did not write all items")

    def transact(self, writes: Sequence[dict[str, Any]]) -> None:
        """Perform up to 100 writes in a transaction.

        Build them with `transact_put`, `transact_update` and `transact_delete`. A conflict with
        another transaction is retried. Raises ConditionFailed.
        """
        named = [
            {action: {"TableName": self._name, **write}}
            for each in writes
            for action, write in each.items()
        ]
        tries = 0
        while True:
            try:
                with translated_errors("DynamoDB"):
                    self._client.transact_write_items(TransactItems=named)
            except Unavailable as exc:
                reasons = _cancellation_reasons(exc.__cause__)
                if "ConditionalCheckFailed" in reasons:
                    raise ConditionFailed from exc
                if not _RETRIED.intersection(reasons):
                    raise
            else:
                return
            tries += 1
            self.back_off(tries, _CONFLICT)

    def query(
        self,
        expression: str,
        values: Mapping[str, Any],
        *,
        index: str | None = None,
        limit: int | None = None,
        descending: bool = False,
        filtered: str | None = None,
        start: Item | None = None,
    ) -> tuple[list[Item], Item | None]:
        """Make one Query; return the items, and the start of the next Query if there may be more.

        `limit` counts items before the filter is applied. A Query reads at most 1 MB.
        """
        options: dict[str, Any] = {"ScanIndexForward": not descending}
        if index:
            options["IndexName"] = index
        else:
            options["ConsistentRead"] = True
        if limit:
            options["Limit"] = limit
        if filtered:
            options["FilterExpression"] = filtered
        if start:
            options["ExclusiveStartKey"] = start
        options |= expression_arguments(None, values, expression, filtered or "")
        with translated_errors("DynamoDB"):
            answer = self._client.query(
                TableName=self._name, KeyConditionExpression=expression, **options
            )
        return answer["Items"], answer.get("LastEvaluatedKey")

    def scan(
        self, index: str, limit: int, start: Item | None = None
    ) -> tuple[list[Item], Item | None]:
        """Read items of an index in any order; return them, and the start of the next Scan."""
        options = {"ExclusiveStartKey": start} if start else {}
        with translated_errors("DynamoDB"):
            answer = self._client.scan(
                TableName=self._name, IndexName=index, Limit=limit, **options
            )
        return answer["Items"], answer.get("LastEvaluatedKey")

    def scan_all(self, filtered: str, values: Mapping[str, Any]) -> Iterator[Item]:
        """Yield the table's items that match a filter. It costs as much as reading all of them."""
        arguments = expression_arguments(None, values, filtered)
        pages = self._client.get_paginator(operation_name="scan").paginate(
            TableName=self._name, FilterExpression=filtered, ConsistentRead=True, **arguments
        )
        with translated_errors("DynamoDB"):
            for page in pages:
                yield from page["Items"]

    def count(self, expression: str, values: Mapping[str, Any], *, index: str, most: int) -> int:
        """Count items of an index, up to `most`. It costs as much as reading them."""
        counted = 0
        start: dict[str, Any] = {}
        while counted < most:
            with translated_errors("DynamoDB"):
                answer = self._client.query(
                    TableName=self._name,
                    IndexName=index,
                    KeyConditionExpression=expression,
                    Select="COUNT",
                    Limit=most - counted,
                    **start,
                    **expression_arguments(None, values, expression),
                )
            counted += answer["Count"]
            if "LastEvaluatedKey" not in answer:
                break
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        return counted

    def query_all(
        self, expression: str, values: Mapping[str, Any], **options: Any
    ) -> Iterator[Item]:
        """Yield the items of a Query, page by page as they are consumed."""
        start: Item | None = None
        while True:
            items, start = self.query(expression, values, start=start, **options)
            yield from items
            if not start:
                return

    def back_off(self, tries: int, problem: str) -> None:
        """Wait before a retry. Raises Unavailable after too many tries."""
        if tries >= _MAX_ATTEMPTS:
            raise Unavailable(f"{problem}, {tries} times.")
        # AWS Builders' Library, "Timeouts, retries, and backoff with jitter".
        self._pause(random.uniform(0, _FIRST_PAUSE * 2**tries))  # noqa: S311


def _cancellation_reasons(error: Any) -> list[str]:
    response = getattr(error, "response", None) or {}
    return [reason.get("Code", "None") for reason in response.get("CancellationReasons", ())]
