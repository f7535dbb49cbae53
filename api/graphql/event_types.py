"""The GraphQL types of events. Their descriptions are the API's documentation."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from datetime import datetime
from typing import Final

import strawberry
from strawberry import UNSET

from api.graphql.blob_lists import LabelFilter
from api.graphql.types import Blob
from core.domain import blob_event as domain
from core.domain.blob_event import BlobEventKind
from core.domain.errors import InvalidValue
from core.domain.label_filter import NO_LABELS, check_label_filter

MAX_BLOB_IDS: Final = 50  # in one subscription

strawberry.enum(
    BlobEventKind,
    description="What happened to a blob. CREATED: its upload was requested. UPLOADED: its bytes "
    "have arrived, and it is being labelled; on AWS the service learns that only with the labels, "
    "so this event is missing there. LABELLED: it has labels, or has new ones. FAILED: it could "
    "not be labelled. EXPIRED: its bytes never arrived. EDITED: its owner changed it; relabelBlob "
    "does so, and new labels follow, and so do addLabels, removeLabels, confirmLabels, "
    "resetLabels and updateBlob. DELETED: it was deleted.",
)


@strawberry.type(description="One change of a blob.")
class BlobEvent:
    id: strawberry.ID = strawberry.field(
        description="The same for the same change, each time that it is sent: use it to skip "
        "repeats. The ids of one blob's events, compared as text, are in the order of its changes. "
        "It is not the id of a node."
    )
    at: datetime = strawberry.field(description="When it happened.")
    kind: BlobEventKind = strawberry.field(description="What happened.")
    blob_id: strawberry.ID = strawberry.field(description="Id of the blob.")
    blob: Blob | None = strawberry.field(
        description="The blob, at least as new as the event. Null once it is deleted."
    )

    @staticmethod
    def of(event: domain.BlobEvent) -> "BlobEvent":
        """Return an event as GraphQL shows it."""
        return BlobEvent(
            id=strawberry.ID(event.id),
            at=event.at,
            kind=event.kind,
            blob_id=strawberry.ID(event.blob_id),
            blob=Blob.of(event.blob) if event.blob else None,
        )


@strawberry.input(
    description="Which events to send; an event must meet every condition. Example: "
    '`{kinds: [LABELLED], labels: {all: ["cat"], minConfidence: 60}}`.'
)
class EventFilter:
    blob_ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET,
        description=f"Events of these blobs, at most {MAX_BLOB_IDS}. Their states are sent at "
        "once, and the subscription completes when all of them have ended.",
    )
    kinds: list[BlobEventKind] | None = strawberry.field(
        default=UNSET, description="Events of these kinds."
    )
    labels: LabelFilter | None = strawberry.field(
        default=UNSET,
        description="Events of blobs whose labels meet this, compared by their own names alone; "
        "after a deletion, those that the blob had.",
    )


def read_event_filter(given: EventFilter | None) -> domain.EventFilter:
    """Return the filter that a client wrote. Raises InvalidValue."""
    if not given:
        return domain.EventFilter()
    ids = frozenset(given.blob_ids or ())
    if given.blob_ids is not None and given.blob_ids is not UNSET and not ids:
        raise _refused("blobIds", "name a blob, or omit it to follow all your blobs")
    if len(ids) > MAX_BLOB_IDS:
        raise _refused(
            "blobIds",
            f"at most {MAX_BLOB_IDS}, not {len(ids)}: open a subscription for each {MAX_BLOB_IDS}, "
            "or omit it to follow all your blobs",
        )
    kinds = frozenset(given.kinds or ())
    if given.kinds is not None and given.kinds is not UNSET and not kinds:
        raise _refused("kinds", "name a kind, or omit it for events of all kinds")
    labels = given.labels.to_domain() if given.labels else NO_LABELS
    check_label_filter(labels)
    return domain.EventFilter(ids, kinds, labels)


def _refused(field: str, message: str) -> InvalidValue:
    return InvalidValue(field, message, ("filter", field))
