"""What a change of a blob asks to be done. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domain.change import Change, label_names
from core.domain.delivery import Delivery, delivery_id
from core.events.webhook_payload import blob_event

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class CountLabels:
    """Have the summaries of labels in use count these names for the blob."""

    owner: str
    blob_id: str
    version: int
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Deliver:
    """Keep this delivery and see to its first attempt."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Forget:
    """Have nothing left of a deleted blob: neither counts nor deliveries."""

    owner: str
    blob_id: str


Action = CountLabels | Deliver | Forget


def plan(change: Change, now: datetime) -> list[Action]:
    """List what to do about a change, webhooks first; doing it twice is the same as once."""
    blob = change.new
    if blob is None:
        return [Forget(change.old.owner, change.old.id)] if change.old else []
    steps: list[Action] = []
    if change.finished and blob.callback_url:
        steps.append(
            Deliver(
                Delivery(
                    id=delivery_id(blob.id, blob.version),
                    blob_id=blob.id,
                    owner=blob.owner,
                    url=blob.callback_url,
                    body=blob_event(blob),
                    created_at=now,
                    due_at=now,
                )
            )
        )
    if change.labels_changed:
        steps.append(CountLabels(blob.owner, blob.id, blob.version, label_names(blob)))
    return steps
