"""The labelling of one uploaded picture, from its event to the recorded outcome."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from api.services.labels import LabelOrder, find_by_label
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
from core.domain.deletion import set_deletion
from core.domain.edits import set_facts
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable, VersionConflict
from core.domain.facts import Facts
from core.domain.label import Detection, Label
from core.runtime.metrics import Metric
from labeller.detectors.base import Picture
from labeller.label_blob import BlobLabeller
from labeller.s3_event import Upload
from tests.support.images.detectors import CAT, ScriptedDetector
from tests.support.services.embedded_stores import EmbeddedStores


def labeller(stores: EmbeddedStores, detector: ScriptedDetector) -> BlobLabeller:
    return BlobLabeller(stores.blobs, stores.storage, detector, stores.clock)


def upload_of(blob: Blob, size: int | None = 5) -> Upload:
    return Upload("originals", blob.key, size)


def test_detection_is_recorded(stores: EmbeddedStores) -> None:
    """Labels, size of the picture, the detector's name and the time."""
    blob = stores.labelling()
    labeller(stores, ScriptedDetector()).label(upload_of(blob))
    done = stores.now(blob)
    assert done.status is BlobStatus.LABELLED
    assert (done.labels, done.width, done.height) == (CAT.labels, 640, 480)
    assert (done.detector, done.finished_at) == ("eye 1", stores.clock())
    assert (done.size, done.sha256, done.version) == (5, blob.sha256, blob.version + 1)
    page = find_by_label(
        stores.blobs, "anna", "cat", min_confidence=0, order=LabelOrder.NEWEST, first=1
    )
    assert [found.blob for found in page.items] == [done]


def test_detector_receives_the_picture_and_the_blobs_limits(stores: EmbeddedStores) -> None:
    """Key, declared type and bytes; number of labels and lowest confidence."""
    blob = stores.labelling(content_type=ImageType.PNG, max_labels=3, min_confidence=70.0)
    contents = []

    def read(picture: Picture) -> Detection:
        for _ in range(2):
            with picture.open() as stream:
                contents.append(stream.read())
        return CAT

    detector = ScriptedDetector(read)
    labeller(stores, detector).label(upload_of(blob))
    ((picture, max_labels, min_confidence),) = detector.calls
    assert (picture.key, picture.content_type) == (blob.key, ImageType.PNG)
    assert (max_labels, min_confidence) == (3, 70.0)
    assert contents == [b"bytes", b"bytes"]


def test_picture_without_labels_is_labelled(stores: EmbeddedStores) -> None:
    """An empty list is a result."""
    blob = stores.labelling()
    labeller(stores, ScriptedDetector(replace(CAT, labels=()))).label(upload_of(blob))
    assert (stores.now(blob).status, stores.now(blob).labels) == (BlobStatus.LABELLED, ())


def test_upload_known_only_by_its_event_is_labelled(stores: EmbeddedStores) -> None:
    """On S3 the size and the time come from the event."""
    blob = stores.awaiting()
    stores.storage.put(blob.key, b"bytes")
    labeller(stores, ScriptedDetector()).label(upload_of(blob, size=1024))
    done = stores.now(blob)
    assert done.status is BlobStatus.LABELLED
    assert (done.size, done.uploaded_at) == (1024, stores.clock())


@pytest.mark.parametrize(
    "code", [FailureCode.CORRUPT_IMAGE, FailureCode.TOO_MANY_PIXELS, FailureCode.UNSUPPORTED_FORMAT]
)
def test_refused_picture_fails_with_the_detectors_code_and_message(
    stores: EmbeddedStores, code: FailureCode, caplog: pytest.LogCaptureFixture
) -> None:
    blob = stores.labelling()
    refusal = PictureRefused(code.value, "Not a picture.", "of a decoder")
    with caplog.at_level(logging.INFO, "labeller.label_blob"):
        labeller(stores, ScriptedDetector(refusal)).label(upload_of(blob))
    assert [record.detail for record in caplog.records if record.message == "failed"] == [
        "of a decoder"
    ]
    done = stores.now(blob)
    assert done.status is BlobStatus.FAILED
    assert done.failure is not None
    assert (done.failure.code, done.failure.message) == (code, "Not a picture.")
    assert (done.labels, done.finished_at) == (None, stores.clock())


@pytest.mark.parametrize("raised", [True, False])
def test_missing_bytes_fail_the_blob(stores: EmbeddedStores, raised: bool) -> None:
    """The detector or the storage reports them."""
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
def test_temporary_error_is_raised_and_changes_nothing(
    stores: EmbeddedStores, error: Exception
) -> None:
    """A retry labels the blob."""
    blob = stores.labelling()
    detector = ScriptedDetector(error, CAT)
    with pytest.raises(type(error)):
        labeller(stores, detector).label(upload_of(blob))
    assert stores.now(blob) == blob
    labeller(stores, detector).label(upload_of(blob))
    assert stores.now(blob).status is BlobStatus.LABELLED


def test_unavailable_is_raised_when_the_outcome_cannot_be_stored(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = stores.labelling()

    def fail(*_: object) -> None:
        raise Unavailable("full")

    with monkeypatch.context() as patch:
        patch.setattr(type(stores.blobs), "save", fail)
        with pytest.raises(Unavailable):
            labeller(stores, ScriptedDetector()).label(upload_of(blob))
    assert stores.now(blob) == blob


@pytest.mark.parametrize("second", [CAT, replace(CAT, labels=(Label("Dog", 99.0),))])
def test_repeated_event_changes_nothing(stores: EmbeddedStores, second: Detection) -> None:
    """The detector isn't called again."""
    blob = stores.labelling()
    detector = ScriptedDetector(CAT, second)
    for _ in range(3):
        labeller(stores, detector).label(upload_of(blob))
        stores.clock.advance(stores.clock() - blob.created_at)
    assert len(detector.calls) == 1
    assert stores.now(blob).version == blob.version + 1
    assert stores.now(blob).labels == CAT.labels


def test_event_of_a_finished_blob_changes_nothing(stores: EmbeddedStores) -> None:
    detector = ScriptedDetector()
    for blob in (stores.labelled("anna", Label("Dog", 99.0)), stores.failed()):
        labeller(stores, detector).label(upload_of(blob))
        labeller(stores, detector).give_up(upload_of(blob))
        assert stores.now(blob) == blob
    assert detector.calls == []


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
def test_object_without_a_blob_is_ignored(stores: EmbeddedStores, key: str) -> None:
    """It is not an error, because other objects may be in the bucket."""
    detector = ScriptedDetector()
    labeller(stores, detector).label(Upload("originals", key, 5))
    labeller(stores, detector).give_up(Upload("originals", key, 5))
    assert detector.calls == []


def test_object_of_another_owner_is_ignored(stores: EmbeddedStores) -> None:
    """The key must be the blob's own and not only end with its id."""
    blob = stores.labelling("anna")
    detector = ScriptedDetector()
    labeller(stores, detector).label(Upload("originals", f"originals/boris/{blob.id}", 5))
    assert detector.calls == []
    assert stores.now(blob) == blob


def test_relabelling_replaces_old_labels(stores: EmbeddedStores) -> None:
    """A search no longer finds the old ones."""
    blob = stores.saved(label_again(stores.labelled("anna", Label("Dog", 99.0)), stores.clock()))
    labeller(stores, ScriptedDetector()).label(upload_of(blob))
    assert stores.now(blob).labels == CAT.labels
    page = find_by_label(
        stores.blobs, "anna", "dog", min_confidence=0, order=LabelOrder.NEWEST, first=1
    )
    assert page.items == ()


def test_first_of_two_concurrent_results_stays(stores: EmbeddedStores) -> None:
    """The second call ends without an error."""
    blob = stores.labelling()
    others = Detection((Label("Dog", 99.0),), 640, 480, "eye 2")

    def overtaken(_: Picture) -> Detection:
        stores.saved(record_labels(blob, stores.clock(), others))
        return CAT

    labeller(stores, ScriptedDetector(overtaken)).label(upload_of(blob))
    assert stores.now(blob).labels == others.labels
    assert stores.now(blob).version == blob.version + 1


@pytest.mark.parametrize("on_aws", [False, True])
def test_facts_changed_during_labelling_are_kept(stores: EmbeddedStores, *, on_aws: bool) -> None:
    """Without another detection; on AWS the labeller is the first to learn of the upload."""
    blob = stores.awaiting() if on_aws else stores.labelling()
    stores.storage.put(blob.key, b"bytes")

    def overtaken(_: Picture) -> Detection:
        stores.saved(set_facts(blob, stores.clock(), Facts("cat.jpg")))
        return CAT

    labeller(stores, ScriptedDetector(overtaken)).label(upload_of(blob))
    now = stores.now(blob)
    assert (now.labels, now.facts) == (CAT.labels, Facts("cat.jpg"))
    assert now.outcome_version == blob.version + 2


@pytest.mark.parametrize("on_aws", [False, True])
def test_deletion_requested_during_labelling_still_waits(
    stores: EmbeddedStores, *, on_aws: bool
) -> None:
    """And the labels are there when it is restored."""
    blob = stores.awaiting() if on_aws else stores.labelling()
    stores.storage.put(blob.key, b"bytes")
    at = stores.clock() + timedelta(hours=1)

    def overtaken(_: Picture) -> Detection:
        stores.saved(set_deletion(blob, stores.clock(), at))
        return CAT

    labeller(stores, ScriptedDetector(overtaken)).label(upload_of(blob))
    now = stores.now(blob)
    assert (now.status, now.labels, now.deletes_at) == (BlobStatus.LABELLED, CAT.labels, at)


def test_failure_does_not_replace_labels_recorded_meanwhile(stores: EmbeddedStores) -> None:
    blob = stores.labelling()

    def overtaken(_: Picture) -> Detection:
        stores.saved(record_labels(blob, stores.clock(), CAT))
        raise PictureRefused("CORRUPT_IMAGE", "too late")

    labeller(stores, ScriptedDetector(overtaken)).label(upload_of(blob))
    assert stores.now(blob).status is BlobStatus.LABELLED


def test_conflict_is_raised_while_the_blob_still_waits(
    stores: EmbeddedStores,
) -> None:
    """A retry starts from the new version."""
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


def test_expired_blob_with_bytes_is_labelled(stores: EmbeddedStores) -> None:
    """It expires before its event, or during the detection and is labelled by the retry."""
    late, overtaken = stores.expired(), stores.awaiting()
    labeller(stores, ScriptedDetector()).label(upload_of(late))
    assert stores.now(late).status is BlobStatus.LABELLED

    def expires(_: Picture) -> Detection:
        stores.saved(expire(overtaken, stores.clock()))
        return CAT

    blob_labeller = labeller(stores, ScriptedDetector(expires, CAT))
    with pytest.raises(VersionConflict):
        blob_labeller.label(upload_of(overtaken))
    blob_labeller.label(upload_of(overtaken))
    assert stores.now(overtaken).status is BlobStatus.LABELLED


def test_giving_up_fails_the_blob_once(stores: EmbeddedStores) -> None:
    """LABELLER_UNAVAILABLE means that the picture itself is not at fault."""
    blob = stores.labelling()
    blob_labeller = labeller(stores, ScriptedDetector())
    blob_labeller.give_up(upload_of(blob))
    failed = stores.now(blob)
    assert failed.status is BlobStatus.FAILED
    assert failed.failure is not None
    assert failed.failure.code is FailureCode.LABELLER_UNAVAILABLE
    blob_labeller.give_up(upload_of(blob))
    assert stores.now(blob) == failed


def test_given_up_blob_can_be_labelled_later(stores: EmbeddedStores) -> None:
    """Its event comes again from the dead letters."""
    blob = stores.labelling()
    blob_labeller = labeller(stores, ScriptedDetector())
    blob_labeller.give_up(upload_of(blob))
    blob_labeller.label(upload_of(blob))
    done = stores.now(blob)
    assert (done.status, done.failure, done.labels) == (BlobStatus.LABELLED, None, CAT.labels)
    blob_labeller.give_up(upload_of(blob))
    assert stores.now(blob) == done


def with_metrics(
    stores: EmbeddedStores, detector: ScriptedDetector
) -> tuple[BlobLabeller, list[Metric]]:
    """A labeller, and the metrics that it counts."""
    counted: list[Metric] = []

    def metrics(metric: Metric, _: float = 1, *, code: str = "") -> None:
        counted.append(metric)

    return BlobLabeller(stores.blobs, stores.storage, detector, stores.clock, metrics), counted


def test_result_of_the_slower_call_is_not_counted(stores: EmbeddedStores) -> None:
    """The metrics count what is recorded."""
    blob = stores.labelling()

    def overtaken(_: Picture) -> Detection:
        stores.saved(record_labels(blob, stores.clock(), CAT))
        raise PictureRefused(FailureCode.CORRUPT_IMAGE, "broken")

    blob_labeller, counted = with_metrics(stores, ScriptedDetector(overtaken))
    blob_labeller.label(upload_of(blob))
    assert stores.now(blob).status is BlobStatus.LABELLED
    assert counted == []


def test_upload_time_comes_from_the_event(stores: EmbeddedStores) -> None:
    blob = stores.awaiting()
    at = stores.clock() - timedelta(seconds=3)
    labeller(stores, ScriptedDetector()).label(Upload("originals", blob.key, 5, at))
    assert (stores.now(blob).uploaded_at, stores.now(blob).size) == (at, 5)


# Deleted blobs


def test_bytes_of_a_deleted_blob_are_deleted(stores: EmbeddedStores) -> None:
    """They were uploaded with a URL that was still valid. A repeated event deletes them too."""
    blob = stores.awaiting()
    stores.blobs.delete(blob, stores.clock())
    stores.storage.put(blob.key, b"bytes")
    detector = ScriptedDetector()
    for _ in range(2):
        labeller(stores, detector).label(upload_of(blob))
        assert not stores.storage.path(blob.key).exists()
    labeller(stores, detector).give_up(upload_of(blob))
    assert stores.blobs.get(blob.id) is None
    assert detector.calls == []


def test_bytes_of_an_unknown_blob_are_kept(stores: EmbeddedStores) -> None:
    """The deletion of one owner's blob doesn't affect another owner."""
    blob = stores.labelling()
    stores.blobs.delete(blob, stores.clock())
    keys = ["originals/anna/01ARYZ", f"originals/boris/{blob.id}"]
    for key in keys:
        stores.storage.put(key, b"bytes")
        labeller(stores, ScriptedDetector()).label(Upload("originals", key, 5))
        assert stores.storage.size(key) == 5


@pytest.mark.parametrize("outcome", [CAT, PictureRefused("CORRUPT_IMAGE", "No."), "gone"])
def test_blob_deleted_during_its_labelling_stays_deleted(
    stores: EmbeddedStores, outcome: Detection | Exception | str
) -> None:
    """This holds for every outcome, and bytes uploaded meanwhile are deleted."""
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
    page = find_by_label(
        stores.blobs, "anna", "cat", min_confidence=0, order=LabelOrder.NEWEST, first=1
    )
    assert page.items == ()


def too_large(_: Picture) -> Detection:
    raise PictureRefused(FailureCode.TOO_LARGE, "The picture has 5 bytes; at most 4 are accepted.")


def test_bytes_of_an_upload_over_the_limit_are_deleted(stores: EmbeddedStores) -> None:
    blob = stores.labelling()

    labeller(stores, ScriptedDetector(too_large)).label(upload_of(blob))

    assert failure_of(stores, blob) is FailureCode.TOO_LARGE
    with pytest.raises(ObjectNotFound):
        stores.storage.size(blob.key)


def test_bytes_of_a_relabelled_picture_over_a_lower_limit_stay(stores: EmbeddedStores) -> None:
    blob = stores.labelled("anna", Label("Cat", 90.0))
    event = replace(upload_of(blob), relabel_version=blob.version)

    labeller(stores, ScriptedDetector(too_large)).label(event)

    assert failure_of(stores, blob) is FailureCode.TOO_LARGE
    assert stores.storage.size(blob.key) == 5


def test_failure_stays_recorded_if_its_bytes_cannot_be_deleted(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: object) -> None:
        raise Unavailable("S3")

    blob = stores.labelling()
    monkeypatch.setattr(stores.storage, "delete", unavailable)

    labeller(stores, ScriptedDetector(too_large)).label(upload_of(blob))

    assert failure_of(stores, blob) is FailureCode.TOO_LARGE


def failure_of(stores: EmbeddedStores, blob: Blob) -> FailureCode:
    failure = stores.now(blob).failure
    assert failure is not None
    return failure.code
