"""The event by which the notifier informs the API of changes that have subscribers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob_event import BlobEvent, BlobEventKind
from core.domain.clock import epoch_ms, from_epoch_ms
from core.domain.label import Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.domain.blob import Blob

_NAME: Final = "changed"
_WITH_LABELS: Final = frozenset({BlobEventKind.LABELLED, BlobEventKind.EDITED})


@dataclass(frozen=True, slots=True)
class Changed:
    """An event of a blob, and those of its topics that have subscribers.

    The blob itself is not sent: the receiver reads its current state, as it may have changed again.
    Of the labels only names and confidences are sent, and only those of a deleted blob.
    """

    event: BlobEvent
    topics: frozenset[str]

    def with_blob(self, blob: Blob | None) -> BlobEvent:
        """Return the event with the blob's current state; None: it was deleted."""
        labels = self.event.labels
        if self.event.kind in _WITH_LABELS:
            labels = blob.labels if blob else None
        return replace(self.event, blob=blob, labels=labels)


def subscription_event(changes: Iterable[Changed]) -> dict[str, Any]:
    """Return the event of some changes, for the API's function."""
    return {_NAME: [_to_json(each) for each in changes]}


def is_subscription_event(event: Mapping[str, Any]) -> bool:
    """Tell whether an event is one of these, rather than one of API Gateway."""
    return _NAME in event


def changes_in(event: Mapping[str, Any]) -> list[Changed]:
    """Return the changes in an event made by `subscription_event`.

    Those that the notifier of an early release sent, during an update of both functions, have no
    kind and are left out.
    """
    return [_from_json(each) for each in event[_NAME] if "kind" in each]


def _to_json(changed: Changed) -> dict[str, Any]:
    event = changed.event
    deleted = event.kind is BlobEventKind.DELETED
    labels = event.labels if deleted else None
    return {
        "owner": event.owner,
        "blob_id": event.blob_id,
        "kind": event.kind.value,
        "version": event.version,
        "at": epoch_ms(event.at),
        "topics": sorted(changed.topics),
        **({} if labels is None else {"labels": [[each.name, each.confidence] for each in labels]}),
    }


def _from_json(document: Mapping[str, Any]) -> Changed:
    labels = document.get("labels")
    event = BlobEvent(
        kind=BlobEventKind(document["kind"]),
        blob_id=document["blob_id"],
        owner=document["owner"],
        version=document["version"],
        at=from_epoch_ms(document["at"]),
        blob=None,
        labels=None if labels is None else tuple(Label(*each) for each in labels),
    )
    return Changed(event, frozenset(document["topics"]))
