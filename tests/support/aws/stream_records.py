"""Stream records as DynamoDB sends them (NEW_AND_OLD_IMAGES)."""

from __future__ import annotations

import base64
from itertools import count
from typing import Any

from core.domain.blob import Blob
from core.repositories.serialization import blob_keys, blob_to_item

numbers = count(100)


def as_json(item: dict[str, Any]) -> dict[str, Any]:
    """An item as Lambda's events contain it, with its bytes in base64."""
    return {
        name: {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value
        for name, value in item.items()
    }


def stream_record(old: Blob | None, new: Blob | None) -> dict[str, Any]:
    """The record of one write of a blob."""
    sequence = next(numbers)
    blob = new or old
    images = {
        name: as_json(blob_to_item(image))
        for name, image in (("OldImage", old), ("NewImage", new))
        if image is not None
    }
    return {
        "eventID": f"event-{sequence}",
        "eventName": "REMOVE" if new is None else "MODIFY" if old else "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1769860800.0,
            "Keys": blob_keys(blob.id if blob else "01ARYZ"),
            **images,
            "SequenceNumber": str(sequence),
            "SizeBytes": 512,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:123456789012:table/blobs/stream/x",
    }
