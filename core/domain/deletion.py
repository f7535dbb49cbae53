"""Blobs that wait to be deleted: until then their owner can restore them. Pure.

Meanwhile no list or search has such a blob and no count includes it, as if it were deleted. It is
read by its id, and what is done with it goes on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from core.domain.clock import later

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob
    from core.domain.facts import Facts
    from core.domain.label import Label

MAX_DELAY: Final = timedelta(days=1)


def set_deletion(blob: Blob, at: datetime, deletes_at: datetime | None) -> Blob:
    """Record when a blob in any state is to be deleted; None restores it.

    The same time changes nothing.
    """
    if deletes_at == blob.deletes_at:
        return blob
    return replace(
        blob,
        deletes_at=deletes_at,
        deletion_set_at=later(at, blob.deletion_set_at),
        edits=blob.edits + 1,
        version=blob.version + 1,
    )


def is_due(blob: Blob, now: datetime) -> bool:
    """Tell whether a blob is to be deleted by now."""
    return blob.deletes_at is not None and blob.deletes_at <= now


def listed_labels(blob: Blob) -> tuple[Label, ...]:
    """Return the labels by which lists find a blob, and which are counted."""
    return blob.labels or () if blob.listed else ()


def indexed_facts(blob: Blob) -> Facts:
    """Return the facts that are indexed. A blob that waits keeps its external id reserved."""
    if blob.listed or not blob.facts.metadata:
        return blob.facts
    return replace(blob.facts, metadata=())
