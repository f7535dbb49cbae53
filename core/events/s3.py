"""S3 events of uploaded objects. Pure.

The shape is that of docs.aws.amazon.com, "Event message structure" (S3). A record may have one more
field, `relabel`: the version of a finished blob that is to be labelled again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

from core.domain.clock import epoch_ms, to_text

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob

LOCAL_REGION: Final = "local"
LOCAL_ACCOUNT: Final = "000000000000"


def object_created(
    key: str, *, bucket: str, principal: str, at: datetime, size: int | None, etag: str = ""
) -> dict[str, Any]:
    """Return the event of an upload, with a local region and account. `size` is in bytes."""
    return {
        "Records": [
            {
                "eventVersion": "2.2",
                "eventSource": "aws:s3",
                "awsRegion": LOCAL_REGION,
                "eventTime": to_text(at),
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": principal},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "uploads",
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": LOCAL_ACCOUNT},
                        "arn": f"arn:aws:s3:::{bucket}",
                    },
                    "object": {
                        "key": quote_plus(key, safe="/"),
                        "size": size,
                        "eTag": etag,
                        "sequencer": f"{epoch_ms(at):016X}",
                    },
                },
            }
        ]
    }


def relabel_event(blob: Blob, bucket: str, at: datetime) -> dict[str, Any]:
    """Return the event that makes the labeller label a finished blob again.

    The labeller compares the version, so the event may be sent before the blob's status changes,
    and more than once.
    """
    event = object_created(blob.key, bucket=bucket, principal="relabel", at=at, size=blob.size)
    event["Records"][0]["relabel"] = {"version": blob.version}
    return event
