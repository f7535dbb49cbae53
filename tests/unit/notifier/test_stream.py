"""DynamoDB stream records, read one change at a time."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.blob import Blob
from core.domain.change import Change
from core.repositories.serialization import blob_keys
from notifier.stream import InvalidRecord, change_in
from tests.support.blobs import a_blob, again, full_blob, uploaded
from tests.support.stream_records import stream_record

FULL = full_blob()
AWAITING = a_blob()


@pytest.mark.parametrize(
    ("old", "new"),
    [(None, AWAITING), (AWAITING, uploaded(AWAITING)), (FULL, again(FULL)), (FULL, None)],
    ids=["INSERT", "MODIFY", "MODIFY in full", "REMOVE"],
)
def test_a_record_of_a_blob_is_a_change(old: Blob | None, new: Blob | None) -> None:
    """With the blob before and after, every field of it."""
    assert change_in(stream_record(old, new)) == Change(old, new)


def test_attributes_of_the_table_alone_are_passed_over() -> None:
    """Its index keys, its time to live."""
    record = stream_record(None, FULL)
    record["dynamodb"]["NewImage"] |= {"gsi1pk": {"S": "owner#anna"}, "ttl": {"N": "1769860800"}}
    assert change_in(record) == Change(None, FULL)


@pytest.mark.parametrize("sk", ["delivery#msg_1", "owner", "key", "Cat"])
def test_any_other_item_of_the_table_is_none_of_ours(sk: str) -> None:
    """It is passed over whatever its image."""
    record = stream_record(None, None)
    record["dynamodb"] |= {"Keys": {"pk": {"S": "x"}, "sk": {"S": sk}}, "NewImage": {"a": 7}}
    assert change_in(record) is None


def spoilt(name: str, value: Any) -> dict[str, Any]:
    """A record with one attribute that can't be."""
    record = stream_record(None, FULL)
    record["dynamodb"]["NewImage"][name] = value
    return record


def without(name: str) -> dict[str, Any]:
    """A record without an attribute that must be."""
    record = stream_record(None, FULL)
    del record["dynamodb"]["NewImage"][name]
    return record


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"dynamodb": None},
        {"dynamodb": {}},
        {"dynamodb": {"Keys": None}},
        {"dynamodb": {"Keys": {"pk": {"S": "blob#1"}}}},
        {"dynamodb": {"Keys": blob_keys("1"), "NewImage": 7}},
        {"dynamodb": {"Keys": blob_keys("1"), "NewImage": {"id": "untyped"}}},
        {"dynamodb": {"Keys": blob_keys("1"), "NewImage": blob_keys("1")}},
        spoilt("status", {"S": "ASLEEP"}),
        spoilt("created_at", {"S": "yesterday"}),
        spoilt("created_at", {"N": "7"}),
        spoilt("min_confidence", {"N": "much"}),
        spoilt("min_confidence", {"NULL": True}),
        spoilt("labels", {"N": "7"}),
        spoilt("labels", {"L": [{"S": "Cat"}]}),
        spoilt("failure", {"S": "corrupt"}),
        spoilt("id", {}),
        spoilt("id", None),
        without("id"),
        without("status"),
        without("owner"),
    ],
)
def test_a_record_that_cannot_be_read_says_so(record: dict[str, Any]) -> None:
    """Always as InvalidRecord: now or ever, no retry would help."""
    with pytest.raises(InvalidRecord, match="Not a stream record of a blob"):
        change_in(record)
