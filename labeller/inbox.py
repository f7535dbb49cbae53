"""Pictures put under `inbox/<owner>/` by any S3 client become blobs of that owner."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from core.domain.blob import Blob, BlobStatus, ImageType, parse_inbox_key
from core.domain.clock import id_from
from core.domain.errors import AlreadyExists, ObjectNotFound
from core.runtime.logging import log_context
from core.storage.base import ObjectStorage
from labeller.imaging.header import PREFIX_BYTES, type_of
from labeller.s3_event import InvalidEvent

if TYPE_CHECKING:
    from core.repositories.ports.blobs import BlobRepository
    from labeller.s3_event import Upload

log = logging.getLogger(__name__)

MAX_LABELS: Final = 10
MIN_CONFIDENCE: Final = 55.0


class VersionedStorage(ObjectStorage, Protocol):
    """A store of pictures that keeps versions of them, and can copy."""

    def read_start(self, key: str, length: int, version: str | None = None) -> bytes:
        """Return the first bytes of a version (the newest). Raises ObjectNotFound."""

    def copy(self, source_key: str, target_key: str, version: str | None = None) -> None:
        """Copy the bytes of a version (the newest) to another key. Raises ObjectNotFound."""


class Inbox:
    """Takes pictures out of inboxes."""

    def __init__(self, blobs: BlobRepository, storage: VersionedStorage) -> None:
        self._blobs = blobs
        self._storage = storage

    def adopt(self, upload: Upload) -> bool:
        """Make a blob of an object in an inbox and move its bytes; False for any other object.

        The bytes' arrival under the blob's own key brings about its labelling. Told of again, it
        makes no second blob. Where the bucket keeps versions, one that was put again meanwhile
        becomes a blob of its own: it is the version told of that is taken.
        """
        owner = parse_inbox_key(upload.key)
        if owner is None:
            return False
        if upload.at is None:
            raise InvalidEvent("Without eventTime, a blob would get another id each time.")
        at = upload.at
        blob_id = id_from(at, f"{upload.bucket}/{upload.key}/{upload.version}".encode())
        with log_context(blob_id=blob_id):
            try:
                start = self._storage.read_start(upload.key, PREFIX_BYTES, upload.version_id)
                # What it is declared to be must be something; labelling tells what it is not.
                found = type_of(start) or ImageType.JPEG
                blob = Blob(
                    id=blob_id,
                    owner=owner,
                    status=BlobStatus.AWAITING_UPLOAD,
                    content_type=found,
                    created_at=at,
                    max_labels=MAX_LABELS,
                    min_confidence=MIN_CONFIDENCE,
                )
                if self._is_new(blob):
                    self._storage.copy(upload.key, blob.key, upload.version_id)
            except ObjectNotFound:
                log.info("no longer in the inbox")  # moved when the event was told before
                return True
            self._storage.delete(upload.key)
            log.info("taken from the inbox", extra={"object_key": upload.key})
        return True

    def _is_new(self, blob: Blob) -> bool:
        """Keep the blob, unless it was deleted; tell whether its bytes are still to come."""
        try:
            self._blobs.create(blob)
        except AlreadyExists:  # the event was told before
            try:
                self._storage.size(blob.key)
            except ObjectNotFound:
                return True
            return False
        if self._blobs.was_deleted(blob.owner, blob.id):  # the event was told before that
            self._blobs.delete(blob, blob.created_at)
            return False
        return True
