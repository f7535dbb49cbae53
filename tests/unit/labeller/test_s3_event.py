"""The parser of S3 event notifications."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.clock import Clock
from core.events.s3 import relabel_event
from labeller.s3_event import InvalidEvent, Upload, sqs_records, uploads_in, uploads_in_message
from tests.support.aws.events import ODD_OWNER, ONE, TWO, aws_event
from tests.support.blobs import a_blob


def test_put_becomes_an_upload() -> None:
    """With bucket, key, size, time and version."""
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    key, version = f"originals/anna/{ONE}", "096fKKXTRTtl3on89fVO.nfljtsv6qko"
    assert list(uploads_in(aws_event("s3_put"))) == [
        Upload("pictures", key, 1024, at, "0A1B2C3D4E5F678901", version)
    ]


def test_every_record_becomes_an_upload() -> None:
    """Multipart uploads and copies are uploads too."""
    uploads = list(uploads_in(aws_event("s3_two_records")))
    assert [(upload.bucket, upload.key, upload.size) for upload in uploads] == [
        ("pictures", f"originals/anna/{ONE}", 1024),
        ("pictures", f"originals/anna/{TWO}", 2048),
    ]


def test_key_is_decoded_exactly_once() -> None:
    """Spaces, plus, percent and non-ASCII characters are decoded; a literal %2B stays."""
    (upload,) = uploads_in(aws_event("s3_encoded_key"))
    assert upload.key == f"originals/{ODD_OWNER}/{ONE}"
    assert "%2B" in upload.key


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a+b", "a b"),
        ("a%20b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%252Bb", "a%2Bb"),
        ("%C3%A9", "é"),
        ("%E2%98%83", "☃"),
        ("100%25", "100%"),
    ],
)
def test_keys_are_percent_decoded_with_plus_for_space(encoded: str, key: str) -> None:
    event = aws_event("s3_put")
    event["Records"][0]["s3"]["object"]["key"] = encoded
    (upload,) = uploads_in(event)
    assert upload.key == key


def test_relabelling_event_holds_the_finished_version(clock: Clock) -> None:
    """It has S3's form, with an encoded key."""
    blob = a_blob(owner="Zoë + Söhne 100%", version=5, size=1024)
    event = json.loads(json.dumps(relabel_event(blob, "pictures", clock())))
    (upload,) = uploads_in(event)
    assert (upload.bucket, upload.key, upload.size) == ("pictures", blob.key, 1024)
    assert (upload.event_time, upload.relabel_version) == (clock(), 5)
    put = aws_event("s3_put")
    assert event["Records"][0].keys() - put["Records"][0].keys() == {"relabel"}
    assert event["Records"][0]["s3"].keys() == put["Records"][0]["s3"].keys()
    for bad in (None, {}, {"version": "x"}, {"version": None}, 5):
        event["Records"][0]["relabel"] = bad
        with pytest.raises(InvalidEvent):
            list(uploads_in(event))


@pytest.mark.parametrize("name", ["s3_test_event", "s3_delete"])
def test_other_events_yield_no_upload(name: str) -> None:
    """The test event has no records, and a deletion's record is not an upload."""
    assert list(uploads_in(aws_event(name))) == []


def test_newer_minor_version_and_missing_size_are_accepted() -> None:
    """AWS adds fields to events; the parser requires only what it uses."""
    event = aws_event("s3_put_later_version")
    assert [upload.key for upload in uploads_in(event)] == [f"originals/anna/{ONE}"]
    del event["Records"][0]["s3"]["object"]["size"]
    assert [upload.size for upload in uploads_in(event)] == [None]


def without(*path: str | int) -> Any:
    event: Any = aws_event("s3_put")
    place = event
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return event


@pytest.mark.parametrize(
    "event",
    [
        None,
        5,
        "text",
        [],
        {},
        {"Records": None},
        {"Records": {}},
        {"Records": [None]},
        {"Records": ["text"]},
        {"Records": [{}]},
        {"Records": [{"eventName": None}]},
        {"Records": [{"eventName": 5}]},
        {"Records": [{"eventName": "ObjectCreated:Put", "s3": None}]},
        {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": "b", "object": "o"}}]},
        without("Records", 0, "s3"),
        without("Records", 0, "s3", "bucket", "name"),
        without("Records", 0, "s3", "object", "key"),
        json.loads(json.dumps(aws_event("s3_put")).replace(f"anna/{ONE}", "%FF%FE")),
    ],
    ids=range(18),
)
def test_malformed_event_raises_invalid_event(event: object) -> None:
    with pytest.raises(InvalidEvent):
        list(uploads_in(event))


def test_uploads_before_a_malformed_record_are_yielded() -> None:
    event = aws_event("s3_two_records")
    event["Records"][1] = {}
    uploads = uploads_in(event)
    assert next(uploads).key == f"originals/anna/{ONE}"
    with pytest.raises(InvalidEvent):
        next(uploads)


def test_sqs_events_are_recognised_by_their_source() -> None:
    two = aws_event("sqs_two_uploads")
    assert sqs_records(two) == two["Records"]
    assert sqs_records(aws_event("s3_put")) is None
    assert sqs_records(aws_event("s3_test_event")) is None
    assert sqs_records({"Records": []}) is None
    assert sqs_records({"Records": {}}) is None
    assert sqs_records({"Records": ["text"]}) is None


def test_message_body_is_an_event_as_json() -> None:
    first, second = aws_event("sqs_two_uploads")["Records"]
    assert [u.key for u in uploads_in_message(first["body"])] == [f"originals/anna/{ONE}"]
    assert [u.key for u in uploads_in_message(second["body"])] == [f"originals/anna/{TWO}"]
    (test_event,) = aws_event("sqs_test_event")["Records"]
    assert list(uploads_in_message(test_event["body"])) == []


@pytest.mark.parametrize("body", ["", "{", "null", '"text"', "[]", "{}", "[" * 100_000])
def test_malformed_message_raises_invalid_event(body: str) -> None:
    """Invalid JSON, and JSON of another form at any depth."""
    with pytest.raises(InvalidEvent):
        list(uploads_in_message(body))
