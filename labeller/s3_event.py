"""Parser of S3 event notifications, bare or in SQS messages. Pure.

Follows docs.aws.amazon.com: "Event message structure" (S3) and "Using Lambda with Amazon SQS".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from core.domain.clock import from_text
from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob


class InvalidEvent(LabellingError, ValueError):
    """A message is not a valid S3 event notification."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that was created. `size` is in bytes.

    `version` differs for each upload to the key and is the same in repeated events of one upload.
    `version_id` is S3's, in a versioned bucket. `relabel_version` is set in events that ask for
    relabelling instead of reporting an upload: it is the version of the finished blob.
    """

    bucket: str
    key: str
    size: int | None = None
    event_time: datetime | None = None
    version: str = ""
    version_id: str | None = None
    relabel_version: int | None = None

    def requests(self, blob: Blob) -> bool:
        """Tell whether this event requests to label the blob's present outcome again."""
        return self.relabel_version is not None and self.relabel_version >= blob.outcome_version


def uploads_in(event: object) -> Iterator[Upload]:
    """Yield each created object of an S3 event. Other events yield none.

    Raises:
        InvalidEvent: the event does not have the documented form.

    """
    if not isinstance(event, Mapping):
        raise InvalidEvent(f"An S3 event must be an object, not {type(event).__name__}.")
    if event.get("Event") == "s3:TestEvent":  # sent once when a notification is set up
        return
    records = event.get("Records")
    if not isinstance(records, list):
        raise InvalidEvent("An S3 event must have a list of Records.")
    for record in records:
        try:
            if not record["eventName"].startswith("ObjectCreated:"):
                continue
            stored = record["s3"]
            yield Upload(
                bucket=stored["bucket"]["name"],
                # S3 percent-encodes keys in events, and writes + for a space.
                key=unquote_plus(stored["object"]["key"], errors="strict"),
                size=stored["object"].get("size"),
                event_time=from_text(record["eventTime"]) if "eventTime" in record else None,
                version=stored["object"].get("sequencer") or stored["object"].get("eTag", ""),
                version_id=stored["object"].get("versionId"),
                relabel_version=int(record["relabel"]["version"]) if "relabel" in record else None,
            )
        except (KeyError, TypeError, AttributeError, ValueError) as exc:
            raise InvalidEvent(f"Not a valid record of an S3 event: {exc!r}") from exc


def sqs_records(event: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the records of an SQS event, or None for another event."""
    records = event.get("Records")
    if not isinstance(records, list) or not records or not isinstance(records[0], Mapping):
        return None
    if records[0].get("eventSource") == "aws:sqs":
        return records
    return None


def uploads_in_message(body: str) -> Iterator[Upload]:
    """Yield each created object in an SQS message's body. Raises InvalidEvent."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise InvalidEvent("The message is not valid JSON.") from exc
    yield from uploads_in(event)
