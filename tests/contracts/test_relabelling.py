"""Labelling a blob again, from the request to the new labels, on every store and in every order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.domain.blob import Blob, BlobStatus, FailureCode
from core.domain.errors import BlobNotFound, ObjectNotFound, Unavailable
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.deliveries import DeliveryRepository
from core.repositories.ports.owners import OwnerRepository
from core.repositories.ports.uploads import UploadLimits, UploadRepository
from labeller.label_blob import BlobLabeller
from labeller.s3_event import uploads_in
from tests.support.blobs import NOON, failed, labelled, uploaded
from tests.support.images.detectors import ScriptedDetector
from tests.support.services.labelling_rig import DOG, Rig


@pytest.fixture
def rig(
    blobs: BlobRepository,
    uploads: Callable[[UploadLimits], UploadRepository],
    deliveries: DeliveryRepository,
    owners: OwnerRepository,
    tmp_path: Path,
    clock: Any,
) -> Rig:
    return Rig(blobs, uploads(UploadLimits()), deliveries, owners, tmp_path, clock)


def cat(blob: Blob) -> Blob:
    return labelled(blob, ("Cat", 90.0), ("Animal", 95.0))


def test_old_labels_stay_until_new_ones_replace_them(rig: Rig) -> None:
    """In the blob and in every list."""
    blob = rig.kept(uploaded, cat)
    again = rig.ask(blob)
    assert again == rig.now(blob)
    assert (again.status, again.labels) == (BlobStatus.LABELLING, blob.labels)
    assert rig.carrying("Cat") == [blob.id]
    rig.carry()
    done = rig.now(blob)
    assert (done.status, done.labels, done.detector) == (BlobStatus.LABELLED, DOG.labels, "eye 2")
    assert (rig.carrying("Cat"), rig.carrying("Dog")) == ([], [blob.id])
    rig.carry()
    assert rig.now(blob) == done, "told twice"
    assert len(rig.detector.calls) == 1


def test_failed_blob_can_be_relabelled(rig: Rig) -> None:
    """And again after that."""
    blob = rig.kept(uploaded, failed)
    rig.ask(blob)
    rig.carry()
    assert (rig.now(blob).status, rig.now(blob).failure) == (BlobStatus.LABELLED, None)
    rig.ask(blob)
    rig.carry()
    assert len(rig.detector.calls) == 2


@pytest.mark.parametrize("carried", [1, 2])
def test_labeller_may_finish_before_the_request(rig: Rig, carried: int) -> None:
    """It has the event before the status changes; the blob is labelled once."""
    blob = rig.kept(uploaded, cat)
    rig.on_send = lambda: [rig.carry() for _ in range(carried)]
    answer = rig.ask(blob)
    assert answer == rig.now(blob)
    assert (answer.status, answer.labels) == (BlobStatus.LABELLED, DOG.labels)
    rig.carry()
    assert rig.now(blob) == answer
    assert len(rig.detector.calls) == 1


def test_request_killed_after_the_event_is_completed(rig: Rig) -> None:
    """The labeller completes it."""
    blob = rig.kept(uploaded, cat)

    def killed() -> None:
        raise Unavailable("the end")

    rig.on_send = killed
    with pytest.raises(Unavailable):
        rig.ask(blob)
    assert rig.now(blob) == blob
    rig.carry()
    assert rig.now(blob).labels == DOG.labels


def test_event_that_cannot_be_sent_changes_nothing(rig: Rig) -> None:
    """No blob is left waiting."""
    blob = rig.kept(uploaded, cat)

    def fails(_: Blob) -> None:
        raise Unavailable("no queue")

    object.__setattr__(rig.services, "relabel", fails)
    with pytest.raises(Unavailable):
        rig.ask(blob)
    assert rig.now(blob) == blob


def test_concurrent_requests_relabel_once(rig: Rig) -> None:
    """Both return the blob; the second event changes nothing."""
    blob = rig.kept(uploaded, cat)
    answers: list[Blob] = []

    def another() -> None:
        rig.on_send = lambda: None
        answers.append(rig.ask(blob))

    rig.on_send = another
    answers.append(rig.ask(blob))
    assert answers[0] == answers[1] == rig.now(blob)
    assert len(rig.messages) == 2
    rig.carry()
    assert len(rig.detector.calls) == 1


def test_late_event_of_the_upload_changes_nothing(rig: Rig) -> None:
    """Nor does an event for an earlier version."""
    blob = rig.kept(uploaded, cat)
    rig.ask(blob)
    rig.carry()
    done = rig.now(blob)
    old = json.loads(json.dumps(rig.messages[0]))
    del old["Records"][0]["relabel"]
    rig.messages.append(old)
    rig.carry()
    assert rig.now(blob) == done


def test_missing_bytes_fail_the_blob(rig: Rig) -> None:
    """ORIGINAL_MISSING; its old labels are removed."""
    blob = rig.kept(uploaded, cat)
    rig.storage.delete(blob.key)
    rig.detector = ScriptedDetector(ObjectNotFound(blob.key))
    rig.labeller = BlobLabeller(rig.blobs, rig.storage, rig.detector, rig.services.clock)
    rig.ask(blob)
    rig.carry()
    done = rig.now(blob)
    assert done.failure is not None
    assert (done.status, done.labels) == (BlobStatus.FAILED, None)
    assert done.failure.code is FailureCode.ORIGINAL_MISSING
    assert rig.carrying("Cat") == []


def test_dead_letter_fails_its_own_version_only(rig: Rig) -> None:
    """Not one that was requested since."""
    blob = rig.kept(uploaded, cat)
    rig.ask(blob)
    (first,) = uploads_in(rig.messages[0])
    rig.labeller.give_up(first)
    given_up = rig.now(blob)
    assert given_up.failure is not None
    assert given_up.failure.code is FailureCode.LABELLER_UNAVAILABLE
    again = rig.ask(blob)
    rig.labeller.give_up(first)
    assert rig.now(blob) == again
    (second,) = uploads_in(rig.messages[1])
    rig.labeller.give_up(second)
    assert rig.now(blob).status is BlobStatus.FAILED


def test_blob_deleted_during_the_request_is_not_found(rig: Rig) -> None:
    """The event does not bring it back."""
    blob = rig.kept(uploaded, cat)
    rig.on_send = lambda: rig.blobs.delete(blob, NOON)
    with pytest.raises(BlobNotFound):
        rig.ask(blob)
    rig.carry()
    assert rig.blobs.get(blob.id) is None


def test_labeller_reads_again_after_a_conflict(rig: Rig) -> None:
    """It had read the blob before the request changed its status."""
    blob = rig.kept(uploaded, cat)
    rig.ask(blob)

    def stale(_: str) -> Blob:
        del rig.blobs.get  # type: ignore[method-assign]
        return blob

    rig.blobs.get = stale  # type: ignore[method-assign]
    rig.carry()
    assert rig.now(blob).labels == DOG.labels
