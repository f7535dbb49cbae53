"""The labeller's way in: events as AWS sends them."""

from __future__ import annotations

import copy
import json
import logging
from typing import Any

import pytest

from core.domain.blob import BlobStatus, FailureCode, ImageType
from core.domain.errors import PictureRefused, Unavailable
from core.runtime.logging import AddLogContext
from labeller.handler import handle
from labeller.label_blob import BlobLabeller
from labeller.s3_event import InvalidEvent, Upload
from tests.support.aws_events import ODD_OWNER, ONE, TWO, aws_event
from tests.support.detectors import CAT, ScriptedDetector
from tests.support.embedded_stores import EmbeddedStores


class Noting:
    """Notes each upload; raises for those whose key holds a given text."""

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


def message_ids(answer: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_bare_event_labels_its_uploads() -> None:
    """As S3 calls a function without a queue between."""
    noting = Noting()
    assert handle(aws_event("s3_two_records"), noting) == {"batchItemFailures": []}
    assert noting.keys == [f"originals/anna/{ONE}", f"originals/anna/{TWO}"]


def test_both_messages_of_a_batch_are_handled() -> None:
    """Not just the last one."""
    noting = Noting()
    assert handle(aws_event("sqs_two_uploads"), noting) == {"batchItemFailures": []}
    assert noting.keys == [f"originals/anna/{ONE}", f"originals/anna/{TWO}"]


@pytest.mark.parametrize("name", ["s3_test_event", "sqs_test_event", "s3_delete"])
def test_events_without_uploads_are_done(name: str) -> None:
    """Nothing to do, and nothing to try again."""
    noting = Noting()
    assert handle(aws_event(name), noting) == {"batchItemFailures": []}
    assert noting.keys == []


def test_an_empty_batch_is_done() -> None:
    """Lambda does not send one, but it would be no failure."""
    assert handle({"Records": []}, Noting()) == {"batchItemFailures": []}


@pytest.mark.parametrize("failing", [0, 1])
def test_a_failing_message_is_reported_by_its_id_and_stops_no_other(failing: int) -> None:
    """Only it is received again."""
    event = aws_event("sqs_two_uploads")
    noting = Noting(fails_on=(ONE, TWO)[failing])
    answer = handle(event, noting)
    assert message_ids(answer) == [event["Records"][failing]["messageId"]]
    assert len(noting.keys) == 2


@pytest.mark.parametrize("body", ["", "poison", "{}", "null", '{"Records": [{}]}', "[" * 100_000])
def test_a_poison_message_is_reported_by_its_id_and_stops_no_other(body: str) -> None:
    """It goes to the dead letters in the end; the other is labelled."""
    event = aws_event("sqs_two_uploads")
    event["Records"][0]["body"] = body
    noting = Noting()
    assert message_ids(handle(event, noting)) == [event["Records"][0]["messageId"]]
    assert noting.keys == [f"originals/anna/{TWO}"]


def test_a_message_without_a_body_stops_no_other() -> None:
    """Nor does one of an unexpected form."""
    event = aws_event("sqs_two_uploads")
    del event["Records"][0]["body"]
    noting = Noting()
    assert message_ids(handle(event, noting)) == [event["Records"][0]["messageId"]]
    assert noting.keys == [f"originals/anna/{TWO}"]


def test_a_message_with_several_uploads_tries_each() -> None:
    """It is reported when one of them failed."""
    event = aws_event("sqs_two_uploads")
    event["Records"][0]["body"] = json.dumps(aws_event("s3_two_records"))
    noting = Noting(fails_on=ONE)
    assert message_ids(handle(event, noting)) == [event["Records"][0]["messageId"]]
    assert [key[-1] for key in noting.keys] == ["1", "2", "2"]


def test_a_bare_event_raises_its_first_error_after_trying_every_upload() -> None:
    """S3 has no other way to be told; it sends the event again."""
    noting = Noting(fails_on="anna")
    with pytest.raises(Unavailable, match=ONE):
        handle(aws_event("s3_two_records"), noting)
    assert len(noting.keys) == 2


@pytest.mark.parametrize("event", [{}, {"Records": "text"}, {"Records": ["text"]}])
def test_a_bare_event_of_another_form_is_refused(event: dict[str, Any]) -> None:
    """Loudly: there is nobody to send it back to."""
    with pytest.raises(InvalidEvent):
        handle(event, Noting())


# Over real stores


def run(stores: EmbeddedStores, event: dict[str, Any], detector: ScriptedDetector) -> list[str]:
    labeller = BlobLabeller(stores.blobs, stores.storage, detector, stores.clock)
    return message_ids(handle(event, labeller))


def test_an_upload_told_in_any_form_is_labelled(stores: EmbeddedStores) -> None:
    """Bare or wrapped, it is the same upload; told again it changes nothing."""
    one = stores.labelling(id=ONE)
    two = stores.labelling(id=TWO, content_type=ImageType.PNG)
    detector = ScriptedDetector()
    for name in ("s3_put", "sqs_two_uploads", "s3_put_later_version", "s3_two_records"):
        assert run(stores, aws_event(name), detector) == []
    assert len(detector.asked) == 2
    for blob in (one, two):
        assert stores.now(blob).status is BlobStatus.LABELLED
        assert stores.now(blob).version == blob.version + 1


def test_events_out_of_order_end_alike(stores: EmbeddedStores) -> None:
    """The later version's event first, the earlier one after it."""
    blob = stores.labelling(id=ONE)
    detector = ScriptedDetector()
    run(stores, aws_event("s3_put_later_version"), detector)
    done = stores.now(blob)
    stores.clock.advance(stores.clock() - blob.created_at)
    run(stores, aws_event("s3_put"), detector)
    assert stores.now(blob) == done
    assert len(detector.asked) == 1


def test_a_message_twice_in_a_batch_is_labelled_once(stores: EmbeddedStores) -> None:
    """A standard queue may deliver a message twice, even at once."""
    stores.labelling(id=ONE)
    event = aws_event("sqs_two_uploads")
    event["Records"][1] = copy.deepcopy(event["Records"][0])
    detector = ScriptedDetector()
    assert run(stores, event, detector) == []
    assert len(detector.asked) == 1


def test_an_owner_of_any_name_is_found(stores: EmbeddedStores) -> None:
    """The key is decoded once, so it is the blob's key."""
    blob = stores.labelling(ODD_OWNER, id=ONE)
    assert run(stores, aws_event("s3_encoded_key"), ScriptedDetector()) == []
    assert stores.now(blob).status is BlobStatus.LABELLED


def test_an_unknown_key_is_no_failure(stores: EmbeddedStores) -> None:
    """There is nothing to try again."""
    assert run(stores, aws_event("sqs_two_uploads"), ScriptedDetector()) == []


def test_a_refused_picture_is_no_failure_of_the_message(stores: EmbeddedStores) -> None:
    """The blob ends FAILED, the other LABELLED; neither message comes again."""
    one, two = stores.labelling(id=ONE), stores.labelling(id=TWO)
    detector = ScriptedDetector(PictureRefused("CORRUPT_IMAGE", "No picture."), CAT)
    assert run(stores, aws_event("sqs_two_uploads"), detector) == []
    failure = stores.now(one).failure
    assert failure is not None
    assert (failure.code, failure.message) == (FailureCode.CORRUPT_IMAGE, "No picture.")
    assert stores.now(two).status is BlobStatus.LABELLED


@pytest.mark.parametrize("error", [Unavailable("later"), ZeroDivisionError()])
def test_an_unavailable_detector_has_the_message_come_again(
    stores: EmbeddedStores, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Reported and logged with its blob; the blob is as it was, and the retry labels it."""
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
    """The same messages, received so often."""
    changed = copy.deepcopy(event)
    for message in changed["Records"]:
        message["attributes"]["ApproximateReceiveCount"] = str(times)
    return changed


@pytest.mark.parametrize("times", [1, 4, 5, 6])
def test_an_upload_that_fails_for_the_last_time_is_given_up(times: int) -> None:
    """And reported all the same, so that the queue keeps its message among the dead letters."""
    noting = Noting(fails_on=TWO)
    event = received(aws_event("sqs_two_uploads"), times)
    answer = handle(event, noting, last_receive=5)
    assert message_ids(answer) == [event["Records"][1]["messageId"]]
    assert noting.given_up == ([f"originals/anna/{TWO}"] if times >= 5 else [])


def test_where_the_queue_tells_of_dead_letters_none_is_given_up_here() -> None:
    """However often it was received."""
    noting = Noting(fails_on=TWO)
    handle(received(aws_event("sqs_two_uploads"), 99), noting)
    assert noting.given_up == []


def test_an_upload_that_cannot_even_be_given_up_stops_no_other() -> None:
    """Its message goes the way of all dead letters."""

    class Stuck(Noting):
        def give_up(self, upload: Upload) -> None:
            super().give_up(upload)
            raise Unavailable(upload.key)

    stuck = Stuck(fails_on="originals")
    answer = handle(received(aws_event("sqs_two_uploads"), 5), stuck, last_receive=5)
    assert len(message_ids(answer)) == len(stuck.given_up) == 2


def test_every_line_logged_tells_the_blob(caplog: pytest.LogCaptureFixture) -> None:
    """Whichever module writes it."""

    class Chatty(Noting):
        def label(self, upload: Upload) -> None:
            logging.getLogger("some.library").warning("slow")

    caplog.handler.addFilter(AddLogContext())
    handle(aws_event("s3_two_records"), Chatty())
    assert [vars(line)["blob_id"] for line in caplog.records] == [ONE, TWO]
