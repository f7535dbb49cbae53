"""The same bytes of the same owner are detected once, on every store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.domain.blob import Blob, BlobStatus, FailureCode
from core.domain.errors import PictureRefused, Unavailable
from core.domain.label import Detection
from core.repositories.ports.blobs import BlobRepository
from core.runtime.metrics import Metric
from core.storage.files import FileStorage
from core.storage.signed_url import UrlSigner
from labeller.detectors.base import Picture
from labeller.label_blob import BlobLabeller
from labeller.s3_event import Upload
from tests.support.blobs import NOON, a_blob, moments, uploaded
from tests.support.images.detectors import CAT, ScriptedDetector

SECOND = timedelta(seconds=1)


class Rig:
    """Labels uploads one by one, over one store."""

    def __init__(self, blobs: BlobRepository, root: Path, clock: Any) -> None:
        self.blobs = blobs
        self.storage = FileStorage(root, UrlSigner(b"secret", "http://testserver"))
        self.clock = clock
        self.moments = moments()
        self.counted: list[Metric] = []
        self.use(ScriptedDetector())

    def use(self, detector: ScriptedDetector) -> ScriptedDetector:
        self.detector = detector
        self.labeller = BlobLabeller(
            self.blobs,
            self.storage,
            detector,
            self.clock,
            lambda metric, _=1, **_code: self.counted.append(metric),
        )
        return detector

    def kept(self, blob: Blob) -> Blob:
        self.blobs.create(blob)
        self.storage.put(blob.key, b"bytes")
        return blob

    def arrived(self, owner: str = "anna", **values: Any) -> Blob:
        """Create a blob that was uploaded; all have the same bytes."""
        blob = self.kept(a_blob(next(self.moments), owner, **values))
        self.blobs.save(uploaded(blob), blob)
        return blob

    def label(self, blob: Blob, **values: Any) -> Blob:
        self.labeller.label(Upload("pictures", blob.key, 5, **values))
        return self.now(blob)

    def now(self, blob: Blob) -> Blob:
        found = self.blobs.get(blob.id)
        assert found is not None
        return found


@pytest.fixture
def rig(blobs: BlobRepository, tmp_path: Path, clock: Any) -> Rig:
    return Rig(blobs, tmp_path, clock)


def test_same_bytes_are_detected_once(rig: Rig) -> None:
    """The second blob gets all results of the first; a metric counts it."""
    one, two = (rig.label(rig.arrived()) for _ in range(2))
    assert len(rig.detector.calls) == 1
    assert two.status is BlobStatus.LABELLED
    assert replace(two, id=one.id, created_at=one.created_at) == one
    assert rig.counted.count(Metric.LABELS_REUSED) == rig.counted.count(Metric.DETECTION_TIME) == 1
    assert rig.counted.count(Metric.PICTURES_LABELLED) == 2


def test_declared_digest_counts(rig: Rig) -> None:
    """S3 accepts no other bytes than the declared ones."""
    for _ in range(2):
        blob = rig.kept(a_blob(next(rig.moments), declared_sha256="c2hh"))
        done = rig.label(blob)
        assert (done.status, done.sha256) == (BlobStatus.LABELLED, "c2hh")
    assert len(rig.detector.calls) == 1


def test_unknown_digest_is_detected(rig: Rig) -> None:
    """Neither declared nor calculated."""
    for _ in range(2):
        assert rig.label(rig.kept(a_blob(next(rig.moments)))).sha256 is None
    assert len(rig.detector.calls) == 2


def test_owners_do_not_share_results(rig: Rig) -> None:
    """So not even the time shows what another has."""
    rig.label(rig.arrived("anna"))
    rig.label(rig.arrived("bert"))
    assert len(rig.detector.calls) == 2


def test_new_detector_version_detects_again(rig: Rig) -> None:
    """Each picture once."""
    rig.label(rig.arrived())
    newer = rig.use(ScriptedDetector(replace(CAT, labels=(), detector="eye 2")))
    newer.name = "eye 2"
    for _ in range(2):
        assert rig.label(rig.arrived()).labels == ()
    assert len(newer.calls) == 1


@pytest.mark.parametrize(
    "error", [PictureRefused("CORRUPT_IMAGE", "Not a picture."), Unavailable("later")]
)
def test_failures_are_not_reused(rig: Rig, error: Exception) -> None:
    """Another attempt may succeed."""
    detector = rig.use(ScriptedDetector(error, CAT))
    first = rig.arrived()
    if isinstance(error, Unavailable):
        with pytest.raises(Unavailable):
            rig.label(first)
    else:
        done = rig.label(first)
        assert done.failure is not None
        assert (done.failure.code, done.detector) == (FailureCode.CORRUPT_IMAGE, "eye 1")
    assert rig.label(rig.arrived()).status is BlobStatus.LABELLED
    assert len(detector.calls) == 2


def test_deleted_blob_is_not_reused(rig: Rig) -> None:
    rig.blobs.delete(rig.label(rig.arrived()), NOON)
    rig.label(rig.arrived())
    assert len(rig.detector.calls) == 2


def test_relabelling_reuses_only_newer_results(rig: Rig) -> None:
    """Older ones are not what the client requested."""
    one, two = (rig.label(rig.arrived()) for _ in range(2))
    rig.clock.advance(SECOND)
    asked_at = rig.clock()
    for count, blob in ((2, one), (2, two)):
        again = rig.label(blob, relabel_version=blob.version, event_time=asked_at)
        assert again.version == blob.version + 2
        assert len(rig.detector.calls) == count
    rig.clock.advance(SECOND)
    rig.label(two, relabel_version=rig.now(two).version, event_time=rig.clock())
    assert len(rig.detector.calls) == 3


def test_concurrent_uploads_wait_for_the_first(rig: Rig) -> None:
    """One detection for all of them; other bytes do not wait."""
    begun, others_done = threading.Event(), threading.Event()

    def slowly(picture: Picture) -> Detection:
        if picture.key == other.key:
            others_done.set()
        else:
            begun.set()
            assert others_done.wait(10)
        return CAT

    rig.use(ScriptedDetector(slowly))
    alike = [rig.arrived() for _ in range(4)]
    other = rig.kept(a_blob(next(rig.moments), declared_sha256="b3RoZXI="))
    with ThreadPoolExecutor(5) as pool:
        done = [pool.submit(rig.label, blob) for blob in alike]
        assert begun.wait(10)
        pool.submit(rig.label, other).result()
        assert {each.result().status for each in done} == {BlobStatus.LABELLED}
    assert len(rig.detector.calls) == 2
    assert rig.labeller._lock._locks == {}


def test_next_upload_is_detected_after_a_failure(rig: Rig) -> None:
    """No upload waits for ever."""
    rig.use(ScriptedDetector(Unavailable("later"), CAT))
    blobs = [rig.arrived() for _ in range(3)]

    def attempt(blob: Blob) -> bool:
        try:
            rig.label(blob)
        except Unavailable:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(attempt, blobs)) == [False, True, True]
    assert len(rig.detector.calls) == 2
