"""Every failure that the service can name.

    LabellingError
    ├── InvalidValue            a value given by a caller is out of its range
    │   └── InvalidCursor       a paging cursor is not one of ours, or of another query
    ├── CallbackUrlRefused      no webhook can be sent to that URL
    ├── NotFound
    │   ├── BlobNotFound
    │   └── ObjectNotFound    the object store holds no bytes under that key
    ├── AlreadyExists           a record with that id is there
    ├── VersionConflict         the record changed since it was read
    ├── WrongState              the blob's status does not allow that step
    ├── IdempotencyKeyReused    something else was asked for under that key
    ├── QuotaExceeded           the owner has had as much as there is for now
    ├── PictureRefused          the picture itself cannot be labelled: never retried
    └── Unavailable             a store or detector cannot answer now: retried

Adapters translate their client's errors into these and chain the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class LabellingError(Exception):
    """The root of the tree."""


class InvalidValue(LabellingError, ValueError):
    """A value is out of its range: `field` names it, the message says what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class InvalidCursor(InvalidValue):
    """A paging cursor does not belong to this query."""

    def __init__(self) -> None:
        super().__init__(
            "after",
            "not a cursor of this query; pass an endCursor of the same query and arguments",
        )


class CallbackUrlRefused(LabellingError):
    """No webhook can be sent to that URL; `reason` says why, and what would do."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"No webhook can be sent to this callbackUrl: {reason}.")
        self.url = url
        self.reason = reason


class NotFound(LabellingError, LookupError):
    """There is no such thing, or it is another owner's."""


class BlobNotFound(NotFound):
    """No blob has that id, or it is another owner's."""

    def __init__(self, blob_id: str) -> None:
        super().__init__(f"No blob {blob_id}.")
        self.blob_id = blob_id


class ObjectNotFound(NotFound):
    """The object store holds no bytes under that key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"No object {key}.")
        self.key = key


class AlreadyExists(LabellingError):
    """A record with that id is there already."""


class VersionConflict(LabellingError):
    """The record changed since it was read; read it again."""

    def __init__(self, blob_id: str, expected: int) -> None:
        super().__init__(f"Blob {blob_id} is no longer at version {expected}; read it again.")
        self.blob_id = blob_id
        self.expected = expected


class WrongState(LabellingError):
    """The blob's status does not allow that step."""

    def __init__(self, blob_id: str, status: str, step: str, remedy: str = "") -> None:
        said = f": {remedy}" if remedy else ""
        super().__init__(f"Blob {blob_id} is {status}, so it can't be {step}{said}.")
        self.blob_id = blob_id
        self.status = status


class IdempotencyKeyReused(LabellingError):
    """Something else was asked for under that idempotency key; `blob_id` came of it."""

    def __init__(self, blob_id: str) -> None:
        super().__init__(
            f"This idempotencyKey was used for another input, which made blob {blob_id}: repeat "
            "that input, or take another key."
        )
        self.blob_id = blob_id


class QuotaExceeded(LabellingError):
    """An owner has had as much as there is; asking again may help from `retry_at` on."""

    def __init__(self, message: str, retry_at: datetime) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class PictureRefused(LabellingError):
    """The picture itself cannot be labelled, however often it is tried.

    `code` is a `FailureCode` value; the message is for the person who uploaded it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Unavailable(LabellingError):
    """A store, queue or detector cannot answer now; the same call may succeed later."""
