"""Blobs and the transitions between their states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from datetime import timedelta

import pytest

from core.domain.blob import (
    Blob,
    BlobStatus,
    Failure,
    FailureCode,
    expire,
    label_again,
    needs_labelling,
    original_key,
    parse_original_key,
    receive_upload,
    record_failure,
    record_labels,
)
from core.domain.errors import WrongState
from core.domain.label import Label
from tests.support.blobs import CORRUPT, NOON, a_blob, detection, full_blob

LATER = NOON + timedelta(minutes=1)
GIVEN_UP = Failure(FailureCode.LABELLER_UNAVAILABLE, "The labeller could not be reached.")

STEPS: dict[str, Callable[[Blob], Blob]] = {
    "receive_upload": lambda blob: receive_upload(blob, LATER, size=9, sha256="bmV3"),
    "record_labels": lambda blob: record_labels(blob, LATER, detection(("Dog", 70.0))),
    "record_failure": lambda blob: record_failure(blob, LATER, CORRUPT),
    "expire": lambda blob: expire(blob, LATER),
    "label_again": lambda blob: label_again(blob, LATER),
}
ALLOWED = {
    ("receive_upload", BlobStatus.AWAITING_UPLOAD): BlobStatus.LABELLING,
    # S3's event may be the first sign of an upload.
    ("record_labels", BlobStatus.AWAITING_UPLOAD): BlobStatus.LABELLED,
    ("record_labels", BlobStatus.LABELLING): BlobStatus.LABELLED,
    ("record_failure", BlobStatus.AWAITING_UPLOAD): BlobStatus.FAILED,
    ("record_failure", BlobStatus.LABELLING): BlobStatus.FAILED,
    # With S3, bytes may arrive when the blob has just expired.
    ("record_labels", BlobStatus.EXPIRED): BlobStatus.LABELLED,
    ("record_failure", BlobStatus.EXPIRED): BlobStatus.FAILED,
    ("expire", BlobStatus.AWAITING_UPLOAD): BlobStatus.EXPIRED,
    ("label_again", BlobStatus.LABELLED): BlobStatus.LABELLING,
    ("label_again", BlobStatus.FAILED): BlobStatus.LABELLING,
}


@pytest.mark.parametrize("status", BlobStatus)
@pytest.mark.parametrize("step", STEPS)
def test_transition_is_allowed_from_its_states_only(step: str, status: BlobStatus) -> None:
    """From any other state it raises WrongState, which names the state."""
    blob = a_blob(status=status, version=3)
    if (step, status) in ALLOWED:
        after = STEPS[step](blob)
        assert (after.status, after.version) == (ALLOWED[step, status], 4)
    else:
        with pytest.raises(WrongState, match=f"Blob {blob.id} is {status}") as caught:
            STEPS[step](blob)
        assert (caught.value.blob_id, caught.value.status) == (blob.id, status)


@pytest.mark.parametrize("step", STEPS)
def test_only_states_without_a_time_of_their_own_have_the_time_of_the_change(step: str) -> None:
    status = next(status for allowed, status in ALLOWED if allowed == step)
    after = STEPS[step](a_blob(status=status, changed_at=None))
    assert after.changed_at == (LATER if step in ("expire", "label_again") else None)


@pytest.mark.parametrize("step", STEPS)
def test_transition_keeps_what_was_set_at_creation(step: str) -> None:
    status = next(status for allowed, status in ALLOWED if allowed == step)
    before = replace(full_blob(), status=status)
    after = STEPS[step](before)
    for name in [
        "id",
        "owner",
        "content_type",
        "created_at",
        "max_labels",
        "min_confidence",
        "callback_url",
        "declared_size",
        "declared_sha256",
    ]:
        assert getattr(after, name) == getattr(before, name)


def test_upload_records_size_digest_and_time() -> None:
    """Beside what was declared."""
    blob = receive_upload(a_blob(declared_size=1), LATER, size=9, sha256="bmV3")
    assert (blob.size, blob.sha256, blob.uploaded_at) == (9, "bmV3", LATER)
    assert blob.declared_size == 1


def test_labels_replace_older_labels_and_a_failure() -> None:
    """With size, detector and time of this detection; what the owner removed stays away."""
    before = replace(full_blob(), status=BlobStatus.LABELLING)
    after = record_labels(before, LATER, detection(("Bird", 70.0), ("Dog", 60.0)))
    assert after.labels == (Label("Bird", 70.0),)
    assert after.detected == (Label("Bird", 70.0), Label("Dog", 60.0))
    assert after.failure is None
    assert (after.width, after.height, after.detector) == (640, 480, "eye 1")
    assert after.finished_at == LATER
    assert after.uploaded_at == before.uploaded_at


def test_failure_removes_older_labels() -> None:
    before = replace(full_blob(), status=BlobStatus.LABELLING)
    after = record_failure(before, LATER, CORRUPT)
    assert (after.labels, after.failure, after.finished_at) == (None, CORRUPT, LATER)
    assert after.uploaded_at == before.uploaded_at


@pytest.mark.parametrize("step", ["record_labels", "record_failure"])
def test_labelling_sets_a_missing_upload_time(step: str) -> None:
    """If no upload event was seen."""
    assert STEPS[step](a_blob()).uploaded_at == LATER


def test_labelling_again_keeps_the_labels() -> None:
    """It removes a failure."""
    before = full_blob()
    after = label_again(before, NOON)
    assert (after.labels, after.failure) == (before.labels, None)


@pytest.mark.parametrize("step", ["record_labels", "record_failure"])
def test_blob_of_an_unavailable_labeller_can_be_labelled(step: str) -> None:
    """When its dead letter is sent back."""
    given_up = a_blob(status=BlobStatus.FAILED, failure=GIVEN_UP)
    assert STEPS[step](given_up).failure != GIVEN_UP


@pytest.mark.parametrize(
    ("status", "failure", "wanted"),
    [
        (BlobStatus.AWAITING_UPLOAD, None, True),
        (BlobStatus.LABELLING, None, True),
        (BlobStatus.LABELLED, None, False),
        (BlobStatus.FAILED, CORRUPT, False),
        (BlobStatus.FAILED, GIVEN_UP, True),
        (BlobStatus.EXPIRED, None, True),
    ],
)
def test_upload_event_is_processed_once(
    status: BlobStatus, failure: Failure | None, *, wanted: bool
) -> None:
    """A repeated event of a finished blob is not."""
    assert needs_labelling(a_blob(status=status, failure=failure)) is wanted


@pytest.mark.parametrize("status", BlobStatus)
def test_labelled_and_failed_blobs_are_finished(status: BlobStatus) -> None:
    assert a_blob(status=status).finished == (status in {"LABELLED", "FAILED"})


def test_object_key_contains_owner_and_blob() -> None:
    """They are parsed from the key."""
    blob = a_blob(owner="o wner+☃")
    assert blob.key == original_key("o wner+☃", blob.id) == f"originals/o wner+☃/{blob.id}"
    assert parse_original_key(blob.key) == ("o wner+☃", blob.id)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "originals",
        "originals/anna",
        "originals//1",
        "originals/anna/",
        "originals/anna/1/2",
        "/originals/anna/1",
        "inbox/anna/1",
        "Originals/anna/1",
    ],
)
def test_other_keys_are_not_of_originals(key: str) -> None:
    assert parse_original_key(key) is None


@pytest.mark.parametrize("fact", [full_blob(), Label("Dog", 70.0), CORRUPT, detection()])
def test_values_are_immutable(fact: object) -> None:
    name = fields(fact)[0].name  # type: ignore[arg-type]
    with pytest.raises(FrozenInstanceError):
        setattr(fact, name, "other")
