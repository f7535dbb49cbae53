"""Spans of the labelling of uploads, in the traces of their blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.blob import parse_original_key
from core.runtime.tracing import BLOB_ID, Kind, no_tracer

if TYPE_CHECKING:
    from core.domain.blob import Blob
    from core.domain.label import Detection
    from core.repositories.ports.blobs import BlobRepository
    from core.runtime.tracing import Tracer
    from labeller.detectors.base import Detector, Picture
    from labeller.handler import UploadLabeller
    from labeller.s3_event import Upload


class TracedLabeller:
    """Labels uploads, each in a span. It reads the blob before and after."""

    def __init__(self, labeller: UploadLabeller, blobs: BlobRepository, tracer: Tracer) -> None:
        self._labeller = labeller
        self._blobs = blobs
        self._tracer = tracer

    def label(self, upload: Upload) -> None:
        """Label an uploaded picture. Raises an error if it must be retried."""
        blob = self._blob_of(upload)
        if blob is None:
            self._labeller.label(upload)
            return
        with self._tracer.span("label", Kind.CONSUMER, parent=blob.traceparent) as span:
            span.set({BLOB_ID: blob.id, "labelling.size": blob.size or upload.size})
            self._labeller.label(upload)
            outcome = self._blobs.get(blob.id)
            if outcome is not None:
                failure = outcome.failure
                span.set(
                    {
                        "labelling.status": outcome.status.value,
                        "labelling.detector": outcome.detector,
                        "labelling.failure": failure.code.value if failure else None,
                    }
                )

    def give_up(self, upload: Upload) -> None:
        """Record that an upload will not be retried."""
        self._labeller.give_up(upload)

    def _blob_of(self, upload: Upload) -> Blob | None:
        owner_and_id = parse_original_key(upload.key)
        blob = self._blobs.get(owner_and_id[1]) if owner_and_id else None
        return blob if blob is not None and blob.key == upload.key else None


class TracedDetector:
    """Detects labels in a span, which includes the wait for a detector process."""

    def __init__(self, detector: Detector, tracer: Tracer) -> None:
        self._detector = detector
        self._tracer = tracer

    @property
    def name(self) -> str:
        """The detector and its version."""
        return self._detector.name

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return the labels of a picture; see `Detector.detect`."""
        with self._tracer.span("detect") as span:
            found = self._detector.detect(
                picture, max_labels=max_labels, min_confidence=min_confidence
            )
            span.set(
                {
                    "labelling.labels": len(found.labels),
                    "labelling.width": found.width,
                    "labelling.height": found.height,
                }
            )
            return found


def traced_detector(detector: Detector, tracer: Tracer) -> Detector:
    """Return a detector that opens spans, or without traces the detector itself."""
    return detector if tracer is no_tracer else TracedDetector(detector, tracer)


def traced_labeller(
    labeller: UploadLabeller, blobs: BlobRepository, tracer: Tracer
) -> UploadLabeller:
    """Return a labeller that opens spans, or without traces the labeller itself."""
    return labeller if tracer is no_tracer else TracedLabeller(labeller, blobs, tracer)
