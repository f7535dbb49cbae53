"""The errors of the service.

    LabellingError
    ├── InvalidValue            a value of the caller's is out of range
    │   └── InvalidCursor       a paging cursor is invalid or belongs to another query
    ├── CallbackUrlRefused      webhooks cannot be sent to a URL
    ├── NotFound
    │   ├── BlobNotFound
    │   └── ObjectNotFound      the object store has no bytes under a key
    ├── AlreadyExists           a record with the same id exists
    ├── ExternalIdTaken         another blob of the owner has the same external id
    ├── VersionConflict         the record changed since it was read
    ├── PolicyConflict          the policy about labels changed since it was read
    ├── VocabularyConflict      the own vocabulary changed since it was read
    ├── WrongState              the blob's status does not allow a transition
    ├── TooManyCorrections      a blob would have too many decisions about its labels
    ├── IdempotencyKeyReused    an idempotency key was used for another request
    ├── QuotaExceeded           the owner has reached a limit
    ├── PictureRefused          the picture cannot be labelled: not retried
    └── Unavailable             a store or detector does not answer: retried
        └── StorageFull         no space is left for what is to be stored

Adapters translate the errors of their clients into these and chain the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class LabellingError(Exception):
    """The root of the error tree."""


class InvalidValue(LabellingError, ValueError):
    """A value is out of range: `field` is its name, the message states what is allowed.

    `path` leads to a nested value: names, and positions in lists. Without it the value is not
    nested.
    """

    def __init__(self, field: str, message: str, path: tuple[str, ...] | None = None) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.path = path or (field,)


class InvalidCursor(InvalidValue):
    """A paging cursor is invalid or belongs to another query."""

    def __init__(self) -> None:
        super().__init__(
            "after",
            "not a cursor of this query; pass an endCursor of the same query and arguments",
        )


class CallbackUrlRefused(LabellingError):
    """Webhooks cannot be sent to a URL; `reason` states why and what to do."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"No webhook can be sent to this callbackUrl: {reason}.")
        self.url = url
        self.reason = reason


class NotFound(LabellingError, LookupError):
    """Something does not exist, or belongs to another owner."""


class BlobNotFound(NotFound):
    """No blob has this id, or the blob belongs to another owner."""

    def __init__(self, blob_id: str) -> None:
        super().__init__(f"No blob {blob_id}.")
        self.blob_id = blob_id


class ObjectNotFound(NotFound):
    """The object store has no bytes under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"No object {key}.")
        self.key = key


class AlreadyExists(LabellingError):
    """A record with the same id exists."""


class ExternalIdTaken(LabellingError):
    """Another blob of the owner, `blob_id`, has the same external id."""

    def __init__(self, blob_id: str) -> None:
        super().__init__(
            f"Your blob {blob_id} has this externalId: use that blob, change its externalId with "
            "updateBlob, or delete it."
        )
        self.blob_id = blob_id


class VersionConflict(LabellingError):
    """The record changed since the caller read it; the caller reads it again."""

    def __init__(self, blob_id: str, expected: int) -> None:
        super().__init__(f"Blob {blob_id} is no longer at version {expected}; read it again.")
        self.blob_id = blob_id
        self.expected = expected


class PolicyConflict(LabellingError):
    """The owner's label policy has another version than the caller expected."""

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(
            f"The label policy is no longer at version {expected} but at version {current}: read "
            "viewer.labelPolicy, and send your change again with its version."
        )
        self.current = current


class VocabularyConflict(LabellingError):
    """The owner's vocabulary has another version than the caller expected."""

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(
            f"The vocabulary is no longer at version {expected} but at version {current}: read "
            "viewer.vocabulary, and send your change again with its version."
        )
        self.current = current


class WrongState(LabellingError):
    """The blob's status does not allow a transition; `step` is its past participle."""

    def __init__(self, blob_id: str, status: str, step: str, remedy: str = "") -> None:
        what_to_do = f": {remedy}" if remedy else ""
        super().__init__(f"Blob {blob_id} is {status}, so it can't be {step}{what_to_do}.")
        self.blob_id = blob_id
        self.status = status


class TooManyCorrections(LabellingError):
    """A blob would have too many decisions about its labels; the message says what to do."""

    def __init__(self, blob_id: str, message: str) -> None:
        super().__init__(message)
        self.blob_id = blob_id


class IdempotencyKeyReused(LabellingError):
    """The idempotency key was used for another request, which created blob `blob_id`."""

    def __init__(self, blob_id: str) -> None:
        super().__init__(
            f"This idempotencyKey was used for another input, which created blob {blob_id}. Repeat "
            "that input or choose another key."
        )
        self.blob_id = blob_id


class QuotaExceeded(LabellingError):
    """An owner has reached a limit; a retry may succeed from `retry_at` on."""

    def __init__(self, message: str, retry_at: datetime) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class PictureRefused(LabellingError):
    """The picture cannot be labelled; a retry does not help.

    `code` is a `FailureCode` value; the message is for the person who uploaded the picture, and
    `detail`, a decoder's own words, for the log.
    """

    def __init__(self, code: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail


class Unavailable(LabellingError):
    """A store, queue or detector does not answer; the same call may succeed later."""


class StorageFull(Unavailable):
    """No space is left for what is to be stored; deletions make room."""
