"""Delete an owner's pictures for the operator: they are marked, and the service deletes them.

The service treats them as it treats those of `deleteBlobs`: it removes their webhooks, tells
subscriptions, and finishes an interrupted deletion.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from core.domain.deletion import is_due, set_deletion
from core.domain.errors import Unavailable, VersionConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from core.domain.blob import Blob, BlobStatus
    from core.repositories.ports.blobs import BlobRepository

PAGE: Final = 100
_MAX_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True)
class Selection:
    """An owner's blobs that were created before a time. Empty `statuses` mean all."""

    owner: str
    before: datetime
    statuses: tuple[BlobStatus, ...] = ()

    def has(self, blob: Blob) -> bool:
        """Tell whether a blob belongs to it."""
        return (
            blob.owner == self.owner
            and blob.created_at < self.before
            and (not self.statuses or blob.status in self.statuses)
        )


def find_selected(
    blobs: BlobRepository, selection: Selection, now: datetime
) -> Iterator[Sequence[Blob]]:
    """Yield the selected blobs that are not due to be deleted already, some at a time."""
    after = None
    while True:
        found, after = blobs.scan(selection.owner, PAGE, after)
        yield [each for each in found if selection.has(each) and not is_due(each, now)]
        if after is None:
            return


def mark_selected(
    blobs: BlobRepository,
    selection: Selection,
    now: datetime,
    record: Callable[[Blob], None],
    grouped: Callable[[], AbstractContextManager[object]],
) -> Iterator[Sequence[Blob]]:
    """Make the selected blobs due to be deleted, and yield them, some at a time.

    Each is recorded. Each group is written within a context of `grouped`. Raises Unavailable.
    """
    for page in find_selected(blobs, selection, now):
        if not page:
            continue
        with grouped():
            marked = [each for each in page if _mark(blobs, each, selection, now)]
            for each in marked:
                record(each)
        yield marked


def _mark(blobs: BlobRepository, blob: Blob, selection: Selection, now: datetime) -> bool:
    """Make a blob due to be deleted; return False if it is not selected any more."""
    for _ in range(_MAX_ATTEMPTS):
        with suppress(VersionConflict):  # the service changed it in between
            blobs.save(set_deletion(blob, now, now), blob)
            return True
        newer = blobs.get(blob.id)
        if newer is None or not selection.has(newer) or is_due(newer, now):
            return False
        blob = newer
    raise Unavailable(f"Blob {blob.id} is being changed by too many requests at once.")
