"""The labeller's event handler."""

from __future__ import annotations

import copy
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.domain.blob import BlobStatus, FailureCode
from core.domain.errors import PictureRefused, Unavailable
from core.runtime.logging import AddLogContext
from labeller.handler import handle
from labeller.label_blob import BlobLabeller
from labeller.s3_event import InvalidEvent, Upload
from tests.support.aws.events import ODD_OWNER, ONE, TWO, aws_event
from tests.support.images.detectors import CAT, ScriptedDetector
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.waiting import PATIENCE


class RecordingLabeller:
    """Records each upload, and fails for keys that contain a given text."""

    def __init__(self, fails_on: str = "nothing") -> None:
        self.keys: list[str] = []
        self.given_up: list[str] = []
        self._fails_on = fails_on

    def label(self, upload: Upload) -> None:
        self.keys.append(upload.key)
        if self._fails_on in upload.key:
            raise Unavailable(upload.key)

    def give_up(self, upload: Upload) -> None:
        self.given_up.append(upload.key)


def message_ids(result: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in result["batchItemFailures"]]


def test_bare_event_labels_its_uploads() -> None:
    """S3 sends it without a queue."""
    labeller = RecordingLabeller()
    assert handle(aws_event("s3_two_records"), labeller) == {"batchItemFailures": []}
    assert labeller.keys == [f"originals/anna/{ONE}", f"originals/anna/{TWO}"]


def test_all_messages_of_a_batch_are_handled() -> None:
    labeller = RecordingLabeller()
    assert handle(aws_event("sqs_two_uploads"), labeller) == {"batchItemFailures": []}
    assert labeller.keys == [f"originals/anna/{ONE}", f"originals/anna/{TWO}"]


class MeetingLabeller(RecordingLabeller):
    """Labels no picture before the others of its batch have come."""

    def __init__(self, pictures: int, fails_on: str) -> None:
        super().__init__(fails_on)
        self._meeting = threading.Barrier(pictures, timeout=PATIENCE)

    def label(self, upload: Upload) -> None:
        self._meeting.wait()
        super().label(upload)


@pytest.mark.parametrize("failing", [0, 1])
def test_messages_are_handled_at_the_same_time_in_threads(failing: int) -> None:
    """The failed one is reported, whichever ends first."""
    event = aws_event("sqs_two_uploads")
    labeller = MeetingLabeller(2, fails_on=[ONE, TWO][failing])
    with ThreadPoolExecutor(10) as executor:
        result = handle(event, labeller, run=executor.map)
    assert message_ids(result) == [event["Records"][failing]["messageId"]]
    assert sorted(labeller.keys) == [f"originals/anna/{ONE}", f"originals/anna/{TWO}"]


@pytest.mark.parametrize("name", ["s3_test_event", "sqs_test_event", "s3_delete"])
def test_event_without_uploads_succeeds(name: str) -> None:
    """There is nothing to do and nothing to retry."""
    labeller = RecordingLabeller()
    assert handle(aws_event(name), labeller) == {"batchItemFailures": []}
    assert labeller.keys == []


def test_empty_batch_succeeds() -> None:
    assert handle({"Records": []}, RecordingLabeller()) == {"batchItemFailures": []}


@pytest.mark.parametrize("failing", [0, 1])
def test_failed_message_is_reported_and_stops_no_other(failing: int) -> None:
    """Only that message is received again."""
    event = aws_event("sqs_two_uploads")
    labeller = RecordingLabeller(fails_on=(ONE, TWO)[failing])
    result = handle(event, labeller)
    assert message_ids(result) == [event["Records"][failing]["messageId"]]
    assert len(labeller.keys) == 2


@pytest.mark.parametrize("body", ["", "poison", "{}", "null", '{"Records": [{}]}', "[" * 100_000])
def test_invalid_message_is_reported_and_stops_no_other(body: str) -> None:
    """The queue moves it to the dead letters in the end."""
    event = aws_event("sqs_two_uploads")
    event["Records"][0]["body"] = body
    labeller = RecordingLabeller()
    assert message_ids(handle(event, labeller)) == [event["Records"][0]["messageId"]]
    assert labeller.keys == [f"originals/anna/{TWO}"]


def test_message_without_a_body_stops_no_other() -> None:
    event = aws_event("sqs_two_uploads")
    del event["Records"][0]["body"]
    labeller = RecordingLabeller()
    assert message_ids(handle(event, labeller)) == [event["Records"][0]["messageId"]]
    assert labeller.keys == [f"originals/anna/{TWO}"]


def test_all_uploads_of_a_message_are_tried() -> None:
    """The message is reported if one of them fails."""
    event = aws_event("sqs_two_uploads")
    event["Records"][0]["body"] = json.dumps(aws_event("s3_two_records"))
    labeller = RecordingLabeller(fails_on=ONE)
    assert message_ids(handle(event, labeller)) == [event["Records"][0]["messageId"]]
    assert [key[-1] for key in labeller.keys] == ["1", "2", "2"]


def test_bare_event_raises_its_first_error_after_all_uploads() -> None:
    """S3 then sends the event again."""
    labeller = RecordingLabeller(fails_on="anna")
    with pytest.raises(Unavailable, match=ONE):
        handle(aws_event("s3_two_records"), labeller)
    assert len(labeller.keys) == 2


@pytest.mark.parametrize("event", [{}, {"Records": "text"}, {"Records": ["text"]}])
def test_malformed_bare_event_raises(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent):
        handle(event, RecordingLabeller())


# Over real stores


def run(stores: EmbeddedStores, event: dict[str, Any], detector: ScriptedDetector) -> list[str]:
    labeller = BlobLabeller(stores.blobs, stores.storage, detector, stores.clock)
    return message_ids(handle(event, labeller))


def test_upload_is_labelled_once_for_all_forms_of_its_event(stores: EmbeddedStores) -> None:
    """Bare, in a message, and repeated."""
    one = stores.labelling(id=ONE)
    two = stores.labelling(id=TWO, min_confidence=one.min_confidence - 1)
    detector = ScriptedDetector()
    for name in ("s3_put", "sqs_two_uploads", "s3_put_later_version", "s3_two_records"):
        assert run(stores, aws_event(name), detector) == []
    assert len(detector.calls) == 2
    for blob in (one, two):
        assert stores.now(blob).status is BlobStatus.LABELLED
        assert stores.now(blob).version == blob.version + 1


def test_event_order_does_not_matter(stores: EmbeddedStores) -> None:
    """The later version's event comes first."""
    blob = stores.labelling(id=ONE)
    detector = ScriptedDetector()
    run(stores, aws_event("s3_put_later_version"), detector)
    done = stores.now(blob)
    stores.clock.advance(stores.clock() - blob.created_at)
    run(stores, aws_event("s3_put"), detector)
    assert stores.now(blob) == done
    assert len(detector.calls) == 1


def test_duplicate_message_in_a_batch_is_labelled_once(stores: EmbeddedStores) -> None:
    """A standard queue may deliver a message twice."""
    stores.labelling(id=ONE)
    event = aws_event("sqs_two_uploads")
    event["Records"][1] = copy.deepcopy(event["Records"][0])
    detector = ScriptedDetector()
    assert run(stores, event, detector) == []
    assert len(detector.calls) == 1


def test_owner_with_special_characters_is_found(stores: EmbeddedStores) -> None:
    """The key is decoded exactly once."""
    blob = stores.labelling(ODD_OWNER, id=ONE)
    assert run(stores, aws_event("s3_encoded_key"), ScriptedDetector()) == []
    assert stores.now(blob).status is BlobStatus.LABELLED


def test_unknown_key_is_no_failure(stores: EmbeddedStores) -> None:
    """There is nothing to retry."""
    assert run(stores, aws_event("sqs_two_uploads"), ScriptedDetector()) == []


def test_refused_picture_does_not_fail_its_message(stores: EmbeddedStores) -> None:
    """Its blob ends FAILED, the other blob LABELLED, and neither message is retried."""
    one, two = stores.labelling(id=ONE), stores.labelling(id=TWO)
    detector = ScriptedDetector(PictureRefused("CORRUPT_IMAGE", "No picture."), CAT)
    assert run(stores, aws_event("sqs_two_uploads"), detector) == []
    failure = stores.now(one).failure
    assert failure is not None
    assert (failure.code, failure.message) == (FailureCode.CORRUPT_IMAGE, "No picture.")
    assert stores.now(two).status is BlobStatus.LABELLED


@pytest.mark.parametrize("error", [Unavailable("later"), ZeroDivisionError()])
def test_unavailable_detector_fails_the_message(
    stores: EmbeddedStores, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is logged with the blob's id, the blob is unchanged, and the retry labels it."""
    caplog.handler.addFilter(AddLogContext())
    one, two = stores.labelling(id=ONE), stores.labelling(id=TWO)
    event = aws_event("sqs_two_uploads")
    detector = ScriptedDetector(error, CAT)
    assert run(stores, event, detector) == [event["Records"][0]["messageId"]]
    assert stores.now(one) == one
    assert stores.now(two).status is BlobStatus.LABELLED
    (logged,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert vars(logged)["blob_id"] == ONE
    assert run(stores, event, detector) == []
    assert stores.now(one).status is BlobStatus.LABELLED


def received(event: dict[str, Any], times: int) -> dict[str, Any]:
    """Return the event with this receive count in all messages."""
    changed = copy.deepcopy(event)
    for message in changed["Records"]:
        message["attributes"]["ApproximateReceiveCount"] = str(times)
    return changed


@pytest.mark.parametrize("times", [1, 4, 5, 6])
def test_upload_that_fails_at_the_last_receive_is_given_up(times: int) -> None:
    """The message is still reported, so that the queue moves it to the dead letters."""
    labeller = RecordingLabeller(fails_on=TWO)
    event = received(aws_event("sqs_two_uploads"), times)
    result = handle(event, labeller, last_receive=5)
    assert message_ids(result) == [event["Records"][1]["messageId"]]
    assert labeller.given_up == ([f"originals/anna/{TWO}"] if times >= 5 else [])


def test_nothing_is_given_up_without_last_receive() -> None:
    labeller = RecordingLabeller(fails_on=TWO)
    handle(received(aws_event("sqs_two_uploads"), 99), labeller)
    assert labeller.given_up == []


def test_error_while_giving_up_stops_no_other_upload() -> None:
    class Stuck(RecordingLabeller):
        def give_up(self, upload: Upload) -> None:
            super().give_up(upload)
            raise Unavailable(upload.key)

    stuck = Stuck(fails_on="originals")
    result = handle(received(aws_event("sqs_two_uploads"), 5), stuck, last_receive=5)
    assert len(message_ids(result)) == len(stuck.given_up) == 2


def test_every_log_record_holds_the_blob_id(caplog: pytest.LogCaptureFixture) -> None:
    """Other modules' records too."""

    class Chatty(RecordingLabeller):
        def label(self, upload: Upload) -> None:
            logging.getLogger("some.library").warning("slow")

    caplog.handler.addFilter(AddLogContext())
    handle(aws_event("s3_two_records"), Chatty())
    assert [vars(line)["blob_id"] for line in caplog.records] == [ONE, TWO]
