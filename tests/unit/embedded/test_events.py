"""Rows of our tables as the event JSON that AWS sends."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from core.domain.blob import Blob
from core.domain.change import Change
from core.domain.clock import epoch_ms
from core.domain.label import BoundingBox, Instance, Label
from core.queues.base import Message
from core.repositories.serialization import blob_from_document
from core.repositories.sqlite.change_log import StoredChange
from embedded.events import object_created, scheduled_event, sqs_event, stream_event
from labeller.s3_event import Upload, sqs_records, uploads_in, uploads_in_message
from notifier.stream import change_in
from tests.support.aws.events import aws_event
from tests.support.services.embedded_stores import EmbeddedStores, MovableClock

SHA256 = hashlib.sha256(b"bytes").digest()


def put_event(key: str, clock: MovableClock) -> dict[str, Any]:

    return object_created(key, size=5, sha256=base64.b64encode(SHA256).decode(), at=clock())


def shape(value: object) -> object:
    """Return the names in a JSON value with the types of their values."""
    match value:
        case dict():
            return {name: shape(part) for name, part in value.items()}
        case list():
            return [shape(value[0])] if value else []
    return type(value).__name__


def test_upload_event_has_s3s_values(clock: MovableClock) -> None:
    """Each field has the value that S3 documents for it."""
    assert put_event("originals/anna/x", clock) == {
        "Records": [
            {
                "eventVersion": "2.2",
                "eventSource": "aws:s3",
                "awsRegion": "local",
                "eventTime": "2026-01-31T12:00:00.123Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "upload-door"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "uploads",
                    "bucket": {
                        "name": "originals",
                        "ownerIdentity": {"principalId": "000000000000"},
                        "arn": "arn:aws:s3:::originals",
                    },
                    "object": {
                        "key": "originals/anna/x",
                        "size": 5,
                        "eTag": SHA256[:16].hex(),
                        "sequencer": f"{epoch_ms(clock()):016X}",
                    },
                },
            }
        ]
    }


def test_upload_event_has_only_fields_of_s3(clock: MovableClock) -> None:
    """Names and types are those of a real event, which has a few more."""
    (real,) = aws_event("s3_put")["Records"]
    (ours,) = put_event("originals/anna/x", clock)["Records"]

    def assert_within(part: Any, whole: Any) -> None:
        for name, value in part.items():
            assert shape(value) == shape(whole[name]) or isinstance(value, dict), name
            if isinstance(value, dict):
                assert_within(value, whole[name])

    assert_within(ours, real)


@pytest.mark.parametrize(
    "key",
    [
        "originals/anna/01JJ",
        "originals/Zoë + Söhne 100% %2B ☃/01JJ",
        "originals/a&b=c;d:e@f,g'h(i)*~!/x",
        "originals/ a  b /x",
    ],
)
def test_key_survives_the_event(clock: MovableClock, key: str) -> None:
    """It is encoded once and decoded once."""
    event = json.loads(json.dumps(put_event(key, clock)))
    at = clock()
    (upload,) = uploads_in(event)
    assert upload == Upload("originals", key, 5, at, f"{epoch_ms(at):016X}")
    encoded = event["Records"][0]["s3"]["object"]["key"]
    assert encoded.isascii()
    assert " " not in encoded


def message(clock: MovableClock, body: str, number: int = 1) -> Message:
    return Message(str(number), f"receipt-{number}", body, number, clock())


def test_sqs_event_has_sqss_fields(clock: MovableClock) -> None:
    """Names and types are those of a real one. The id and the body are the message's."""
    body = json.dumps(put_event("originals/anna/é", clock))
    event = sqs_event("uploads", [message(clock, body, 1), message(clock, body, 2)])
    assert shape(event) == shape(aws_event("sqs_two_uploads"))
    records = sqs_records(event)
    assert records is not None
    assert [record["messageId"] for record in records] == ["1", "2"]
    second = records[1]
    assert second["receiptHandle"] == "receipt-2"
    assert second["attributes"]["ApproximateReceiveCount"] == "2"
    assert second["attributes"]["SentTimestamp"] == str(epoch_ms(clock()))
    assert second["eventSourceARN"] == "arn:aws:sqs:local:000000000000:uploads"
    assert second["md5OfBody"] == hashlib.md5(body.encode()).hexdigest()  # noqa: S324
    (upload,) = uploads_in_message(second["body"])
    assert upload.key == "originals/anna/é"


def changes_of(stores: EmbeddedStores, blob: Blob) -> list[StoredChange]:
    return [each for each in stores.blobs.changes.read_after(0, 100) if each.blob_id == blob.id]


FOUND = Instance(BoundingBox(0.1, 0.25, 0.5, 1.0), 88.125)
LABELS = (Label("Cat", 91.5, ("Animal",), (FOUND,)), Label("Dog", 60.0))


def test_stream_event_has_dynamodbs_fields(stores: EmbeddedStores) -> None:
    """INSERT has a new image, MODIFY has both, each value with its DynamoDB type."""
    blob = stores.labelled("anna", *LABELS, callback_url="https://example.org/")
    insert, received, labelled = stream_event(changes_of(stores, blob))["Records"]
    assert [each["eventName"] for each in (insert, received, labelled)] == [
        "INSERT",
        "MODIFY",
        "MODIFY",
    ]
    assert set(insert) == {
        "eventID",
        "eventName",
        "eventVersion",
        "eventSource",
        "awsRegion",
        "dynamodb",
        "eventSourceARN",
    }
    assert set(labelled["dynamodb"]) == {
        "ApproximateCreationDateTime",
        "Keys",
        "SequenceNumber",
        "StreamViewType",
        "OldImage",
        "NewImage",
    }
    assert "OldImage" not in insert["dynamodb"]
    assert labelled["eventSource"] == "aws:dynamodb"
    assert labelled["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert labelled["dynamodb"]["Keys"] == {"pk": {"S": f"blob#{blob.id}"}, "sk": {"S": "blob"}}
    image = labelled["dynamodb"]["NewImage"]
    assert image["pk"] == {"S": f"blob#{blob.id}"}
    assert image["status"] == {"S": "LABELLED"}
    assert image["version"] == {"N": "3"}
    assert image["min_confidence"] == {"N": "55.0"}
    assert image["labels"]["L"][1]["M"] == {"name": {"S": "Dog"}, "confidence": {"N": "60.0"}}
    numbers = [int(each["dynamodb"]["SequenceNumber"]) for each in (insert, received, labelled)]
    assert numbers == sorted(set(numbers))


def test_change_survives_the_stream_event(stores: EmbeddedStores) -> None:
    """Every value of a blob."""
    blob = stores.labelled("anna", *LABELS, callback_url="https://example.org/")
    stored = changes_of(stores, blob)
    event = json.loads(json.dumps(stream_event(stored)))
    told = [change_in(record) for record in event["Records"]]
    read = [
        Change(
            blob_from_document(each.old) if each.old else None,
            blob_from_document(each.new) if each.new else None,
        )
        for each in stored
    ]
    assert told == read
    assert read[-1].new == blob
    assert read[-1].finished == blob


def test_failure_survives_the_stream_event(stores: EmbeddedStores) -> None:
    """Code and message."""
    blob = stores.failed()
    change = change_in(stream_event(changes_of(stores, blob)[-1:])["Records"][0])
    assert change is not None
    assert change.new == blob


def test_removal_has_only_an_old_image(stores: EmbeddedStores) -> None:
    """REMOVE, as in DynamoDB."""
    (stored,) = changes_of(stores, stores.awaiting())
    gone = StoredChange(7, stored.at, stored.blob_id, stored.new, None)
    (record,) = stream_event([gone])["Records"]
    assert record["eventName"] == "REMOVE"
    assert "NewImage" not in record["dynamodb"]
    change = change_in(record)
    assert change is not None
    assert change.new is None
    assert change.old is not None


def test_scheduled_event_has_eventbridges_fields(clock: MovableClock) -> None:
    """With its own id each time."""
    event = scheduled_event(clock())
    assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
    assert event["time"] == "2026-01-31T12:00:00.123Z"
    assert event["detail"] == {}
    assert event["id"] != scheduled_event(clock() + timedelta(minutes=1))["id"]
