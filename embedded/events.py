"""Rows of our tables as the event JSON that AWS would send. Pure.

Shapes: docs.aws.amazon.com, "Event message structure" (S3), "Using Lambda with Amazon SQS",
"Using Lambda with Amazon DynamoDB", "Scheduled events" (EventBridge).
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

from catalogue.clock import epoch_ms, to_text
from catalogue.records.items import blob_keys, document_to_item

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from catalogue.queues.base import Message
    from catalogue.records.sqlite_blobs import StoredChange

REGION: Final = "local"
ACCOUNT: Final = "000000000000"
BUCKET: Final = "originals"


def object_created(key: str, *, size: int, sha256: str, at: datetime) -> dict[str, Any]:
    """Tell that an object was put, as S3 does. `sha256` is in base64, size in bytes."""
    return {
        "Records": [
            {
                "eventVersion": "2.2",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": to_text(at),
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "upload-door"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "uploads",
                    "bucket": {
                        "name": BUCKET,
                        "ownerIdentity": {"principalId": ACCOUNT},
                        "arn": f"arn:aws:s3:::{BUCKET}",
                    },
                    "object": {
                        "key": quote_plus(key, safe="/"),
                        "size": size,
                        "eTag": base64.b64decode(sha256)[:16].hex(),
                        "sequencer": f"{epoch_ms(at):016X}",
                    },
                },
            }
        ]
    }


def sqs_event(queue: str, messages: Iterable[Message]) -> dict[str, Any]:
    """Wrap received messages as Lambda's poller does."""
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
    """Tell of writes in order, as a DynamoDB stream with new and old images does."""
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
    """Tell that the minute has passed, as EventBridge does."""
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
