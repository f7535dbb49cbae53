"""Parser of DynamoDB stream records. Pure.

Follows docs.aws.amazon.com: "Using Lambda with Amazon DynamoDB", "StreamRecord".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.domain.blob_event import BlobEvent, event_of
from core.domain.change import Change
from core.domain.errors import LabellingError
from core.repositories.serialization import blob_from_item

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.domain.blob import Blob


class InvalidRecord(LabellingError, ValueError):
    """A stream record is malformed, or its image is not a valid blob."""


def change_in(record: Mapping[str, Any]) -> Change | None:
    """Return the blob's change in a stream record, or None for another kind of item.

    Raises:
        InvalidRecord: the record is malformed; a retry would not help.

    """
    try:
        images = record["dynamodb"]
        if images["Keys"]["sk"] != {"S": "blob"}:
            return None
        return Change(_blob(images.get("OldImage")), _blob(images.get("NewImage")))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise InvalidRecord(f"Not a stream record of a blob: {exc!r}") from exc


def event_in(record: Mapping[str, Any]) -> BlobEvent | None:
    """Return the event of a stream record's change, if it is the change of a blob.

    Raises InvalidRecord as `change_in` does.
    """
    change = change_in(record)
    if change is None:
        return None
    try:
        at = datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as exc:
        raise InvalidRecord(f"The stream record has no time: {exc!r}") from exc
    return event_of(change, at)


def _blob(image: Mapping[str, Any] | None) -> Blob | None:
    return blob_from_item(image) if image else None
