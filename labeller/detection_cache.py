"""Whether what was seen in a picture answers for another of the same bytes. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.domain.blob import BlobStatus, Detection

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob, Label


def seen_before(
    blob: Blob, like: Blob, detector: str, *, since: datetime | None = None
) -> Detection | None:
    """Return what `detector` would see in `blob`, by what it saw in one `like` it; None: unknown.

    The same bytes of the same owner look the same to the same version of a detector. How many
    labels and how sure they were to be may differ, as long as all that are wished for are among
    those kept. `since`: it must have looked at or after then.
    """
    alike = (
        like.id != blob.id
        and like.owner == blob.owner
        and like.digest is not None
        and like.digest == blob.digest
        and like.detector == detector
        and like.status is BlobStatus.LABELLED
    )
    if not alike or like.labels is None or like.width is None or like.height is None:
        return None
    if since is not None and (like.finished_at is None or like.finished_at < since):
        return None
    cut_short = len(like.labels) >= like.max_labels < blob.max_labels
    if cut_short or like.min_confidence > blob.min_confidence:
        return None
    sure = [label for label in like.labels if label.confidence >= blob.min_confidence]
    labels = tuple(_sure(label, blob.min_confidence) for label in sure[: blob.max_labels])
    return Detection(labels, like.width, like.height, detector, like.content_type)


def _sure(label: Label, min_confidence: float) -> Label:
    found = tuple(each for each in label.instances if each.confidence >= min_confidence)
    return label if len(found) == len(label.instances) else replace(label, instances=found)
