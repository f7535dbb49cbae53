"""Labelling of one uploaded picture."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from core.domain.blob import (
    GIVEN_UP,
    Blob,
    BlobStatus,
    Failure,
    FailureCode,
    label_again,
    needs_labelling,
    parse_original_key,
    record_failure,
    record_labels,
)
from core.domain.blob_list import BlobFilter, plan_blob_list
from core.domain.edits import is_same_labelling
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable, VersionConflict
from core.repositories.label_saves import apply_policy, save_labels
from core.runtime.metrics import Metric, Metrics, no_metrics
from labeller.detection_cache import reusable_detection
from labeller.detectors.base import Picture
from labeller.keyed_lock import KeyedLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from core.domain.clock import Clock
    from core.domain.label import Detection, Embedding
    from core.repositories.ports.blobs import BlobRepository
    from core.storage.base import ObjectStorage
    from labeller.detectors.base import Detector
    from labeller.s3_event import Upload

log = logging.getLogger(__name__)

_MAX_EDITS = 8  # by the owner during one save
_MAX_DUPLICATES = 10  # blobs with the same bytes whose labels are considered


class BlobLabeller:
    """Labels uploads: one read, one detection and one write each.

    A picture that an owner uploaded before gets the recorded labels, if the detector is the same.
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
        self._lock = KeyedLock()

    def label(self, upload: Upload) -> None:
        """Bring the upload's blob to LABELLED or FAILED. A finished blob is unchanged.

        Raises:
            Unavailable: the detector or a store is unavailable; retry later.
            VersionConflict: the blob changed meanwhile; retry.

        """
        blob = self._find_pending(upload)
        if blob is None:
            return
        if blob.size is None:  # S3 accepted only what the client declared
            blob = replace(
                blob, size=upload.size, uploaded_at=upload.event_time, sha256=blob.declared_sha256
            )
        # Pictures with the same bytes wait for one detection and reuse its labels.
        with self._lock.hold((blob.owner, blob.digest or blob.id)):
            self._detect_and_record(blob, upload)

    def _detect_and_record(self, blob: Blob, upload: Upload) -> None:
        is_relabelling = upload.relabel_version is not None
        since = upload.event_time if is_relabelling else None
        log.info("labelling", extra={"blob_id": blob.id})
        try:
            detection = self._reuse(blob, since) or self._detect(blob)
        except PictureRefused as refusal:
            failure = Failure(FailureCode(refusal.code), refusal.message)
            failed = self._fail(blob, failure, self._detector.name, refusal.detail)
            # A picture that was accepted before stays when the limit was lowered since.
            if failed and failure.code is FailureCode.TOO_LARGE and not is_relabelling:
                self._delete_bytes(blob, upload.version_id)
        except ObjectNotFound:
            missing = Failure(FailureCode.ORIGINAL_MISSING, "The picture's bytes are gone.")
            self._fail(blob, missing)
        else:
            labelled = partial(record_labels, at=self._clock(), detection=detection)
            if self._save(labelled, blob, detection.embedding):
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
        started = time.monotonic()
        detection = self._detector.detect(
            picture, max_labels=blob.max_labels, min_confidence=blob.min_confidence
        )
        self._metrics(Metric.DETECTION_TIME, (time.monotonic() - started) * 1000)
        return detection

    def _reuse(self, blob: Blob, since: datetime | None) -> Detection | None:
        """Return the detection stored for the same picture, if there is one."""
        if blob.digest is None:
            return None
        same_bytes = BlobFilter(statuses=(BlobStatus.LABELLED,), sha256=blob.digest)
        plan = plan_blob_list(same_bytes)
        page = self._blobs.find_page(blob.owner, plan, first=_MAX_DUPLICATES)
        for other in page.items:
            detection = reusable_detection(blob, other, self._detector.name, since=since)
            if detection is not None:
                self._metrics(Metric.LABELS_REUSED)
                log.info("labels reused", extra={"blob_id": blob.id, "other_blob_id": other.id})
                known = self._blobs.find_embedding(other.owner, other.id)
                return replace(detection, embedding=known)
        return None

    def give_up(self, upload: Upload) -> None:
        """Bring the blob of an upload that will not be retried to FAILED."""
        blob = self._find_pending(upload)
        if blob is None or blob.failure == GIVEN_UP:
            return
        # The blob may wait for a later relabelling event, of its present outcome.
        first = blob.finished_at is None and upload.relabel_version is None
        if first or (blob.finished_at is not None and upload.requests(blob)):
            self._fail(blob, GIVEN_UP)

    def _find_pending(self, upload: Upload) -> Blob | None:
        """Return the upload's blob if it is to be labelled, or None."""
        owner_and_id = parse_original_key(upload.key)
        blob = self._blobs.get(owner_and_id[1]) if owner_and_id else None
        if blob is None or blob.key != upload.key:
            if not self._clear(upload.key):
                log.warning("no blob for object", extra={"object_key": upload.key})
            return None
        if blob.finished and upload.requests(blob):
            # A relabelling event is sent before the blob becomes LABELLING, and came first.
            blob = self._start_relabelling(blob, upload)
        if blob is None or not needs_labelling(blob):
            log.info("nothing to do", extra={"object_key": upload.key})
            if blob is not None:  # the labeller may have crashed right after its save
                apply_policy(self._blobs, blob.id, self._clock)
            return None
        return blob

    def _start_relabelling(self, blob: Blob, upload: Upload) -> Blob | None:
        for _ in range(_MAX_EDITS):
            started = label_again(blob, self._clock())
            try:
                self._blobs.save(started, blob)
            except VersionConflict:
                current = self._blobs.get(blob.id)
                if current is None or not (current.finished and upload.requests(current)):
                    return current  # it is LABELLING by now
                blob = current  # its owner edited it
            else:
                return started
        raise VersionConflict(blob.id, blob.version)

    def _clear(self, key: str) -> bool:
        """Delete the bytes of a deleted blob. Return False if the blob was not deleted."""
        owner_and_id = parse_original_key(key)
        if owner_and_id is None or not self._blobs.was_deleted(*owner_and_id):
            return False
        self._storage.delete(key)
        log.info("deleted before it was labelled", extra={"object_key": key})
        return True

    def _delete_bytes(self, blob: Blob, version: str | None) -> None:
        """Delete the bytes of a failed blob, which nothing will read."""
        try:
            self._storage.delete(blob.key, version)
        except Unavailable:  # the failure is recorded, so a repeated event would do nothing
            log.exception("bytes not deleted", extra={"blob_id": blob.id})

    def _fail(
        self, blob: Blob, failure: Failure, detector: str | None = None, detail: str = ""
    ) -> bool:
        """Record a failure. Return False if the blob was finished meanwhile."""
        failed = partial(record_failure, at=self._clock(), failure=failure, detector=detector)
        if not self._save(failed, blob):
            return False
        self._metrics(Metric.PICTURES_FAILED, code=failure.code)
        reason = {"code": failure.code, "reason": failure.message, "detail": detail}
        log.info("failed", extra={"blob_id": blob.id, **reason})
        return True

    def _save(
        self,
        change: Callable[..., Blob],
        blob: Blob,
        embedding: Embedding | None = None,
    ) -> bool:
        """Store the outcome of a labelling. Return False if the blob was finished meanwhile."""
        for _ in range(_MAX_EDITS):
            with suppress(VersionConflict):
                save_labels(self._blobs, blob, change, self._clock, embedding)
                return True
            current = self._blobs.get(blob.id)
            if current is not None and current.size is None:  # as `label` does
                size, at, sha256 = blob.size, blob.uploaded_at, blob.sha256
                current = replace(current, size=size, uploaded_at=at, sha256=sha256)
            if current is None or not is_same_labelling(current, blob):
                return self._meet(current, blob)
            blob = current  # its owner edited it, so labels and facts are those of now
        raise VersionConflict(blob.id, blob.version)

    def _meet(self, current: Blob | None, blob: Blob) -> bool:
        if current and needs_labelling(current):
            raise VersionConflict(blob.id, blob.version)
        if current is not None or not self._clear(blob.key):
            log.info("labelled meanwhile", extra={"blob_id": blob.id})  # by a repeated event
        return False
