"""Blobs made in a few words, without any store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from core.domain.blob import (
    Blob,
    BlobStatus,
    Failure,
    FailureCode,
    ImageType,
    expire,
    label_again,
    receive_upload,
    record_failure,
    record_labels,
)
from core.domain.clock import new_id
from core.domain.corrections import Correction, Decision, DecisionKind, decide
from core.domain.edits import set_decisions
from core.domain.facts import Facts, metadata_of
from core.domain.label import BoundingBox, Detection, Instance, Label, LabelSource

NOON = datetime(2026, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)
CORRUPT = Failure(FailureCode.CORRUPT_IMAGE, "The picture breaks off.")


def moments(start: datetime = NOON) -> Iterator[datetime]:
    """Milliseconds, one after the other."""
    return (start + timedelta(milliseconds=n) for n in count())


def a_blob(at: datetime = NOON, owner: str = "anna", **values: Any) -> Blob:
    """A blob that awaits its bytes."""
    return Blob(
        **{
            "id": new_id(at),
            "owner": owner,
            "status": BlobStatus.AWAITING_UPLOAD,
            "content_type": ImageType.JPEG,
            "created_at": at,
            "max_labels": 10,
            "min_confidence": 55.0,
            **values,
        }
    )


def uploaded(blob: Blob, at: datetime = NOON) -> Blob:
    """The same blob with its bytes there."""
    return receive_upload(blob, at, size=5, sha256="c2hh")


def detection(*labels: tuple[str, float]) -> Detection:
    """What a detector would have seen."""
    return Detection(tuple(Label(*each) for each in labels), 640, 480, "eye 1")


def labelled(blob: Blob, *labels: tuple[str, float], at: datetime = NOON) -> Blob:
    """The next version of the blob, with these labels."""
    return record_labels(blob, at, detection(*labels))


def failed(blob: Blob, at: datetime = NOON) -> Blob:
    """The next version of the blob, which could not be labelled."""
    return record_failure(blob, at, CORRUPT)


def again(blob: Blob, at: datetime = NOON) -> Blob:
    """The next version of the blob, to be labelled again."""
    return label_again(blob, at)


def corrected(
    blob: Blob,
    kind: DecisionKind | None,
    *names: str,
    at: datetime = NOON,
    known: Mapping[str, Label] | None = None,
) -> Blob:
    """The blob after its owner's decision about some labels; None withdraws one."""
    wanted = [Correction(kind, name) for name in names]
    known = {**(known or {}), **{each.name.casefold(): each for each in blob.labels or ()}}
    decisions = decide(blob.id, blob.decisions, wanted, known, at, "token")
    return set_decisions(blob, at, decisions)


def expired(blob: Blob, at: datetime = NOON) -> Blob:
    """The next version of the blob, whose bytes did not come."""
    return expire(blob, at)


def full_blob(at: datetime = NOON) -> Blob:
    """A blob with a value in every field."""
    box = BoundingBox(0.25, 0.5, 0.125, 1.0)
    return a_blob(
        at,
        status=BlobStatus.LABELLED,
        callback_url="https://example.test/hook?a=b",
        declared_size=5,
        declared_sha256="c2hh",
        size=5,
        sha256="c2hh",
        width=640,
        height=480,
        uploaded_at=at + timedelta(seconds=1),
        finished_at=at + timedelta(seconds=2),
        changed_at=at + timedelta(seconds=3),
        labels=(
            Label(
                "Tabby Cat",
                99.5,
                ("Cat", "Animal"),
                (Instance(box, 88.25),),
                aliases=("Tabby",),
                categories=("Animals and Pets",),
                source=LabelSource.OWNER,
                confirmed_at=at + timedelta(seconds=4),
            ),
            Label("Ünïcode ☃", 55.0),
        ),
        failure=CORRUPT,
        detector="eye 1",
        detected_labels=(Label("Tabby Cat", 61.5), Label("Dog", 60.0)),
        decisions=(
            Decision(DecisionKind.REMOVED, Label("Dog", 0), at + timedelta(seconds=3), "token"),
        ),
        edits=1,
        edited_at=at + timedelta(seconds=4),
        facts=Facts("Straße.jpg", "order-17", metadata_of([("album", "Élan"), ("year", "2026")])),
        facts_set_at=at + timedelta(seconds=5),
        callback_on_label_change=True,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        version=7,
    )
