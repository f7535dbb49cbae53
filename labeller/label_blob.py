"""Label one uploaded picture and put the outcome on record."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from catalogue.blob import (
    Blob,
    Failure,
    FailureCode,
    parse_original_key,
    record_failure,
    record_labels,
    wants_labelling,
)
from catalogue.errors import OriginalNotFound, PictureRefused, VersionConflict
from labeller.detectors.base import Picture

if TYPE_CHECKING:
    from catalogue.clock import Clock
    from catalogue.originals.base import Originals
    from catalogue.records.base import BlobRecords
    from labeller.detectors.base import Detector
    from labeller.s3_event import Upload

log = logging.getLogger(__name__)

_GIVEN_UP = Failure(
    FailureCode.LABELLER_UNAVAILABLE,
    "The labeller could not be reached or kept failing on this picture. "
    "The operator finds the reason in the log and can send the picture back.",
)


class BlobLabeller:
    """Labels uploads: one read, one detection and one write each."""

    def __init__(
        self, blobs: BlobRecords, originals: Originals, detector: Detector, clock: Clock
    ) -> None:
        self._blobs = blobs
        self._originals = originals
        self._detector = detector
        self._clock = clock

    def label(self, upload: Upload) -> None:
        """Bring the upload's blob to LABELLED or FAILED; one that is there already stays.

        Raises:
            Unavailable: the detector or a store can't answer now; call again later.
            VersionConflict: the blob was changed meanwhile; call again.

        """
        blob = self._wanting(upload)
        if blob is None:
            return
        if blob.size is None:
            blob = replace(blob, size=upload.size)
        log.info("labelling", extra={"blob_id": blob.id})
        picture = Picture(blob.key, blob.content_type, partial(self._originals.open, blob.key))
        try:
            detection = self._detector.detect(
                picture, max_labels=blob.max_labels, min_confidence=blob.min_confidence
            )
        except PictureRefused as refusal:
            self._fail(blob, Failure(FailureCode(refusal.code), refusal.message))
        except OriginalNotFound:
            gone = Failure(FailureCode.ORIGINAL_MISSING, "The picture's bytes are gone.")
            self._fail(blob, gone)
        else:
            self._save(record_labels(blob, self._clock(), detection), blob)
            names = [label.name for label in detection.labels]
            log.info("labelled", extra={"blob_id": blob.id, "labels": names})

    def give_up(self, upload: Upload) -> None:
        """Bring the blob of an upload that is tried no more to FAILED, so that it never hangs."""
        blob = self._wanting(upload)
        if blob and blob.failure != _GIVEN_UP:
            self._fail(blob, _GIVEN_UP)

    def _wanting(self, upload: Upload) -> Blob | None:
        named = parse_original_key(upload.key)
        blob = self._blobs.get(named[1]) if named else None
        if blob is None or blob.key != upload.key:
            log.warning("no blob for object", extra={"object_key": upload.key})
            return None
        if not wants_labelling(blob):
            log.info("nothing to do", extra={"blob_id": blob.id, "status": blob.status})
            return None
        return blob

    def _fail(self, blob: Blob, failure: Failure) -> None:
        self._save(record_failure(blob, self._clock(), failure), blob)
        log.info(
            "failed",
            extra={"blob_id": blob.id, "code": failure.code, "reason": failure.message},
        )

    def _save(self, blob: Blob, replaced: Blob) -> None:
        try:
            self._blobs.save(blob, replaced)
        except VersionConflict:
            current = self._blobs.get(blob.id)
            if current and wants_labelling(current):
                raise
            # Another copy of the same event was faster: what it recorded stands.
            log.info("labelled meanwhile", extra={"blob_id": blob.id})
