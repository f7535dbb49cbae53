"""The bodies of webhooks: a blob's event in at most 20 kB, and test events. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from core.domain.blob import BlobStatus
from core.domain.clock import to_text
from core.domain.errors import WrongState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from core.domain.blob import Blob, Failure
    from core.domain.label import Label
    from core.events.webhook_types import (
        BlobBody,
        BlobFailed,
        Event,
        FailedBlob,
        LabelBody,
        LabelledBlob,
        LabelledData,
    )

MAX_BODY: Final = 19_999  # bytes: Standard Webhooks 1.0.0 asks for less than 20 kB
CUT_TEXT: Final = 500  # characters left of a text, in a body that would otherwise be too long


def blob_event(blob: Blob) -> bytes:
    """Return the body of the webhook for a labelled or failed blob: at most `MAX_BODY` bytes.

    If the body would be longer, long texts are cut; then instances are left out, those of the least
    confident label first; then parents, in the same order; then labels, the least confident first.
    The client's facts are always included in full: their limits leave room for the rest.
    Raises WrongState if the blob is neither LABELLED nor FAILED.
    """
    at, failure = blob.finished_at, blob.failure
    if blob.status is BlobStatus.LABELLED and at and blob.labels is not None:
        labels = blob.labels
        bodies = (
            _json({"type": "blob.labelled", "timestamp": at, "data": _labelled(blob, at, kept)})
            for kept in _reduced(labels)
        )
    elif blob.status is BlobStatus.FAILED and at and failure:
        bodies = (_json(_failed(blob, at, each)) for each in (failure, _short(failure)))
    else:
        raise WrongState(blob.id, blob.status, "reported by a webhook")
    return next(body for body in bodies if len(body) <= MAX_BODY)


def labels_changed_event(blob: Blob) -> bytes:
    """Return the body of the webhook for a labelled blob whose owner corrected its labels.

    It is cut as that of `blob_event`. Raises WrongState if the blob is not LABELLED or not edited.
    """
    at, changed_at = blob.finished_at, blob.edited_at
    if blob.status is not BlobStatus.LABELLED or blob.labels is None or not at or not changed_at:
        raise WrongState(blob.id, blob.status, "reported by a webhook")
    bodies = (
        _json(
            {
                "type": "blob.labels_changed",
                "timestamp": changed_at,
                "data": _labelled(blob, at, kept),
            }
        )
        for kept in _reduced(blob.labels)
    )
    return next(body for body in bodies if len(body) <= MAX_BODY)


def test_event(now: datetime) -> bytes:
    """Return the body of a test webhook."""
    message = "This is a test. Nothing has happened."
    return _json({"type": "webhook.test", "timestamp": now, "data": {"message": message}})


def _labelled(blob: Blob, at: datetime, kept: tuple[Label, ...]) -> LabelledData:
    labels = blob.labels or ()
    body: LabelledBlob = {
        **_blob(blob),
        "status": "LABELLED",
        "labelledAt": at,
        "labels": [_label(label) for label in kept],
        "labelsOmitted": len(labels) - len(kept),
        "parentsOmitted": _parents(labels[: len(kept)]) - _parents(kept),
        "instancesOmitted": _instances(labels[: len(kept)]) - _instances(kept),
        "failure": None,
    }
    return {"blob": body}


def _label(label: Label) -> LabelBody:
    return {
        "name": label.name,
        "confidence": label.confidence,
        "parents": label.parents,
        "instances": [
            {
                "boundingBox": {
                    "left": found.bounding_box.left,
                    "top": found.bounding_box.top,
                    "width": found.bounding_box.width,
                    "height": found.bounding_box.height,
                },
                "confidence": found.confidence,
            }
            for found in label.instances
        ],
        "source": label.source.value,
    }


def _failed(blob: Blob, at: datetime, failure: Failure) -> BlobFailed:
    body: FailedBlob = {
        **_blob(blob),
        "status": "FAILED",
        "labelledAt": None,
        "labels": None,
        "failure": {"code": failure.code.value, "message": failure.message},
    }
    return {"type": "blob.failed", "timestamp": at, "data": {"blob": body}}


def _blob(blob: Blob) -> BlobBody:
    return {
        "id": blob.id,
        "contentType": blob.content_type.name,
        "sizeBytes": blob.size,
        "width": blob.width,
        "height": blob.height,
        "createdAt": blob.created_at,
        "fileName": blob.facts.file_name,
        "externalId": blob.facts.external_id,
        "metadata": dict(blob.facts.metadata),
        "labelsOmitted": 0,
        "parentsOmitted": 0,
        "instancesOmitted": 0,
    }


def _reduced(labels: tuple[Label, ...]) -> Iterator[tuple[Label, ...]]:
    """Yield the labels, then less and less of them, down to none."""
    yield labels
    cut = tuple(
        replace(label, name=_cut(label.name), parents=tuple(map(_cut, label.parents)))
        for label in labels
    )
    yield cut
    placeless = tuple(replace(label, instances=()) for label in cut)
    for placed in range(len(cut) - 1, -1, -1):
        if cut[placed].instances:
            yield cut[:placed] + placeless[placed:]
    bare = tuple(replace(label, parents=()) for label in placeless)
    for full in range(len(bare) - 1, -1, -1):
        yield placeless[:full] + bare[full:]
    for kept in range(len(bare) - 1, -1, -1):
        yield bare[:kept]


def _short(failure: Failure) -> Failure:
    return replace(failure, message=_cut(failure.message))


def _cut(text: str) -> str:
    return text if len(text) <= CUT_TEXT else text[: CUT_TEXT - 1] + "…"


def _parents(labels: tuple[Label, ...]) -> int:
    return sum(len(label.parents) for label in labels)


def _instances(labels: tuple[Label, ...]) -> int:
    return sum(len(label.instances) for label in labels)


def _json(event: Event) -> bytes:
    text = json.dumps(event, default=to_text, ensure_ascii=False, separators=(",", ":"))
    return text.encode()
