"""One uploaded picture, from its event to the outcome on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.blob import (
    Blob,
    BlobStatus,
    Detection,
    FailureCode,
    ImageType,
    Label,
    expire,
    label_again,
    receive_upload,
    record_labels,
)
from core.domain.errors import OriginalNotFound, PictureRefused, Unavailable, VersionConflict
from core.repositories.ports.blobs import LabelOrder
from core.runtime.metrics import Metric
from labeller.detectors.base import Picture
from labeller.label_blob import BlobLabeller
from labeller.s3_event import Upload
from tests.support.detectors import CAT, ScriptedDetector
from tests.support.embedded_stores import House


def labeller(house: House, detector: ScriptedDetector) -> BlobLabeller:
    return BlobLabeller(house.blobs, house.originals, detector, house.clock)


def upload_of(blob: Blob, size: int | None = 5) -> Upload:
    return Upload("originals", blob.key, size)


def test_what_the_detector_sees_is_put_on_record(house: House) -> None:
    """Labels, size of the picture, the detector's name and the time."""
    blob = house.labelling()
    labeller(house, ScriptedDetector()).label(upload_of(blob))
    done = house.now(blob)
    assert done.status is BlobStatus.LABELLED
    assert (done.labels, done.width, done.height) == (CAT.labels, 640, 480)
    assert (done.detector, done.finished_at) == ("eye 1", house.clock())
    assert (done.size, done.sha256, done.version) == (5, blob.sha256, blob.version + 1)
    page = house.blobs.find_by_label(
        "anna", "cat", min_confidence=0, order=LabelOrder.NEWEST, first=1
    )
    assert [found.blob for found in page.items] == [done]


def test_the_detector_is_given_the_picture_and_the_blobs_wishes(house: House) -> None:
    """Its key, declared type and bytes; how many labels, and how sure."""
    blob = house.labelling(content_type=ImageType.PNG, max_labels=3, min_confidence=70.0)
    contents = []

    def read(picture: Picture) -> Detection:
        for _ in range(2):
            with picture.open() as stream:
                contents.append(stream.read())
        return CAT

    detector = ScriptedDetector(read)
    labeller(house, detector).label(upload_of(blob))
    ((picture, max_labels, min_confidence),) = detector.asked
    assert (picture.key, picture.content_type) == (blob.key, ImageType.PNG)
    assert (max_labels, min_confidence) == (3, 70.0)
    assert contents == [b"bytes", b"bytes"]


def test_nothing_found_is_labelled_all_the_same(house: House) -> None:
    """An empty list is an outcome."""
    blob = house.labelling()
    labeller(house, ScriptedDetector(replace(CAT, labels=()))).label(upload_of(blob))
    assert (house.now(blob).status, house.now(blob).labels) == (BlobStatus.LABELLED, ())


def test_the_event_may_come_before_the_record_knows_of_the_bytes(house: House) -> None:
    """On S3 nothing else tells of an upload: size and time come from the event."""
    blob = house.awaiting()
    house.originals.put(blob.key, b"bytes")
    labeller(house, ScriptedDetector()).label(upload_of(blob, size=1024))
    done = house.now(blob)
    assert done.status is BlobStatus.LABELLED
    assert (done.size, done.uploaded_at) == (1024, house.clock())


@pytest.mark.parametrize(
    "code", [FailureCode.CORRUPT_IMAGE, FailureCode.TOO_MANY_PIXELS, FailureCode.UNSUPPORTED_FORMAT]
)
def test_a_picture_that_is_refused_fails_with_code_and_message(
    house: House, code: FailureCode
) -> None:
    """As the detector put it; there is nothing to try again."""
    blob = house.labelling()
    refusal = PictureRefused(code.value, "Not a picture.")
    labeller(house, ScriptedDetector(refusal)).label(upload_of(blob))
    done = house.now(blob)
    assert done.status is BlobStatus.FAILED
    assert done.failure is not None
    assert (done.failure.code, done.failure.message) == (code, "Not a picture.")
    assert (done.labels, done.finished_at) == (None, house.clock())


@pytest.mark.parametrize("raised", [True, False])
def test_bytes_that_are_gone_fail_the_blob(house: House, raised: bool) -> None:
    """Whether the detector says so or the store does when it reads."""
    blob = house.labelling()
    house.originals.delete(blob.key)

    def read(picture: Picture) -> Detection:
        with picture.open():
            return CAT

    step = OriginalNotFound(blob.key) if raised else read
    labeller(house, ScriptedDetector(step)).label(upload_of(blob))
    done = house.now(blob)
    assert done.status is BlobStatus.FAILED
    assert done.failure is not None
    assert done.failure.code is FailureCode.ORIGINAL_MISSING


@pytest.mark.parametrize("error", [Unavailable("later"), RuntimeError("bug"), MemoryError()])
def test_trouble_that_may_pass_leaves_the_blob_untouched(house: House, error: Exception) -> None:
    """It comes out, for the queue to try again; then it works."""
    blob = house.labelling()
    detector = ScriptedDetector(error, CAT)
    with pytest.raises(type(error)):
        labeller(house, detector).label(upload_of(blob))
    assert house.now(blob) == blob
    labeller(house, detector).label(upload_of(blob))
    assert house.now(blob).status is BlobStatus.LABELLED


def test_a_store_that_cannot_keep_the_outcome_is_trouble_that_may_pass(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unavailable comes out; nothing is kept."""
    blob = house.labelling()

    def fail(*_: object) -> None:
        raise Unavailable("full")

    with monkeypatch.context() as patch:
        patch.setattr(type(house.blobs), "save", fail)
        with pytest.raises(Unavailable):
            labeller(house, ScriptedDetector()).label(upload_of(blob))
    assert house.now(blob) == blob


@pytest.mark.parametrize("second", [CAT, replace(CAT, labels=(Label("Dog", 99.0),))])
def test_an_event_that_comes_again_changes_nothing(house: House, second: Detection) -> None:
    """At least once is what queues promise: the picture is not even looked at."""
    blob = house.labelling()
    detector = ScriptedDetector(CAT, second)
    for _ in range(3):
        labeller(house, detector).label(upload_of(blob))
        house.clock.advance(house.clock() - blob.created_at)
    assert len(detector.asked) == 1
    assert house.now(blob).version == blob.version + 1
    assert house.now(blob).labels == CAT.labels


def test_an_event_of_a_blob_that_is_done_changes_nothing(house: House) -> None:
    """Labelled or failed: it stays."""
    detector = ScriptedDetector()
    for blob in (house.labelled("anna", Label("Dog", 99.0)), house.failed()):
        labeller(house, detector).label(upload_of(blob))
        labeller(house, detector).give_up(upload_of(blob))
        assert house.now(blob) == blob
    assert detector.asked == []


@pytest.mark.parametrize(
    "key",
    [
        "originals/anna/absent",
        "originals/anna",
        "originals//x",
        "inbox/anna/holiday.jpg",
        "thumbnails/anna/x",
        "",
        "/",
        "originals/../x",
    ],
)
def test_an_object_without_a_blob_is_passed_over(house: House, key: str) -> None:
    """It is no error: anybody may put anything into a bucket."""
    detector = ScriptedDetector()
    labeller(house, detector).label(Upload("originals", key, 5))
    labeller(house, detector).give_up(Upload("originals", key, 5))
    assert detector.asked == []


def test_an_object_under_another_owner_is_not_the_blobs(house: House) -> None:
    """The key must be the blob's own, not just end like it."""
    blob = house.labelling("anna")
    detector = ScriptedDetector()
    labeller(house, detector).label(Upload("originals", f"originals/boris/{blob.id}", 5))
    assert detector.asked == []
    assert house.now(blob) == blob


def test_labelling_again_replaces_the_labels(house: House) -> None:
    """The old ones are no longer found."""
    blob = house.saved(label_again(house.labelled("anna", Label("Dog", 99.0))))
    labeller(house, ScriptedDetector()).label(upload_of(blob))
    assert house.now(blob).labels == CAT.labels
    page = house.blobs.find_by_label(
        "anna", "dog", min_confidence=0, order=LabelOrder.NEWEST, first=1
    )
    assert page.items == ()


def test_of_two_at_once_the_first_to_finish_stands(house: House) -> None:
    """The second finds the work done and is content."""
    blob = house.labelling()
    others = Detection((Label("Dog", 99.0),), 640, 480, "eye 2")

    def overtaken(_: Picture) -> Detection:
        house.saved(record_labels(blob, house.clock(), others))
        return CAT

    labeller(house, ScriptedDetector(overtaken)).label(upload_of(blob))
    assert house.now(blob).labels == others.labels
    assert house.now(blob).version == blob.version + 1


def test_a_failure_does_not_overwrite_labels_found_meanwhile(house: House) -> None:
    """First to finish, whatever the outcome."""
    blob = house.labelling()

    def overtaken(_: Picture) -> Detection:
        house.saved(record_labels(blob, house.clock(), CAT))
        raise PictureRefused("CORRUPT_IMAGE", "too late")

    labeller(house, ScriptedDetector(overtaken)).label(upload_of(blob))
    assert house.now(blob).status is BlobStatus.LABELLED


def test_a_blob_that_changed_meanwhile_and_still_waits_is_tried_again(house: House) -> None:
    """VersionConflict comes out; the next try begins from the new version."""
    blob = house.awaiting()
    house.originals.put(blob.key, b"bytes")

    def overtaken(_: Picture) -> Detection:
        house.saved(receive_upload(blob, house.clock(), size=5, sha256="c2hh"))
        return CAT

    detector = ScriptedDetector(overtaken, CAT)
    with pytest.raises(VersionConflict):
        labeller(house, detector).label(upload_of(blob))
    assert house.now(blob).status is BlobStatus.LABELLING
    labeller(house, detector).label(upload_of(blob))
    assert house.now(blob).status is BlobStatus.LABELLED
    assert house.now(blob).sha256 == "c2hh"


def test_a_blob_whose_bytes_came_late_is_labelled_all_the_same(house: House) -> None:
    """Expired before its event came, or while it was looked at: then at the next try."""
    late, overtaken = house.expired(), house.awaiting()
    labeller(house, ScriptedDetector()).label(upload_of(late))
    assert house.now(late).status is BlobStatus.LABELLED

    def expires(_: Picture) -> Detection:
        house.saved(expire(overtaken))
        return CAT

    works = labeller(house, ScriptedDetector(expires, CAT))
    with pytest.raises(VersionConflict):
        works.label(upload_of(overtaken))
    works.label(upload_of(overtaken))
    assert house.now(overtaken).status is BlobStatus.LABELLED


def test_giving_up_fails_the_blob_once(house: House) -> None:
    """LABELLER_UNAVAILABLE says that it was not the picture's fault; again changes nothing."""
    blob = house.labelling()
    giving_up = labeller(house, ScriptedDetector())
    giving_up.give_up(upload_of(blob))
    failed = house.now(blob)
    assert failed.status is BlobStatus.FAILED
    assert failed.failure is not None
    assert failed.failure.code is FailureCode.LABELLER_UNAVAILABLE
    giving_up.give_up(upload_of(blob))
    assert house.now(blob) == failed


def test_what_was_given_up_can_be_taken_up_again(house: House) -> None:
    """Its event, sent back, labels it after all."""
    blob = house.labelling()
    both = labeller(house, ScriptedDetector())
    both.give_up(upload_of(blob))
    both.label(upload_of(blob))
    done = house.now(blob)
    assert (done.status, done.failure, done.labels) == (BlobStatus.LABELLED, None, CAT.labels)
    both.give_up(upload_of(blob))
    assert house.now(blob) == done


def metered(house: House, detector: ScriptedDetector) -> tuple[BlobLabeller, list[Metric]]:
    """A labeller, and what it counts."""
    counted: list[Metric] = []

    def meter(metric: Metric, _: float = 1) -> None:
        counted.append(metric)

    return BlobLabeller(house.blobs, house.originals, detector, house.clock, meter), counted


def test_uploads_that_never_came_expire(house: House) -> None:
    """Those created before the moment; one whose bytes are there is labelled after all."""
    old, arrived = house.awaiting(), house.awaiting()
    house.originals.put(arrived.key, b"bytes")
    house.clock.advance(timedelta(hours=1))
    young = house.awaiting()
    works, counted = metered(house, ScriptedDetector())
    works.expire(young.created_at)
    works.expire(young.created_at)
    assert house.now(arrived).status is BlobStatus.LABELLED
    assert house.now(arrived).size == 5
    assert house.now(old).status is BlobStatus.EXPIRED
    assert house.now(young) == young
    assert sorted(counted) == sorted(
        [Metric.DETECTION_TIME, Metric.PICTURES_LABELLED, Metric.UPLOADS_EXPIRED]
    )


def test_one_that_can_not_be_labelled_even_then_is_given_up(house: House) -> None:
    """It had its time."""
    arrived = house.awaiting()
    house.originals.put(arrived.key, b"bytes")
    house.clock.advance(timedelta(hours=1))
    works, counted = metered(house, ScriptedDetector(Unavailable("later")))
    works.expire(house.clock())
    failure = house.now(arrived).failure
    assert failure is not None
    assert failure.code is FailureCode.LABELLER_UNAVAILABLE
    assert counted == [Metric.PICTURES_FAILED]


def test_one_blobs_trouble_does_not_keep_others_from_expiring(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and looked at again next time."""
    stuck = house.awaiting()
    others = [house.awaiting() for _ in range(150)]  # more than one batch
    real = house.originals.size

    def size(key: str) -> int:
        if key == stuck.key:
            raise Unavailable("S3 is not well")
        return real(key)

    monkeypatch.setattr(house.originals, "size", size)
    house.clock.advance(timedelta(hours=1))
    labeller(house, ScriptedDetector()).expire(house.clock())
    assert house.now(stuck) == stuck
    assert {house.now(blob).status for blob in others} == {BlobStatus.EXPIRED}
    assert "S3 is not well" in caplog.text


def test_expiry_ends_when_its_time_is_used_up(house: House) -> None:
    """What is left is for the next time."""
    blob = house.awaiting()
    house.clock.advance(timedelta(hours=1))
    labeller(house, ScriptedDetector()).expire(house.clock(), seconds=0)
    assert house.now(blob) == blob


def test_what_another_was_faster_at_is_not_counted_twice(house: House) -> None:
    """The metrics tell what is on record."""
    blob = house.labelling()

    def overtaken(_: Picture) -> Detection:
        house.saved(record_labels(blob, house.clock(), CAT))
        raise PictureRefused(FailureCode.CORRUPT_IMAGE, "broken")

    works, counted = metered(house, ScriptedDetector(overtaken))
    works.label(upload_of(blob))
    assert house.now(blob).status is BlobStatus.LABELLED
    assert counted == []


def test_a_blob_without_a_door_of_ours_knows_when_its_bytes_came(house: House) -> None:
    """From the event."""
    blob = house.awaiting()
    at = house.clock() - timedelta(seconds=3)
    labeller(house, ScriptedDetector()).label(Upload("originals", blob.key, 5, at))
    assert (house.now(blob).uploaded_at, house.now(blob).size) == (at, 5)


# Blobs that were deleted


def test_bytes_that_come_after_their_blob_was_deleted_do_not_stay(house: House) -> None:
    """By a URL that was still good: their event has them deleted, told again too."""
    blob = house.awaiting()
    house.blobs.delete(blob, house.clock())
    house.originals.put(blob.key, b"bytes")
    detector = ScriptedDetector()
    for _ in range(2):
        labeller(house, detector).label(upload_of(blob))
        assert not house.originals.path(blob.key).exists()
    labeller(house, detector).give_up(upload_of(blob))
    assert house.blobs.get(blob.id) is None
    assert detector.asked == []


def test_bytes_of_a_blob_that_is_not_known_stay(house: House) -> None:
    """Nobody said that they were to be deleted; nor has one owner's deletion to do with another."""
    blob = house.labelling()
    house.blobs.delete(blob, house.clock())
    keys = ["originals/anna/01ARYZ", f"originals/boris/{blob.id}"]
    for key in keys:
        house.originals.put(key, b"bytes")
        labeller(house, ScriptedDetector()).label(Upload("originals", key, 5))
        assert house.originals.size(key) == 5


@pytest.mark.parametrize("outcome", [CAT, PictureRefused("CORRUPT_IMAGE", "No."), "gone"])
def test_a_blob_that_is_deleted_while_it_is_labelled_does_not_come_back(
    house: House, outcome: Detection | Exception | str
) -> None:
    """Whatever the detector says; bytes that came in between go."""
    blob = house.labelling()

    def deleted(_: Picture) -> Detection:
        house.blobs.delete(house.now(blob), house.clock())
        if outcome == "gone":
            house.originals.delete(blob.key)
            raise OriginalNotFound(blob.key)
        if isinstance(outcome, Exception):
            raise outcome
        return CAT

    labeller(house, ScriptedDetector(deleted)).label(upload_of(blob))
    assert house.blobs.get(blob.id) is None
    assert not house.originals.path(blob.key).exists()
    page = house.blobs.find_by_label(
        "anna", "cat", min_confidence=0, order=LabelOrder.NEWEST, first=1
    )
    assert page.items == ()


def test_what_a_deletion_left_is_cleared_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, by when no upload can come any more; one blob's trouble is not the others'."""
    blobs = [house.labelling() for _ in range(3)]
    for blob in blobs[:2]:
        house.blobs.delete(blob, house.clock())
    house.clock.advance(timedelta(hours=1))
    works = labeller(house, ScriptedDetector())
    house.blobs.delete(blobs[2], house.clock())

    real = house.originals.delete

    def fails(key: str) -> None:
        if key == blobs[0].key:
            raise Unavailable("later")
        real(key)

    with monkeypatch.context() as patch:
        patch.setattr(house.originals, "delete", fails)
        works.clear_deleted(house.clock())
    left = [house.originals.path(blob.key).exists() for blob in blobs]
    assert left == [True, False, True]
    works.clear_deleted(house.clock(), seconds=0)
    assert house.originals.path(blobs[0].key).exists()
    works.clear_deleted(house.clock())
    assert not house.originals.path(blobs[0].key).exists()
    house.originals.put(blobs[1].key, b"bytes")
    works.clear_deleted(house.clock())
    assert house.originals.path(blobs[1].key).exists()
