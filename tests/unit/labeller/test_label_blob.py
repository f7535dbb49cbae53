"""One uploaded picture, from its event to the outcome on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.blob import (
    Blob,
    BlobStatus,
    FailureCode,
    ImageType,
    expire,
    label_again,
    receive_upload,
    record_labels,
)
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable, VersionConflict
from core.domain.label import Detection, Label
from core.repositories.ports.blobs import LabelOrder
from core.runtime.metrics import Metric
from labeller.detectors.base import Picture
from labeller.label_blob import BlobLabeller
from labeller.s3_event import Upload
from tests.support.detectors import CAT, ScriptedDetector
from tests.support.embedded_stores import EmbeddedStores


def labeller(stores: EmbeddedStores, detector: ScriptedDetector) -> BlobLabeller:
    return BlobLabeller(stores.blobs, stores.storage, detector, stores.clock)


def upload_of(blob: Blob, size: int | None = 5) -> Upload:
    return Upload("originals", blob.key, size)


def test_what_the_detector_sees_is_put_on_record(stores: EmbeddedStores) -> None:
    """Labels, size of the picture, the detector's name and the time."""
    blob = stores.labelling()
    labeller(stores, ScriptedDetector()).label(upload_of(blob))
    done = stores.now(blob)
    assert done.status is BlobStatus.LABELLED
    assert (done.labels, done.width, done.height) == (CAT.labels, 640, 480)
    assert (done.detector, done.finished_at) == ("eye 1", stores.clock())
    assert (done.size, done.sha256, done.version) == (5, blob.sha256, blob.version + 1)
    page = stores.blobs.find_by_label(
        "anna", "cat", min_confidence=0, order=LabelOrder.NEWEST, first=1
    )
    assert [found.blob for found in page.items] == [done]


def test_the_detector_is_given_the_picture_and_the_blobs_wishes(stores: EmbeddedStores) -> None:
    """Its key, declared type and bytes; how many labels, and how sure."""
    blob = stores.labelling(content_type=ImageType.PNG, max_labels=3, min_confidence=70.0)
    contents = []

    def read(picture: Picture) -> Detection:
        for _ in range(2):
            with picture.open() as stream:
                contents.append(stream.read())
        return CAT

    detector = ScriptedDetector(read)
    labeller(stores, detector).label(upload_of(blob))
    ((picture, max_labels, min_confidence),) = detector.asked
    assert (picture.key, picture.content_type) == (blob.key, ImageType.PNG)
    assert (max_labels, min_confidence) == (3, 70.0)
    assert contents == [b"bytes", b"bytes"]


def test_nothing_found_is_labelled_all_the_same(stores: EmbeddedStores) -> None:
    """An empty list is an outcome."""
    blob = stores.labelling()
    labeller(stores, ScriptedDetector(replace(CAT, labels=()))).label(upload_of(blob))
    assert (stores.now(blob).status, stores.now(blob).labels) == (BlobStatus.LABELLED, ())


def test_the_event_may_come_before_the_record_knows_of_the_bytes(stores: EmbeddedStores) -> None:
    """On S3 nothing else tells of an upload: size and time come from the event."""
    blob = stores.awaiting()
    stores.storage.put(blob.key, b"bytes")
    labeller(stores, ScriptedDetector()).label(upload_of(blob, size=1024))
    done = stores.now(blob)
    assert done.status is BlobStatus.LABELLED
    assert (done.size, done.uploaded_at) == (1024, stores.clock())


@pytest.mark.parametrize(
    "code", [FailureCode.CORRUPT_IMAGE, FailureCode.TOO_MANY_PIXELS, FailureCode.UNSUPPORTED_FORMAT]
)
def test_a_picture_that_is_refused_fails_with_code_and_message(
    stores: EmbeddedStores, code: FailureCode
) -> None:
    """As the detector put it; there is nothing to try again."""
    blob = stores.labelling()
    refusal = PictureRefused(code.value, "Not a picture.")
    labeller(stores, ScriptedDetector(refusal)).label(upload_of(blob))
    done = stores.now(blob)
    assert done.status is BlobStatus.FAILED
    assert done.failure is not None
    assert (done.failure.code, done.failure.message) == (code, "Not a picture.")
    assert (done.labels, done.finished_at) == (None, stores.clock())


@pytest.mark.parametrize("raised", [True, False])
def test_bytes_that_are_gone_fail_the_blob(stores: EmbeddedStores, raised: bool) -> None:
    """Whether the detector says so or the store does when it reads."""
    blob = stores.labelling()
    stores.storage.delete(blob.key)

    def read(picture: Picture) -> Detection:
        with picture.open():
            return CAT

    step = ObjectNotFound(blob.key) if raised else read
    labeller(stores, ScriptedDetector(step)).label(upload_of(blob))
    done = stores.now(blob)
    assert done.status is BlobStatus.FAILED
    assert done.failure is not None
    assert done.failure.code is FailureCode.ORIGINAL_MISSING


@pytest.mark.parametrize("error", [Unavailable("later"), RuntimeError("bug"), MemoryError()])
def test_trouble_that_may_pass_leaves_the_blob_untouched(
    stores: EmbeddedStores, error: Exception
) -> None:
    """It comes out, for the queue to try again; then it works."""
    blob = stores.labelling()
    detector = ScriptedDetector(error, CAT)
    with pytest.raises(type(error)):
        labeller(stores, detector).label(upload_of(blob))
    assert stores.now(blob) == blob
    labeller(stores, detector).label(upload_of(blob))
    assert stores.now(blob).status is BlobStatus.LABELLED


def test_a_store_that_cannot_keep_the_outcome_is_trouble_that_may_pass(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unavailable comes out; nothing is kept."""
    blob = stores.labelling()

    def fail(*_: object) -> None:
        raise Unavailable("full")

    with monkeypatch.context() as patch:
        patch.setattr(type(stores.blobs), "save", fail)
        with pytest.raises(Unavailable):
            labeller(stores, ScriptedDetector()).label(upload_of(blob))
    assert stores.now(blob) == blob


@pytest.mark.parametrize("second", [CAT, replace(CAT, labels=(Label("Dog", 99.0),))])
def test_an_event_that_comes_again_changes_nothing(
    stores: EmbeddedStores, second: Detection
) -> None:
    """At least once is what queues promise: the picture is not even looked at."""
    blob = stores.labelling()
    detector = ScriptedDetector(CAT, second)
    for _ in range(3):
        labeller(stores, detector).label(upload_of(blob))
        stores.clock.advance(stores.clock() - blob.created_at)
    assert len(detector.asked) == 1
    assert stores.now(blob).version == blob.version + 1
    assert stores.now(blob).labels == CAT.labels


def test_an_event_of_a_blob_that_is_done_changes_nothing(stores: EmbeddedStores) -> None:
    """Labelled or failed: it stays."""
    detector = ScriptedDetector()
    for blob in (stores.labelled("anna", Label("Dog", 99.0)), stores.failed()):
        labeller(stores, detector).label(upload_of(blob))
        labeller(stores, detector).give_up(upload_of(blob))
        assert stores.now(blob) == blob
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
def test_an_object_without_a_blob_is_passed_over(stores: EmbeddedStores, key: str) -> None:
    """It is no error: anybody may put anything into a bucket."""
    detector = ScriptedDetector()
    labeller(stores, detector).label(Upload("originals", key, 5))
    labeller(stores, detector).give_up(Upload("originals", key, 5))
    assert detector.asked == []


def test_an_object_under_another_owner_is_not_the_blobs(stores: EmbeddedStores) -> None:
    """The key must be the blob's own, not just end like it."""
    blob = stores.labelling("anna")
    detector = ScriptedDetector()
    labeller(stores, detector).label(Upload("originals", f"originals/boris/{blob.id}", 5))
    assert detector.asked == []
    assert stores.now(blob) == blob


def test_labelling_again_replaces_the_labels(stores: EmbeddedStores) -> None:
    """The old ones are no longer found."""
    blob = stores.saved(label_again(stores.labelled("anna", Label("Dog", 99.0))))
    labeller(stores, ScriptedDetector()).label(upload_of(blob))
    assert stores.now(blob).labels == CAT.labels
    page = stores.blobs.find_by_label(
        "anna", "dog", min_confidence=0, order=LabelOrder.NEWEST, first=1
    )
    assert page.items == ()


def test_of_two_at_once_the_first_to_finish_stands(stores: EmbeddedStores) -> None:
    """The second finds the work done and is content."""
    blob = stores.labelling()
    others = Detection((Label("Dog", 99.0),), 640, 480, "eye 2")

    def overtaken(_: Picture) -> Detection:
        stores.saved(record_labels(blob, stores.clock(), others))
        return CAT

    labeller(stores, ScriptedDetector(overtaken)).label(upload_of(blob))
    assert stores.now(blob).labels == others.labels
    assert stores.now(blob).version == blob.version + 1


def test_a_failure_does_not_overwrite_labels_found_meanwhile(stores: EmbeddedStores) -> None:
    """First to finish, whatever the outcome."""
    blob = stores.labelling()

    def overtaken(_: Picture) -> Detection:
        stores.saved(record_labels(blob, stores.clock(), CAT))
        raise PictureRefused("CORRUPT_IMAGE", "too late")

    labeller(stores, ScriptedDetector(overtaken)).label(upload_of(blob))
    assert stores.now(blob).status is BlobStatus.LABELLED


def test_a_blob_that_changed_meanwhile_and_still_waits_is_tried_again(
    stores: EmbeddedStores,
) -> None:
    """VersionConflict comes out; the next try begins from the new version."""
    blob = stores.awaiting()
    stores.storage.put(blob.key, b"bytes")

    def overtaken(_: Picture) -> Detection:
        stores.saved(receive_upload(blob, stores.clock(), size=5, sha256="c2hh"))
        return CAT

    detector = ScriptedDetector(overtaken, CAT)
    with pytest.raises(VersionConflict):
        labeller(stores, detector).label(upload_of(blob))
    assert stores.now(blob).status is BlobStatus.LABELLING
    labeller(stores, detector).label(upload_of(blob))
    assert stores.now(blob).status is BlobStatus.LABELLED
    assert stores.now(blob).sha256 == "c2hh"


def test_a_blob_whose_bytes_came_late_is_labelled_all_the_same(stores: EmbeddedStores) -> None:
    """Expired before its event came, or while it was looked at: then at the next try."""
    late, overtaken = stores.expired(), stores.awaiting()
    labeller(stores, ScriptedDetector()).label(upload_of(late))
    assert stores.now(late).status is BlobStatus.LABELLED

    def expires(_: Picture) -> Detection:
        stores.saved(expire(overtaken))
        return CAT

    works = labeller(stores, ScriptedDetector(expires, CAT))
    with pytest.raises(VersionConflict):
        works.label(upload_of(overtaken))
    works.label(upload_of(overtaken))
    assert stores.now(overtaken).status is BlobStatus.LABELLED


def test_giving_up_fails_the_blob_once(stores: EmbeddedStores) -> None:
    """LABELLER_UNAVAILABLE says that it was not the picture's fault; again changes nothing."""
    blob = stores.labelling()
    giving_up = labeller(stores, ScriptedDetector())
    giving_up.give_up(upload_of(blob))
    failed = stores.now(blob)
    assert failed.status is BlobStatus.FAILED
    assert failed.failure is not None
    assert failed.failure.code is FailureCode.LABELLER_UNAVAILABLE
    giving_up.give_up(upload_of(blob))
    assert stores.now(blob) == failed


def test_what_was_given_up_can_be_taken_up_again(stores: EmbeddedStores) -> None:
    """Its event, sent back, labels it after all."""
    blob = stores.labelling()
    both = labeller(stores, ScriptedDetector())
    both.give_up(upload_of(blob))
    both.label(upload_of(blob))
    done = stores.now(blob)
    assert (done.status, done.failure, done.labels) == (BlobStatus.LABELLED, None, CAT.labels)
    both.give_up(upload_of(blob))
    assert stores.now(blob) == done


def metered(
    stores: EmbeddedStores, detector: ScriptedDetector
) -> tuple[BlobLabeller, list[Metric]]:
    """A labeller, and what it counts."""
    counted: list[Metric] = []

    def metrics(metric: Metric, _: float = 1) -> None:
        counted.append(metric)

    return BlobLabeller(stores.blobs, stores.storage, detector, stores.clock, metrics), counted


def test_uploads_that_never_came_expire(stores: EmbeddedStores) -> None:
    """Those created before the moment; one whose bytes are there is labelled after all."""
    old, arrived = stores.awaiting(), stores.awaiting()
    stores.storage.put(arrived.key, b"bytes")
    stores.clock.advance(timedelta(hours=1))
    young = stores.awaiting()
    works, counted = metered(stores, ScriptedDetector())
    works.expire(young.created_at)
    works.expire(young.created_at)
    assert stores.now(arrived).status is BlobStatus.LABELLED
    assert stores.now(arrived).size == 5
    assert stores.now(old).status is BlobStatus.EXPIRED
    assert stores.now(young) == young
    assert sorted(counted) == sorted(
        [Metric.DETECTION_TIME, Metric.PICTURES_LABELLED, Metric.UPLOADS_EXPIRED]
    )


def test_one_that_can_not_be_labelled_even_then_is_given_up(stores: EmbeddedStores) -> None:
    """It had its time."""
    arrived = stores.awaiting()
    stores.storage.put(arrived.key, b"bytes")
    stores.clock.advance(timedelta(hours=1))
    works, counted = metered(stores, ScriptedDetector(Unavailable("later")))
    works.expire(stores.clock())
    failure = stores.now(arrived).failure
    assert failure is not None
    assert failure.code is FailureCode.LABELLER_UNAVAILABLE
    assert counted == [Metric.PICTURES_FAILED]


def test_one_blobs_trouble_does_not_keep_others_from_expiring(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and looked at again next time."""
    stuck = stores.awaiting()
    others = [stores.awaiting() for _ in range(150)]  # more than one batch
    real = stores.storage.size

    def size(key: str) -> int:
        if key == stuck.key:
            raise Unavailable("S3 is not well")
        return real(key)

    monkeypatch.setattr(stores.storage, "size", size)
    stores.clock.advance(timedelta(hours=1))
    labeller(stores, ScriptedDetector()).expire(stores.clock())
    assert stores.now(stuck) == stuck
    assert {stores.now(blob).status for blob in others} == {BlobStatus.EXPIRED}
    assert "S3 is not well" in caplog.text


def test_expiry_ends_when_its_time_is_used_up(stores: EmbeddedStores) -> None:
    """What is left is for the next time."""
    blob = stores.awaiting()
    stores.clock.advance(timedelta(hours=1))
    labeller(stores, ScriptedDetector()).expire(stores.clock(), seconds=0)
    assert stores.now(blob) == blob


def test_what_another_was_faster_at_is_not_counted_twice(stores: EmbeddedStores) -> None:
    """The metrics tell what is on record."""
    blob = stores.labelling()

    def overtaken(_: Picture) -> Detection:
        stores.saved(record_labels(blob, stores.clock(), CAT))
        raise PictureRefused(FailureCode.CORRUPT_IMAGE, "broken")

    works, counted = metered(stores, ScriptedDetector(overtaken))
    works.label(upload_of(blob))
    assert stores.now(blob).status is BlobStatus.LABELLED
    assert counted == []


def test_a_blob_without_a_door_of_ours_knows_when_its_bytes_came(stores: EmbeddedStores) -> None:
    """From the event."""
    blob = stores.awaiting()
    at = stores.clock() - timedelta(seconds=3)
    labeller(stores, ScriptedDetector()).label(Upload("originals", blob.key, 5, at))
    assert (stores.now(blob).uploaded_at, stores.now(blob).size) == (at, 5)


# Blobs that were deleted


def test_bytes_that_come_after_their_blob_was_deleted_do_not_stay(stores: EmbeddedStores) -> None:
    """By a URL that was still good: their event has them deleted, told again too."""
    blob = stores.awaiting()
    stores.blobs.delete(blob, stores.clock())
    stores.storage.put(blob.key, b"bytes")
    detector = ScriptedDetector()
    for _ in range(2):
        labeller(stores, detector).label(upload_of(blob))
        assert not stores.storage.path(blob.key).exists()
    labeller(stores, detector).give_up(upload_of(blob))
    assert stores.blobs.get(blob.id) is None
    assert detector.asked == []


def test_bytes_of_a_blob_that_is_not_known_stay(stores: EmbeddedStores) -> None:
    """Nobody said that they were to be deleted; nor has one owner's deletion to do with another."""
    blob = stores.labelling()
    stores.blobs.delete(blob, stores.clock())
    keys = ["originals/anna/01ARYZ", f"originals/boris/{blob.id}"]
    for key in keys:
        stores.storage.put(key, b"bytes")
        labeller(stores, ScriptedDetector()).label(Upload("originals", key, 5))
        assert stores.storage.size(key) == 5


@pytest.mark.parametrize("outcome", [CAT, PictureRefused("CORRUPT_IMAGE", "No."), "gone"])
def test_a_blob_that_is_deleted_while_it_is_labelled_does_not_come_back(
    stores: EmbeddedStores, outcome: Detection | Exception | str
) -> None:
    """Whatever the detector says; bytes that came in between go."""
    blob = stores.labelling()

    def deleted(_: Picture) -> Detection:
        stores.blobs.delete(stores.now(blob), stores.clock())
        if outcome == "gone":
            stores.storage.delete(blob.key)
            raise ObjectNotFound(blob.key)
        if isinstance(outcome, Exception):
            raise outcome
        return CAT

    labeller(stores, ScriptedDetector(deleted)).label(upload_of(blob))
    assert stores.blobs.get(blob.id) is None
    assert not stores.storage.path(blob.key).exists()
    page = stores.blobs.find_by_label(
        "anna", "cat", min_confidence=0, order=LabelOrder.NEWEST, first=1
    )
    assert page.items == ()


def test_what_a_deletion_left_is_cleared_later(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, by when no upload can come any more; one blob's trouble is not the others'."""
    blobs = [stores.labelling() for _ in range(3)]
    for blob in blobs[:2]:
        stores.blobs.delete(blob, stores.clock())
    stores.clock.advance(timedelta(hours=1))
    works = labeller(stores, ScriptedDetector())
    stores.blobs.delete(blobs[2], stores.clock())

    real = stores.storage.delete

    def fails(key: str) -> None:
        if key == blobs[0].key:
            raise Unavailable("later")
        real(key)

    with monkeypatch.context() as patch:
        patch.setattr(stores.storage, "delete", fails)
        works.clear_deleted(stores.clock())
    left = [stores.storage.path(blob.key).exists() for blob in blobs]
    assert left == [True, False, True]
    works.clear_deleted(stores.clock(), seconds=0)
    assert stores.storage.path(blobs[0].key).exists()
    works.clear_deleted(stores.clock())
    assert not stores.storage.path(blobs[0].key).exists()
    stores.storage.put(blobs[1].key, b"bytes")
    works.clear_deleted(stores.clock())
    assert stores.storage.path(blobs[1].key).exists()
