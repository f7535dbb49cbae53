"""Events of blobs: what a change was, and which events a subscription wants. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from core.domain.blob import BlobStatus
from core.domain.label_filter import NO_LABELS, LabelFilter

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob
    from core.domain.change import Change
    from core.domain.label import Label


class BlobEventKind(StrEnum):
    """What a change of a blob was."""

    CREATED = "CREATED"
    UPLOADED = "UPLOADED"
    LABELLED = "LABELLED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    EDITED = "EDITED"
    DELETED = "DELETED"


# After an event of the first kinds, those of the second can follow.
_FINAL: Final = frozenset({BlobEventKind.LABELLED, BlobEventKind.FAILED, BlobEventKind.EXPIRED})
_LATER: Final = frozenset({BlobEventKind.EDITED, BlobEventKind.DELETED})


@dataclass(frozen=True, slots=True)
class BlobEvent:
    """One change of a blob. `version` is that of the blob's record after the change.

    `blob` is its state then, or a later one; None once it is deleted. `labels` are those of `blob`,
    and after a deletion those that it had; None: it has not been labelled.
    """

    kind: BlobEventKind
    blob_id: str
    owner: str
    version: int
    at: datetime
    blob: Blob | None
    labels: tuple[Label, ...] | None

    @property
    def id(self) -> str:
        """The event's id: equal for the same change, and in order among those of one blob."""
        return f"event_{self.blob_id}_{self.version:010}"


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A filter of events: of one of `blob_ids` and of one of `kinds`, unless those are empty.

    The labels of the event must match too.
    """

    blob_ids: frozenset[str] = frozenset()
    kinds: frozenset[BlobEventKind] = frozenset()
    labels: LabelFilter = NO_LABELS

    def accepts(self, event: BlobEvent) -> bool:
        """Tell whether an event passes."""
        return (
            (not self.blob_ids or event.blob_id in self.blob_ids)
            and (not self.kinds or event.kind in self.kinds)
            and self.labels.accepts(event.labels)
        )

    def is_last(self, event: BlobEvent) -> bool:
        """Tell whether a subscription to the event's blob ends with it.

        It ends when the blob is LABELLED, FAILED or EXPIRED; with a kind that can follow that, only
        when the blob is deleted.
        """
        if event.kind is BlobEventKind.DELETED:
            return True
        return event.kind in _FINAL and not self.kinds & _LATER


def event_of(change: Change, at: datetime) -> BlobEvent | None:
    """Return the event of a change that was stored at a time; None if it changed nothing."""
    if change.new is not None:
        if change.old is not None and change.old.version == change.new.version:
            return None
        if edited := change.edited:
            kind, at = BlobEventKind.EDITED, change.edit_time or at
            return BlobEvent(
                kind, edited.id, edited.owner, edited.version, at, edited, edited.labels
            )
        return state_event(change.new)
    return deletion_of(change.old, at) if change.old else None


def deletion_of(blob: Blob, at: datetime) -> BlobEvent:
    """Return the event of a blob's deletion at a time, from its last state."""
    at = max(
        at,
        blob.edited_at or at,
        blob.facts_set_at or at,
        blob.deletion_set_at or at,
        _kind_and_time(blob)[1],
    )  # DynamoDB streams give whole seconds
    kind = BlobEventKind.DELETED
    return BlobEvent(kind, blob.id, blob.owner, blob.version + 1, at, None, blob.labels)


def state_event(blob: Blob) -> BlobEvent:
    """Return the event of the change that led to a blob's state, whatever was corrected since."""
    kind, at = _kind_and_time(blob)
    return BlobEvent(kind, blob.id, blob.owner, blob.version, at, blob, blob.labels)


def _kind_and_time(blob: Blob) -> tuple[BlobEventKind, datetime]:
    done, came = blob.finished_at or blob.created_at, blob.uploaded_at or blob.created_at
    match blob.status:
        case BlobStatus.AWAITING_UPLOAD:
            return BlobEventKind.CREATED, blob.created_at
        case BlobStatus.LABELLING if blob.finished_at is None:
            return BlobEventKind.UPLOADED, came
        case BlobStatus.LABELLING:  # records of early releases have no `changed_at`
            return BlobEventKind.EDITED, blob.changed_at or done
        case BlobStatus.EXPIRED:
            return BlobEventKind.EXPIRED, blob.changed_at or blob.created_at
        case BlobStatus.FAILED:
            return BlobEventKind.FAILED, done
    return BlobEventKind.LABELLED, done
