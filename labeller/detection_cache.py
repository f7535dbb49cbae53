"""Reuse of an earlier detection for a picture with the same bytes. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.domain.blob import BlobStatus
from core.domain.label import Detection

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob
    from core.domain.label import Label


def reusable_detection(
    blob: Blob, other: Blob, detector: str, *, since: datetime | None = None
) -> Detection | None:
    """Return what `detector` would find in `blob`, from the labels of `other`; None if unknown.

    A version of a detector finds the same labels in the same bytes of the same owner. The two
    blobs may ask for different numbers of labels and confidences, as long as `other` has all
    labels that `blob` asks for. With `since`, `other` must have been labelled at that time
    or later.
    """
    same_picture = (
        other.id != blob.id
        and other.owner == blob.owner
        and other.digest is not None
        and other.digest == blob.digest
        and other.detector == detector
        and other.status is BlobStatus.LABELLED
    )
    found = other.detected  # without the corrections of its owner
    if not same_picture or found is None or other.width is None or other.height is None:
        return None
    if since is not None and (other.finished_at is None or other.finished_at < since):
        return None
    truncated = len(found) >= other.max_labels < blob.max_labels
    if truncated or other.min_confidence > blob.min_confidence:
        return None
    confident = [label for label in found if label.confidence >= blob.min_confidence]
    labels = tuple(
        _confident_instances(label, blob.min_confidence) for label in confident[: blob.max_labels]
    )
    return Detection(labels, other.width, other.height, detector, other.content_type)


def _confident_instances(label: Label, min_confidence: float) -> Label:
    kept = tuple(each for each in label.instances if each.confidence >= min_confidence)
    return label if len(kept) == len(label.instances) else replace(label, instances=kept)
