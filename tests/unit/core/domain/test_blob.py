"""Blob, Label and the steps between a blob's states."""

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
    parse_inbox_key,
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
    "expire": expire,
    "label_again": label_again,
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
def test_a_step_is_allowed_from_its_states_only(step: str, status: BlobStatus) -> None:
    """From any other state it raises WrongState, which says where the blob stands."""
    blob = a_blob(status=status, version=3)
    if (step, status) in ALLOWED:
        after = STEPS[step](blob)
        assert (after.status, after.version) == (ALLOWED[step, status], 4)
    else:
        with pytest.raises(WrongState, match=f"Blob {blob.id} is {status}") as caught:
            STEPS[step](blob)
        assert (caught.value.blob_id, caught.value.status) == (blob.id, status)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_changes_no_promise_made_at_creation(step: str) -> None:
    """Id, owner, terms and callback are for good."""
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


def test_an_upload_records_what_arrived() -> None:
    """Size, SHA-256 and time, beside what was declared."""
    blob = receive_upload(a_blob(declared_size=1), LATER, size=9, sha256="bmV3")
    assert (blob.size, blob.sha256, blob.uploaded_at) == (9, "bmV3", LATER)
    assert blob.declared_size == 1


def test_labels_replace_older_labels_and_a_failure() -> None:
    """With size, detector and time of this detection."""
    before = replace(full_blob(), status=BlobStatus.LABELLING)
    after = record_labels(before, LATER, detection(("Dog", 70.0)))
    assert after.labels == (Label("Dog", 70.0),)
    assert after.failure is None
    assert (after.width, after.height, after.detector) == (640, 480, "eye 1")
    assert after.finished_at == LATER
    assert after.uploaded_at == before.uploaded_at


def test_a_failure_takes_older_labels_away() -> None:
    """They no longer hold."""
    before = replace(full_blob(), status=BlobStatus.LABELLING)
    after = record_failure(before, LATER, CORRUPT)
    assert (after.labels, after.failure, after.finished_at) == (None, CORRUPT, LATER)
    assert after.uploaded_at == before.uploaded_at


@pytest.mark.parametrize("step", ["record_labels", "record_failure"])
def test_the_labellers_word_means_the_bytes_were_there(step: str) -> None:
    """An upload without an event is dated to the labelling."""
    assert STEPS[step](a_blob()).uploaded_at == LATER


def test_labelling_again_keeps_the_labels_until_new_ones_come() -> None:
    """A failure is forgotten at once."""
    before = full_blob()
    after = label_again(before)
    assert (after.labels, after.failure) == (before.labels, None)


@pytest.mark.parametrize("step", ["record_labels", "record_failure"])
def test_a_blob_given_up_can_still_be_labelled(step: str) -> None:
    """When the dead letter of an unavailable labeller is sent back."""
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
def test_an_upload_event_has_work_to_do_once(
    status: BlobStatus, failure: Failure | None, *, wanted: bool
) -> None:
    """A repeated event of a finished blob has none."""
    assert needs_labelling(a_blob(status=status, failure=failure)) is wanted


@pytest.mark.parametrize("status", BlobStatus)
def test_a_blob_is_finished_when_the_labeller_had_its_last_word(status: BlobStatus) -> None:
    """LABELLED or FAILED."""
    assert a_blob(status=status).finished == (status in {"LABELLED", "FAILED"})


def test_an_object_key_names_owner_and_blob() -> None:
    """And is read back into them."""
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
def test_any_other_key_is_not_ours(key: str) -> None:
    """Never guessed at."""
    assert parse_original_key(key) is None


@pytest.mark.parametrize("fact", [full_blob(), Label("Dog", 70.0), CORRUPT, detection()])
def test_facts_are_frozen(fact: object) -> None:
    """A new version is a new value."""
    name = fields(fact)[0].name  # type: ignore[arg-type]
    with pytest.raises(FrozenInstanceError):
        setattr(fact, name, "other")


@pytest.mark.parametrize(
    ("key", "owner"),
    [
        ("inbox/anna/cat.png", "anna"),
        ("inbox/anna/2026/May 1/cat + dog.png", "anna"),
        ("inbox/Zoë #1/x", "Zoë #1"),
        ("inbox/anna", None),
        ("inbox/anna/", None),
        ("inbox/anna/2026/", None),
        ("inbox//cat.png", None),
        ("inbox/anna//cat.png", None),
        ("inbox/anna/../boris/cat.png", None),
        ("originals/anna/01ARYZ", None),
        ("my/inbox/anna/cat.png", None),
        ("", None),
    ],
)
def test_an_inbox_belongs_to_an_owner(key: str, owner: str | None) -> None:
    """Any name that leads nowhere else will do."""
    assert parse_inbox_key(key) == owner
