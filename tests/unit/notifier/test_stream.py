"""The parser of DynamoDB stream records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.blob import Blob
from core.domain.change import Change
from core.repositories.serialization import blob_keys
from notifier.stream import InvalidRecord, change_in, event_in
from tests.support.aws.stream_records import stream_record
from tests.support.blobs import a_blob, again, full_blob, uploaded

FULL = full_blob()
AWAITING = a_blob()


@pytest.mark.parametrize(
    ("old", "new"),
    [(None, AWAITING), (AWAITING, uploaded(AWAITING)), (FULL, again(FULL)), (FULL, None)],
    ids=["INSERT", "MODIFY", "MODIFY in full", "REMOVE"],
)
def test_record_of_a_blob_becomes_a_change(old: Blob | None, new: Blob | None) -> None:
    """All fields of both images are read."""
    assert change_in(stream_record(old, new)) == Change(old, new)


def test_other_attributes_of_the_item_are_ignored() -> None:
    """For example index keys and the time to live."""
    record = stream_record(None, FULL)
    record["dynamodb"]["NewImage"] |= {"gsi1pk": {"S": "owner#anna"}, "ttl": {"N": "1769860800"}}
    assert change_in(record) == Change(None, FULL)


@pytest.mark.parametrize("sk", ["delivery#msg_1", "owner", "key", "Cat"])
def test_other_items_are_ignored(sk: str) -> None:
    """Their images are not read."""
    record = stream_record(None, None)
    record["dynamodb"] |= {"Keys": {"pk": {"S": "x"}, "sk": {"S": sk}}, "NewImage": {"a": 7}}
    assert change_in(record) is None


def with_value(name: str, value: Any) -> dict[str, Any]:
    """A record with an invalid attribute."""
    record = stream_record(None, FULL)
    record["dynamodb"]["NewImage"][name] = value
    return record


def without(name: str) -> dict[str, Any]:
    """A record without a required attribute."""
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
        with_value("status", {"S": "ASLEEP"}),
        with_value("created_at", {"S": "yesterday"}),
        with_value("created_at", {"N": "7"}),
        with_value("min_confidence", {"N": "much"}),
        with_value("min_confidence", {"NULL": True}),
        with_value("labels", {"N": "7"}),
        with_value("labels", {"L": [{"S": "Cat"}]}),
        with_value("failure", {"S": "corrupt"}),
        with_value("id", {}),
        with_value("id", None),
        without("id"),
        without("status"),
        without("owner"),
    ],
)
def test_malformed_record_raises_invalid_record(record: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecord, match="Not a stream record of a blob"):
        change_in(record)


def test_record_of_a_deletion_becomes_an_event_with_the_time_of_the_record() -> None:
    """DynamoDB gives whole seconds; a blob is not deleted before its last change."""
    record = stream_record(FULL, None)
    event = event_in(record)
    assert event is not None
    assert (event.kind, event.blob, event.labels) == ("DELETED", None, FULL.labels)
    assert event.at == FULL.facts_set_at
    record["dynamodb"]["ApproximateCreationDateTime"] = 1769947200
    later = event_in(record)
    assert later is not None
    assert later.at == datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("time", [None, "noon", 1e300])
def test_record_without_a_valid_time_is_no_event(time: object) -> None:
    record = stream_record(None, AWAITING)
    record["dynamodb"]["ApproximateCreationDateTime"] = time
    with pytest.raises(InvalidRecord):
        event_in(record)


def test_write_that_changed_nothing_is_no_event() -> None:
    """Nor is that of an item of another kind."""
    assert event_in(stream_record(FULL, FULL)) is None
    record = stream_record(None, AWAITING)
    record["dynamodb"]["Keys"]["sk"] = {"S": "owner"}
    assert event_in(record) is None
