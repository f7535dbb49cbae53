"""Blobs and the transitions between their states. Pure: nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from core.domain.clock import later
from core.domain.corrections import label_fields
from core.domain.errors import WrongState
from core.domain.facts import NO_FACTS, Facts
from core.domain.label_policy import NO_POLICY

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.corrections import Decision
    from core.domain.label import Detection, Label
    from core.domain.label_policy import LabelPolicy


class ImageType(StrEnum):
    """The media types (IANA) that can be uploaded."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    GIF = "image/gif"
    TIFF = "image/tiff"
    BMP = "image/bmp"
    AVIF = "image/avif"
    HEIC = "image/heic"


class BlobStatus(StrEnum):
    """The processing state of a blob.

    AWAITING_UPLOAD -> LABELLING -> LABELLED | FAILED; AWAITING_UPLOAD -> EXPIRED;
    LABELLED | FAILED -> LABELLING when the blob is labelled again. When clients upload to S3, the
    service learns of an upload by the S3 event alone: AWAITING_UPLOAD | EXPIRED -> LABELLED |
    FAILED.
    """

    AWAITING_UPLOAD = "AWAITING_UPLOAD"
    LABELLING = "LABELLING"
    LABELLED = "LABELLED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


FINISHED: Final = (BlobStatus.LABELLED, BlobStatus.FAILED)
# A blob that is labelled again keeps its labels until new ones replace them.
CAN_HAVE_LABELS: Final = (BlobStatus.LABELLING, BlobStatus.LABELLED)


class FailureCode(StrEnum):
    """The reason why a picture could not be labelled."""

    CONTENT_TYPE_MISMATCH = "CONTENT_TYPE_MISMATCH"
    CORRUPT_IMAGE = "CORRUPT_IMAGE"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    ORIGINAL_MISSING = "ORIGINAL_MISSING"
    LABELLER_UNAVAILABLE = "LABELLER_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last labelling failed; the message is for the person who uploaded the picture."""

    code: FailureCode
    message: str


GIVEN_UP: Final = Failure(
    FailureCode.LABELLER_UNAVAILABLE,
    "The labeller could not be reached or kept failing on this picture. "
    "The operator finds the reason in the log and can send the picture back.",
)


@dataclass(frozen=True, slots=True)
class Blob:
    """An owner's picture, from the request of its upload to its labels.

    `declared_size` (bytes) and `declared_sha256` (base64) are what the client declared and what
    the upload URL is signed for; `size` and `sha256` are those of the uploaded bytes. `changed_at`
    is when it expired or when its owner had it labelled again, while that is its last change.
    `version` counts the writes of this record.

    `labels` are those of the detector, as the owner's `decisions` and policy change them;
    `detected_labels` are what the detector found, where that differs. `edits` counts the changes by
    decisions and policies since it was last labelled, and `edited_at` is the time of the last one;
    each is later than the one before. `facts` are the client's, since `facts_set_at` if it changed
    them; `edits` counts such changes too.

    A blob with `deletes_at` waits to be deleted then, and no list has it meanwhile; its owner
    requested that, or restored it, at `deletion_set_at`, which `edits` counts too.

    `traceparent` is the context of its trace (W3C Trace Context); None: it has none.
    """

    id: str
    owner: str
    status: BlobStatus
    content_type: ImageType
    created_at: datetime
    max_labels: int
    min_confidence: float
    callback_url: str | None = None
    callback_on_label_change: bool = False
    declared_size: int | None = None
    declared_sha256: str | None = None
    size: int | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    uploaded_at: datetime | None = None
    finished_at: datetime | None = None
    changed_at: datetime | None = None
    labels: tuple[Label, ...] | None = None
    failure: Failure | None = None
    detector: str | None = None
    detected_labels: tuple[Label, ...] | None = None
    decisions: tuple[Decision, ...] = ()
    edits: int = 0
    edited_at: datetime | None = None
    facts: Facts = NO_FACTS
    facts_set_at: datetime | None = None
    deletes_at: datetime | None = None
    deletion_set_at: datetime | None = None
    traceparent: str | None = None
    version: int = 1

    @property
    def key(self) -> str:
        """The object key of the picture's bytes."""
        return original_key(self.owner, self.id)

    @property
    def digest(self) -> str | None:
        """The SHA-256 (base64) of the uploaded bytes, or else the declared one."""
        return self.sha256 or self.declared_sha256

    @property
    def finished(self) -> bool:
        """Whether the blob is LABELLED or FAILED."""
        return self.status in FINISHED

    @property
    def listed(self) -> bool:
        """Whether lists have it: it does not wait to be deleted."""
        return self.deletes_at is None

    @property
    def detected(self) -> tuple[Label, ...] | None:
        """What the detector found; None: it has no labels."""
        return self.labels if self.detected_labels is None else self.detected_labels

    @property
    def outcome_version(self) -> int:
        """The version at which it was last LABELLED or FAILED by the labeller."""
        again = self.status is BlobStatus.LABELLING and self.finished_at is not None
        return self.version - self.edits - again

    @property
    def labels_set_at(self) -> datetime | None:
        """When its labels were last set, by the labeller or its owner. No two times are equal."""
        return self.edited_at or self.finished_at


def original_key(owner: str, blob_id: str) -> str:
    """Return the object key of a blob's bytes."""
    return f"originals/{owner}/{blob_id}"


def parse_original_key(key: str) -> tuple[str, str] | None:
    """Return (owner, blob id) of an object key made by `original_key`; None for any other key."""
    match key.split("/"):
        case ["originals", owner, blob_id] if owner and blob_id:
            return owner, blob_id
    return None


def needs_labelling(blob: Blob) -> bool:
    """Tell whether an upload event is still to be processed for this blob.

    A finished blob is done, so that a repeated event changes nothing. One that failed with
    LABELLER_UNAVAILABLE is labelled when its dead letter is sent back to the queue. An expired one
    is labelled because the event proves that its bytes arrived after all.
    """
    if blob.failure is not None and blob.failure.code is FailureCode.LABELLER_UNAVAILABLE:
        return True
    return blob.status in (BlobStatus.AWAITING_UPLOAD, BlobStatus.LABELLING, BlobStatus.EXPIRED)


def receive_upload(blob: Blob, at: datetime, *, size: int, sha256: str) -> Blob:
    """Record the upload: AWAITING_UPLOAD -> LABELLING. Raises WrongState."""
    _require(blob, "uploaded", BlobStatus.AWAITING_UPLOAD)
    return replace(
        blob,
        status=BlobStatus.LABELLING,
        uploaded_at=at,
        size=size,
        sha256=sha256,
        version=blob.version + 1,
    )


def record_labels(
    blob: Blob, at: datetime, detection: Detection, policy: LabelPolicy = NO_POLICY
) -> Blob:
    """Record the labels, in place of older ones: -> LABELLED. Raises WrongState.

    The owner's decisions and policy apply to what the detector found.
    """
    _require_wanted(blob, "labelled")
    return replace(
        blob,
        status=BlobStatus.LABELLED,
        uploaded_at=blob.uploaded_at or at,
        finished_at=later(at, blob.edited_at),
        **label_fields(detection.labels, blob.decisions, policy),
        content_type=ImageType(detection.content_type or blob.content_type),
        width=detection.width,
        height=detection.height,
        detector=detection.detector,
        failure=None,
        changed_at=None,
        edits=0,
        edited_at=None,
        version=blob.version + 1,
    )


def record_failure(
    blob: Blob,
    at: datetime,
    failure: Failure,
    detector: str | None = None,
    policy: LabelPolicy = NO_POLICY,  # noqa: ARG001  # as for `record_labels`: there are no labels
) -> Blob:
    """Record that labelling failed, and remove older labels: -> FAILED. Raises WrongState.

    The owner's decisions stay, and apply when it is labelled again.
    `detector` is the name of the detector that processed the picture; None if none did.
    """
    _require_wanted(blob, "failed")
    return replace(
        blob,
        status=BlobStatus.FAILED,
        uploaded_at=blob.uploaded_at or at,
        finished_at=later(at, blob.edited_at),
        labels=None,
        detected_labels=None,
        failure=failure,
        detector=detector,
        changed_at=None,
        edits=0,
        edited_at=None,
        version=blob.version + 1,
    )


def expire(blob: Blob, at: datetime) -> Blob:
    """Record that no bytes arrived in time: AWAITING_UPLOAD -> EXPIRED. Raises WrongState."""
    _require(blob, "expired", BlobStatus.AWAITING_UPLOAD)
    return replace(blob, status=BlobStatus.EXPIRED, changed_at=at, version=blob.version + 1)


def label_again(blob: Blob, at: datetime) -> Blob:
    """Return to LABELLING; the labels stay until new ones replace them. Raises WrongState."""
    _require(blob, "labelled again", *FINISHED)
    return replace(
        blob,
        status=BlobStatus.LABELLING,
        failure=None,
        changed_at=at,
        version=blob.version + 1,
    )


def _require(blob: Blob, step: str, *allowed: BlobStatus) -> None:
    if blob.status not in allowed:
        raise WrongState(blob.id, blob.status, step)


def _require_wanted(blob: Blob, step: str) -> None:
    if not needs_labelling(blob):
        raise WrongState(blob.id, blob.status, step)
