"""What the notifier does about a change of a blob. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domain.blob import BlobStatus
from core.domain.change import Change, label_names
from core.domain.delivery import Delivery, delivery_id
from core.events.webhook_payload import blob_event, labels_changed_event
from core.repositories.ports.blobs import BlobLabels

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class CountLabels(BlobLabels):
    """Update the owner's label counts with the blob's label names."""


@dataclass(frozen=True, slots=True)
class AddDelivery:
    """Store the delivery and start its first attempt."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class RemoveBlob:
    """Remove a deleted blob from the label counts, and its deliveries."""

    owner: str
    blob_id: str


Action = CountLabels | AddDelivery | RemoveBlob


def actions_for(change: Change, now: datetime) -> list[Action]:
    """Return the actions for a change, webhooks first. Each action is idempotent."""
    blob = change.new
    if blob is None:
        return [RemoveBlob(change.old.owner, change.old.id)] if change.old else []
    actions: list[Action] = []
    if blob.callback_url and (body := _body_for(change)):
        actions.append(
            AddDelivery(
                Delivery(
                    id=delivery_id(blob.id, blob.version),
                    blob_id=blob.id,
                    owner=blob.owner,
                    url=blob.callback_url,
                    body=body,
                    created_at=now,
                    due_at=now,
                )
            )
        )
    if change.labels_changed:
        actions.append(CountLabels(blob.owner, blob.id, blob.version, label_names(blob)))
    return actions


def _body_for(change: Change) -> bytes | None:
    """Return the body of the webhook for a change; None: it has none."""
    if change.finished:
        return blob_event(change.finished)
    edited = change.edited
    if edited is None or edited.status is not BlobStatus.LABELLED or change.old is None:
        return None  # the labels of a blob that is labelled again follow
    asked = edited.callback_on_label_change and edited.labels != change.old.labels
    return labels_changed_event(edited) if asked else None
