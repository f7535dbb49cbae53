"""The topics of events, to which subscriptions listen. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.blob_event import BlobEventKind

if TYPE_CHECKING:
    from core.domain.blob_event import BlobEvent, EventFilter


def blob_topic(blob_id: str) -> str:
    """Return the topic of all events of a blob."""
    return f"blob#{blob_id}"


def owner_topic(owner: str, kind: BlobEventKind | None = None) -> str:
    """Return the topic of an owner's events, or of those of one kind."""
    return f"events#{owner}" if kind is None else f"{kind}#{owner}"


def topics_of(event: BlobEvent) -> tuple[str, ...]:
    """Return the topics of an event.

    A creation is not of its blob's topic: a client with the id reads a state that includes it.
    """
    of_owner = (owner_topic(event.owner), owner_topic(event.owner, event.kind))
    if event.kind is BlobEventKind.CREATED:
        return of_owner
    return (blob_topic(event.blob_id), *of_owner)


def topics_for(owner: str, wanted: EventFilter) -> tuple[str, ...]:
    """Return the topics of a subscription. An event that passes its filter has at most one."""
    if wanted.blob_ids:
        return tuple(blob_topic(blob_id) for blob_id in sorted(wanted.blob_ids))
    if wanted.kinds:
        return tuple(owner_topic(owner, kind) for kind in sorted(wanted.kinds))
    return (owner_topic(owner),)
