"""Blobs that wait for too long, and bytes that are left of deleted ones."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.domain.blob import (
    BlobStatus,
    FailureCode,
)
from core.domain.errors import Unavailable
from core.runtime.metrics import Metric
from labeller.expiry import BlobExpiry
from labeller.label_blob import BlobLabeller
from tests.support.images.detectors import ScriptedDetector
from tests.support.services.embedded_stores import EmbeddedStores


def expiry(stores: EmbeddedStores, detector: ScriptedDetector) -> tuple[BlobExpiry, list[Metric]]:
    """A labeller's expiry, and the metrics that both count."""
    counted: list[Metric] = []

    def metrics(metric: Metric, _: float = 1, *, code: str = "") -> None:
        counted.append(metric)

    labeller = BlobLabeller(stores.blobs, stores.storage, detector, stores.clock, metrics)
    return BlobExpiry(stores.blobs, stores.storage, labeller, stores.clock, metrics), counted


def test_blobs_without_bytes_expire(stores: EmbeddedStores) -> None:
    """Only those created before the given time. A blob with bytes is labelled instead."""
    old, arrived = stores.awaiting(), stores.awaiting()
    stores.storage.put(arrived.key, b"bytes")
    stores.clock.advance(timedelta(hours=1))
    young = stores.awaiting()
    stale, counted = expiry(stores, ScriptedDetector())
    stale.expire(young.created_at)
    stale.expire(young.created_at)
    assert stores.now(arrived).status is BlobStatus.LABELLED
    assert stores.now(arrived).size == 5
    assert stores.now(old).status is BlobStatus.EXPIRED
    assert stores.now(young) == young
    assert sorted(counted) == sorted(
        [Metric.DETECTION_TIME, Metric.PICTURES_LABELLED, Metric.UPLOADS_EXPIRED]
    )


def test_old_blob_whose_labelling_fails_is_given_up(stores: EmbeddedStores) -> None:
    arrived = stores.awaiting()
    stores.storage.put(arrived.key, b"bytes")
    stores.clock.advance(timedelta(hours=1))
    stale, counted = expiry(stores, ScriptedDetector(Unavailable("later")))
    stale.expire(stores.clock())
    failure = stores.now(arrived).failure
    assert failure is not None
    assert failure.code is FailureCode.LABELLER_UNAVAILABLE
    assert counted == [Metric.PICTURES_FAILED]


def test_error_of_one_blob_does_not_stop_the_expiry_of_others(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the next run checks the blob again."""
    stuck = stores.awaiting()
    others = [stores.awaiting() for _ in range(150)]  # more than one batch
    real = stores.storage.size

    def size(key: str) -> int:
        if key == stuck.key:
            raise Unavailable("S3 is unavailable")
        return real(key)

    monkeypatch.setattr(stores.storage, "size", size)
    stores.clock.advance(timedelta(hours=1))
    expiry(stores, ScriptedDetector())[0].expire(stores.clock())
    assert stores.now(stuck) == stuck
    assert {stores.now(blob).status for blob in others} == {BlobStatus.EXPIRED}
    assert "S3 is unavailable" in caplog.text


def test_expiry_stops_after_its_time(stores: EmbeddedStores) -> None:
    """The next run handles the rest."""
    blob = stores.awaiting()
    stores.clock.advance(timedelta(hours=1))
    expiry(stores, ScriptedDetector())[0].expire(stores.clock(), seconds=0)
    assert stores.now(blob) == blob


def test_clear_deleted_removes_remaining_bytes_once(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of one blob doesn't stop the others."""
    blobs = [stores.labelling() for _ in range(3)]
    for blob in blobs[:2]:
        stores.blobs.delete(blob, stores.clock())
    stores.clock.advance(timedelta(hours=1))
    stale, _ = expiry(stores, ScriptedDetector())
    stores.blobs.delete(blobs[2], stores.clock())

    real = stores.storage.delete

    def fails(key: str) -> None:
        if key == blobs[0].key:
            raise Unavailable("later")
        real(key)

    with monkeypatch.context() as patch:
        patch.setattr(stores.storage, "delete", fails)
        assert stale.clear_deleted(stores.clock()) == 1
    left = [stores.storage.path(blob.key).exists() for blob in blobs]
    assert left == [True, False, True]
    stale.clear_deleted(stores.clock(), seconds=0)
    assert stores.storage.path(blobs[0].key).exists()
    assert stale.clear_deleted(stores.clock()) == 0
    assert not stores.storage.path(blobs[0].key).exists()
    stores.storage.put(blobs[1].key, b"bytes")
    stale.clear_deleted(stores.clock())
    assert stores.storage.path(blobs[1].key).exists()
