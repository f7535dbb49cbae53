"""What a webhook says. Pure."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from catalogue.blob import Blob, BlobStatus
from catalogue.clock import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class EventType(StrEnum):
    """The kinds of webhook."""

    BLOB_LABELLED = "blob.labelled"
    BLOB_FAILED = "blob.failed"


EVENT_OF_STATUS: Final[Mapping[BlobStatus, EventType]] = {
    BlobStatus.LABELLED: EventType.BLOB_LABELLED,
    BlobStatus.FAILED: EventType.BLOB_FAILED,
}


def blob_event(event_type: EventType, blob: Blob) -> bytes:
    """Write the body of a webhook about a blob: names and values as in the GraphQL type Blob."""
    body = {
        "type": event_type.value,
        "timestamp": _text(blob.finished_at),
        "data": {"blob": _blob(blob)},
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _blob(blob: Blob) -> dict[str, Any]:
    return {
        "id": blob.id,
        "status": blob.status.value,
        "contentType": blob.content_type.name,
        "sizeBytes": blob.size,
        "width": blob.width,
        "height": blob.height,
        "createdAt": to_text(blob.created_at),
        "labelledAt": _text(blob.finished_at) if blob.status is BlobStatus.LABELLED else None,
        "labels": None
        if blob.labels is None
        else [
            {
                "name": label.name,
                "confidence": label.confidence,
                "parents": list(label.parents),
            }
            for label in blob.labels
        ],
        "failure": None
        if blob.failure is None
        else {"code": blob.failure.code.value, "message": blob.failure.message},
    }


def _text(moment: datetime | None) -> str | None:
    return to_text(moment) if moment else None
