"""The inbox: objects that any S3 client puts under `inbox/<owner>/` become blobs of that owner."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from core.domain.blob import Blob, BlobStatus, ImageType
from core.domain.clock import derive_id
from core.domain.errors import AlreadyExists, ObjectNotFound
from core.domain.facts import Facts, cleaned_name
from core.runtime.logging import log_context
from core.storage.base import ObjectStorage
from labeller.imaging.header import PREFIX_BYTES, type_of
from labeller.inbox_key import (
    RejectedKey,
    inbox_owner,
    is_clutter,
    is_inbox_key,
    rejected_key,
)
from labeller.s3_event import InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.repositories.ports.blobs import BlobRepository
    from labeller.s3_event import Upload

log = logging.getLogger(__name__)

MAX_LABELS: Final = 10
MIN_CONFIDENCE: Final = 55.0


class VersionedStorage(ObjectStorage, Protocol):
    """An object storage that keeps versions of objects and can copy them."""

    def read_start(self, key: str, length: int, version: str | None = None) -> bytes:
        """Return the first bytes of a version, or of the newest. Raises ObjectNotFound."""

    def copy(
        self,
        source_key: str,
        target_key: str,
        version: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Copy a version, or the newest, to another key. Raises ObjectNotFound."""


class Inbox:
    """Moves objects from inboxes to blobs. `storage` takes any key."""

    def __init__(self, blobs: BlobRepository, storage: VersionedStorage) -> None:
        self._blobs = blobs
        self._storage = storage

    def import_upload(self, upload: Upload) -> bool:
        """Create a blob for an object in an inbox and move its bytes. Return False for any other.

        An object without a valid owner moves to `rejected/`, with the reason in its metadata.
        Clutter of desktops stays where it is.

        The arrival of the bytes under the blob's own key starts its labelling. A repeated event
        creates no second blob. In a versioned bucket the event's version is moved, so an object
        that was overwritten meanwhile becomes a second blob.
        """
        if not is_inbox_key(upload.key):
            return False
        if is_clutter(upload.key, upload.size):
            log.debug("skipped in the inbox", extra={"object_key": upload.key})
            return True
        try:
            owner = inbox_owner(upload.key)
        except RejectedKey as rejection:
            self._reject(upload, str(rejection))
            return True
        if upload.event_time is None:
            raise InvalidEvent("The event has no eventTime, which the blob's id is made from.")
        created_at = upload.event_time
        blob_id = derive_id(created_at, f"{upload.bucket}/{upload.key}/{upload.version}".encode())
        with log_context(blob_id=blob_id):
            try:
                start = self._storage.read_start(upload.key, PREFIX_BYTES, upload.version_id)
                # A blob needs some content type. The labeller refuses bytes of another type.
                content_type = type_of(start) or ImageType.JPEG
                blob = Blob(
                    id=blob_id,
                    owner=owner,
                    status=BlobStatus.AWAITING_UPLOAD,
                    content_type=content_type,
                    created_at=created_at,
                    max_labels=MAX_LABELS,
                    min_confidence=MIN_CONFIDENCE,
                    facts=Facts(cleaned_name(upload.key.rpartition("/")[2])),
                )
                if self._needs_bytes(blob):
                    self._storage.copy(upload.key, blob.key, upload.version_id)
            except ObjectNotFound:
                log.info("no longer in the inbox")  # an earlier event has moved it
                return True
            self._storage.delete(upload.key)
            log.info("moved from the inbox", extra={"object_key": upload.key})
        return True

    def _reject(self, upload: Upload, reason: str) -> None:
        target = rejected_key(upload.key)
        try:
            self._storage.copy(upload.key, target, upload.version_id, {"reason": reason})
        except ObjectNotFound:
            log.info("no longer in the inbox")  # an earlier event has moved it
            return
        self._storage.delete(upload.key)
        facts = {"object_key": upload.key, "moved_to": target, "reason": reason}
        log.warning("rejected from the inbox", extra=facts)

    def _needs_bytes(self, blob: Blob) -> bool:
        """Store the blob, and return whether its bytes are missing.

        A blob that was deleted is not created again.
        """
        try:
            self._blobs.create(blob)
        except AlreadyExists:  # by an earlier event
            try:
                self._storage.size(blob.key)
            except ObjectNotFound:
                return True
            return False
        if self._blobs.was_deleted(blob.owner, blob.id):  # after an earlier event
            self._blobs.delete(blob, blob.created_at)
            return False
        return True
