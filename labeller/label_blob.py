"""Label one uploaded picture and put the outcome on record."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from core.domain.blob import (
    Blob,
    BlobStatus,
    Failure,
    FailureCode,
    expire,
    label_again,
    original_key,
    parse_original_key,
    record_failure,
    record_labels,
    wants_labelling,
)
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable, VersionConflict
from core.repositories.ports.blobs import BlobFilter
from core.runtime.logging import log_context
from core.runtime.metrics import Metric, Metrics, no_metrics
from labeller.detection_cache import seen_before
from labeller.detectors.base import Picture
from labeller.keyed_lock import Turns
from labeller.s3_event import Upload

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.clock import Clock
    from core.domain.label import Detection
    from core.repositories.ports.blobs import BlobRepository
    from core.storage.base import ObjectStorage
    from labeller.detectors.base import Detector

log = logging.getLogger(__name__)

_EXPIRE_BATCH = 100
_CLEAR_BATCH = 1000
_LOOKED_AT = 10  # blobs of the same bytes
_GIVEN_UP = Failure(
    FailureCode.LABELLER_UNAVAILABLE,
    "The labeller could not be reached or kept failing on this picture. "
    "The operator finds the reason in the log and can send the picture back.",
)


class BlobLabeller:
    """Labels uploads: a read, a detection and a write each.

    What an owner sent before is not looked at again, as long as the detector is the same: it gets
    the labels that are on record.
    """

    def __init__(
        self,
        blobs: BlobRepository,
        storage: ObjectStorage,
        detector: Detector,
        clock: Clock,
        metrics: Metrics = no_metrics,
    ) -> None:
        self._blobs = blobs
        self._storage = storage
        self._detector = detector
        self._clock = clock
        self._metrics = metrics
        self._turns = Turns()

    def label(self, upload: Upload) -> None:
        """Bring the upload's blob to LABELLED or FAILED; one that is there already stays.

        Raises:
            Unavailable: the detector or a store can't answer now; call again later.
            VersionConflict: the blob was changed meanwhile; call again.

        """
        blob = self._wanting(upload)
        if blob is None:
            return
        if blob.size is None:  # the store took nothing but what was declared
            blob = replace(
                blob, size=upload.size, uploaded_at=upload.at, sha256=blob.declared_sha256
            )
        # Of the same bytes one is looked at, and the others find on record what it saw.
        with self._turns.of((blob.owner, blob.digest or blob.id)):
            self._look(blob, since=upload.at if upload.again is not None else None)

    def _look(self, blob: Blob, since: datetime | None) -> None:
        log.info("labelling", extra={"blob_id": blob.id})
        try:
            detection = self._seen_before(blob, since) or self._detect(blob)
        except PictureRefused as refusal:
            failure = Failure(FailureCode(refusal.code), refusal.message)
            self._fail(blob, failure, self._detector.name)
        except ObjectNotFound:
            gone = Failure(FailureCode.ORIGINAL_MISSING, "The picture's bytes are gone.")
            self._fail(blob, gone)
        else:
            if self._save(record_labels(blob, self._clock(), detection), blob):
                self._metrics(Metric.PICTURES_LABELLED)
                names = [label.name for label in detection.labels]
                log.info("labelled", extra={"blob_id": blob.id, "labels": names})

    def _detect(self, blob: Blob) -> Detection:
        picture = Picture(
            blob.key,
            blob.content_type,
            partial(self._storage.open, blob.key),
            blob.size,
            partial(self._storage.read_start, blob.key),
        )
        began = time.monotonic()
        detection = self._detector.detect(
            picture, max_labels=blob.max_labels, min_confidence=blob.min_confidence
        )
        self._metrics(Metric.DETECTION_TIME, (time.monotonic() - began) * 1000)
        return detection

    def _seen_before(self, blob: Blob, since: datetime | None) -> Detection | None:
        if blob.digest is None:
            return None
        alike = BlobFilter(statuses=(BlobStatus.LABELLED,), sha256=blob.digest)
        for like in self._blobs.find_by_owner(blob.owner, alike, first=_LOOKED_AT).items:
            detection = seen_before(blob, like, self._detector.name, since=since)
            if detection is not None:
                self._metrics(Metric.LABELS_REUSED)
                log.info("seen before", extra={"blob_id": blob.id, "like": like.id})
                return detection
        return None

    def give_up(self, upload: Upload) -> None:
        """Bring the blob of an upload that is tried no more to FAILED, so that it never hangs."""
        blob = self._wanting(upload)
        if blob is None or blob.failure == _GIVEN_UP:
            return
        # It may be waiting for another event by now, asked for at the version before this one.
        if upload.again == (blob.version - 1 if blob.finished_at else None):
            self._fail(blob, _GIVEN_UP)

    def expire(self, before: datetime, seconds: float = 60) -> None:
        """End the wait of blobs created before then, for about so many seconds.

        One whose bytes never came is EXPIRED. One whose bytes are there has waited long, or its
        event was lost: it is labelled now, or given up if that fails.
        """
        until = time.monotonic() + seconds
        tried: set[str] = set()
        while time.monotonic() < until:
            found = self._blobs.find_abandoned(before, _EXPIRE_BATCH + len(tried))
            left = [blob for blob in found if blob.id not in tried]
            if not left:
                return
            for blob in left:
                if time.monotonic() >= until:
                    return
                tried.add(blob.id)
                with log_context(blob_id=blob.id):
                    self._end_wait(blob)

    def clear_deleted(self, before: datetime, seconds: float = 60) -> None:
        """Delete once more the bytes of blobs deleted before then, for about so many seconds.

        The first time may have been broken off, or come before an upload whose URL was still good
        and whose event is lost.
        """
        until = time.monotonic() + seconds
        for owner, blob_id in self._blobs.find_deleted(before, _CLEAR_BATCH):
            if time.monotonic() >= until:
                return
            with log_context(blob_id=blob_id):
                try:
                    self._storage.delete(original_key(owner, blob_id))
                    self._blobs.settle_deleted(blob_id)
                except Exception:  # found again next time
                    log.exception("not cleared of a deleted blob's bytes")

    def _end_wait(self, blob: Blob) -> None:
        try:
            size = self._storage.size(blob.key)
        except ObjectNotFound:
            with suppress(VersionConflict):  # its bytes came just now
                self._blobs.save(expire(blob), blob)
                self._metrics(Metric.UPLOADS_EXPIRED)
                log.info("expired", extra={"blob_id": blob.id})
            return
        except Exception:  # one blob's trouble is not the others'
            log.exception("not known whether it was uploaded")
            return
        upload = Upload("", blob.key, size)
        try:
            self.label(upload)
        except Exception:  # it had its time
            log.exception("labelling failed, given up")
            with suppress(Unavailable, VersionConflict):  # found again next time
                self.give_up(upload)

    def _wanting(self, upload: Upload) -> Blob | None:
        named = parse_original_key(upload.key)
        blob = self._blobs.get(named[1]) if named else None
        if blob is None or blob.key != upload.key:
            if not self._clear(upload.key):
                log.warning("no blob for object", extra={"object_key": upload.key})
            return None
        if blob.finished and blob.version == upload.again:
            # Whoever asks for it sends the event first, and then notes that it is being labelled.
            blob = self._begun_again(blob)
        if blob is None or not wants_labelling(blob):
            log.info("nothing to do", extra={"object_key": upload.key})
            return None
        return blob

    def _begun_again(self, blob: Blob) -> Blob | None:
        again = label_again(blob)
        try:
            self._blobs.save(again, blob)
        except VersionConflict:  # that is noted already
            return self._blobs.get(blob.id)
        return again

    def _clear(self, key: str) -> bool:
        """Delete the bytes of a blob that was deleted; False when it was not."""
        named = parse_original_key(key)
        if named is None or not self._blobs.was_deleted(*named):
            return False
        self._storage.delete(key)
        log.info("deleted before it was labelled", extra={"object_key": key})
        return True

    def _fail(self, blob: Blob, failure: Failure, detector: str | None = None) -> None:
        if self._save(record_failure(blob, self._clock(), failure, detector), blob):
            self._metrics(Metric.PICTURES_FAILED)
            log.info(
                "failed",
                extra={"blob_id": blob.id, "code": failure.code, "reason": failure.message},
            )

    def _save(self, blob: Blob, replaced: Blob) -> bool:
        try:
            self._blobs.save(blob, replaced)
        except VersionConflict:
            current = self._blobs.get(blob.id)
            if current and wants_labelling(current):
                raise
            if current is None and self._clear(blob.key):
                return False
            # Another copy of the same event was faster: what it recorded stands.
            log.info("labelled meanwhile", extra={"blob_id": blob.id})
            return False
        return True
