"""DynamoDB's request units of recorded calls, by the sizes of the items and their index entries.

Amazon DynamoDB Developer Guide: "DynamoDB item sizes and formats", "On-demand capacity mode".
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.aws.calls import Call
from tests.support.aws.cloud import Cloud
from tests.support.aws.dynamodb import INDEXES, PROJECTED


class Units:
    """Counts calls, and DynamoDB's request units by the kinds of the items."""

    def start(self, cloud: Cloud) -> None:
        """Reset the counts and read the table's items."""
        self._cloud = cloud
        self._items = self._all_items()
        self._before = set(self._items)
        self.invoked_before = len(cloud.invoked)
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self.units: defaultdict[str, float] = defaultdict(float)
        self.written: defaultdict[str, float] = defaultdict(float)

    def watch(self, call: Call) -> None:
        """Count one call."""
        if not hasattr(self, "_cloud"):
            return
        self.calls[call.function, call.service, call.operation] += 1
        match call.service, call.operation:
            case "dynamodb", _:
                self._watch_dynamodb(call.operation, call.request, call.answer)
            case "rekognition", _:
                self.units["Rekognition image"] += 1
            case "s3", "PutObject" | "CopyObject":
                self.units["S3 PUT, COPY"] += 1
            case "s3", "GetObject" | "HeadObject":
                self.units["S3 GET"] += 1
            case "sqs", _:
                self.units["SQS request"] += 1
            case "apigatewaymanagementapi", _:
                size = len(call.request.get("Data", b""))
                self.units["WebSocket message"] += max(1, math.ceil(size / 32768))

    def _watch_dynamodb(
        self, operation: str, request: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> None:
        match operation:
            case "GetItem":
                self._read([answer.get("Item", {})], 1)
            case "BatchGetItem":
                (asked,) = request["RequestItems"].values()
                keys, factor = len(asked["Keys"]), 1 if asked.get("ConsistentRead") else 0.5
                found = [item for items in answer["Responses"].values() for item in items]
                for item in [*found, *[{}] * (keys - len(found))]:
                    self._read([item], factor)
            case "Query":
                self._read(answer.get("Items", []), 0.5 if "IndexName" in request else 1)
        for key, factor in writes_of(operation, request):
            self._wrote(key, factor)

    def stored(self) -> float:
        """Return the bytes billed for what was added, with its index entries."""
        return sum(
            stored(item) for key, item in self._all_items().items() if key not in self._before
        )

    def _read(self, items: list[Any], factor: float) -> None:
        size = sum(map(size_of, items))
        self.units["DynamoDB read unit"] += max(1, math.ceil(size / 4096)) * factor

    def _wrote(self, key: tuple[str, str], factor: int) -> None:
        old = self._items.get(key)
        pk, sk = key
        new = self._cloud.dynamodb.get_item(
            TableName=self._cloud.ids["Table"], Key={"pk": {"S": pk}, "sk": {"S": sk}}
        ).get("Item")
        self._count(key, "table", kilobytes(max(old, new, key=size_of)) * factor)
        for name, attributes in INDEXES.items():
            before, after = (entry_of(item, name, attributes) for item in (old, new))
            self._count(key, name, index_units(before, after, attributes))
        if new:
            self._items[key] = new
        else:
            self._items.pop(key, None)

    def _count(self, key: tuple[str, str], place: str, units: int) -> None:
        if units:
            self.units["DynamoDB write unit"] += units
            self.written[f"{kind_of(*key)}, {place}"] += units

    def _all_items(self) -> dict[tuple[str, str], Any]:
        pages = self._cloud.dynamodb.get_paginator("scan").paginate(
            TableName=self._cloud.ids["Table"]
        )
        return {key_of(item): item for page in pages for item in page["Items"]}


def writes_of(operation: str, request: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the key of each item that a call writes, and how often a write is billed."""
    writes: list[tuple[Mapping[str, Any], int]] = []
    match operation:
        case "PutItem" | "UpdateItem" | "DeleteItem":
            writes = [(request, 1)]
        case "TransactWriteItems":
            writes = [(write, 2) for each in request["TransactItems"] for write in each.values()]
        case "BatchWriteItem":
            batches = request["RequestItems"].values()
            writes = [(write, 1) for batch in batches for each in batch for write in each.values()]
    for write, factor in writes:
        yield key_of(write.get("Item") or write["Key"]), factor


def kind_of(pk: str, sk: str) -> str:
    """Return the kind of an item: as in the table of `core/repositories/dynamodb/table.py`."""
    return sk.partition("#")[0] if pk.startswith("blob#") else pk.partition("#")[0]


def key_of(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def kilobytes(item: Mapping[str, Any] | None) -> int:
    """Return the write units billed for an item."""
    return max(1, math.ceil(size_of(item) / 1024))


def index_units(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, keys: tuple[str, str]
) -> int:
    """Return the write units billed in an index, by its entries before and after (None: no entry).

    Amazon DynamoDB Developer Guide, "Write capacity units" of global secondary indexes: an entry
    whose key changes is removed and put, two writes; an unchanged entry costs nothing.
    """
    if old == new:
        return 0
    if old is None or new is None:
        return kilobytes(old or new)
    if all(old[name] == new[name] for name in keys):
        return max(kilobytes(old), kilobytes(new))
    return kilobytes(old) + kilobytes(new)


def entry_of(
    item: Mapping[str, Any] | None, index: str, attributes: tuple[str, str]
) -> Mapping[str, Any] | None:
    """Return an item's entry in an index, None where it has none."""
    if item is None or any(name not in item for name in attributes):
        return None
    if index not in PROJECTED:
        return item
    kept = {"pk", "sk", *attributes, *PROJECTED[index]}
    return {name: value for name, value in item.items() if name in kept}


def stored(item: Mapping[str, Any]) -> int:
    """Return the bytes billed for storing an item and its index entries: 100 more for each."""
    entries = [entry_of(item, name, attributes) for name, attributes in INDEXES.items()]
    return sum(size_of(each) + 100 for each in (item, *entries) if each)


def size_of(item: Mapping[str, Any] | None) -> int:
    """Return the size of an item: its names and values, in bytes."""
    return sum(len(name.encode()) + value_size(value) for name, value in (item or {}).items())


def value_size(typed: Mapping[str, Any]) -> int:
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(value.encode())
        case "B":
            return len(value)
        case "N":
            return 1 + math.ceil(len(value.strip("-0").replace(".", "")) / 2)
        case "L":
            return 3 + sum(1 + value_size(part) for part in value)
        case "M":
            return 3 + sum(1 + len(name.encode()) + value_size(v) for name, v in value.items())
    return 1
