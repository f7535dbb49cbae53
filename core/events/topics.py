"""The topics of changes, to which subscriptions listen. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.domain.change import Change


def blob_topic(blob_id: str) -> str:
    """Return the topic of all changes of a blob."""
    return f"blob#{blob_id}"


def labelled_topic(owner: str) -> str:
    """Return the topic of an owner's newly labelled blobs."""
    return f"labelled#{owner}"


def topics_of(change: Change) -> tuple[str, ...]:
    """Return the topics of a change."""
    blob = change.new or change.old
    if blob is None:
        return ()
    labelled = change.finished is not None and change.finished.labels is not None
    return (blob_topic(blob.id), *([labelled_topic(blob.owner)] if labelled else []))
