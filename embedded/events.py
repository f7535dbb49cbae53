"""Write rows of our tables as the event JSON that AWS sends. Pure.

Shapes: docs.aws.amazon.com, "Event message structure" (S3), "Using Lambda with Amazon SQS",
"Using Lambda with Amazon DynamoDB", "Scheduled events" (EventBridge).
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import epoch_ms, to_text
from core.events import s3
from core.repositories.serialization import blob_keys, document_to_item

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from core.queues.base import Message
    from core.repositories.sqlite.change_log import StoredChange

REGION: Final = s3.LOCAL_REGION
ACCOUNT: Final = s3.LOCAL_ACCOUNT
BUCKET: Final = "originals"


def object_created(key: str, *, size: int, sha256: str, at: datetime) -> dict[str, Any]:
    """Return the event that S3 sends for a new object. `sha256` is in base64, `size` in bytes."""
    etag = base64.b64decode(sha256)[:16].hex()
    return s3.object_created(
        key, bucket=BUCKET, principal="upload-door", at=at, size=size, etag=etag
    )


def sqs_event(queue: str, messages: Iterable[Message]) -> dict[str, Any]:
    """Return received messages as the event of Lambda's SQS poller."""
    return {
        "Records": [
            {
                "messageId": message.id,
                "receiptHandle": message.receipt,
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": str(message.receive_count),
                    "SentTimestamp": str(epoch_ms(message.sent_at)),
                    "SenderId": ACCOUNT,
                    "ApproximateFirstReceiveTimestamp": str(epoch_ms(message.sent_at)),
                },
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }


def stream_event(changes: Iterable[StoredChange]) -> dict[str, Any]:
    """Return changes in order as the event of a DynamoDB stream with new and old images."""
    return {"Records": [_stream_record(change) for change in changes]}


def _stream_record(change: StoredChange) -> dict[str, Any]:
    image: dict[str, Any] = {
        "ApproximateCreationDateTime": change.at / 1000,
        "Keys": blob_keys(change.blob_id),
        "SequenceNumber": str(change.sequence),
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if change.old is not None:
        image["OldImage"] = document_to_item(change.old, change.blob_id)
    if change.new is not None:
        image["NewImage"] = document_to_item(change.new, change.blob_id)
    name = "REMOVE" if change.new is None else "MODIFY" if change.old is not None else "INSERT"
    return {
        "eventID": f"change-{change.sequence}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": image,
        "eventSourceARN": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/blobs/stream/changes",
    }


def scheduled_event(at: datetime) -> dict[str, Any]:
    """Return the event that EventBridge sends each minute."""
    return {
        "version": "0",
        "id": f"sweep-{epoch_ms(at)}",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": to_text(at),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/sweep"],
        "detail": {},
    }
