"""Blob, Label and the steps between a blob's states. Pure: nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from core.domain.errors import WrongState

if TYPE_CHECKING:
    from datetime import datetime


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
    """Where a blob stands.

    AWAITING_UPLOAD -> LABELLING -> LABELLED | FAILED; AWAITING_UPLOAD -> EXPIRED;
    LABELLED | FAILED -> LABELLING when it is labelled again. Where S3 takes the bytes, the event
    of their arrival is the first that is known of them: AWAITING_UPLOAD | EXPIRED -> LABELLED |
    FAILED.
    """

    AWAITING_UPLOAD = "AWAITING_UPLOAD"
    LABELLING = "LABELLING"
    LABELLED = "LABELLED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


MAX_OWNER: Final = 64  # bytes of an owner's name

FINISHED: Final = (BlobStatus.LABELLED, BlobStatus.FAILED)


class FailureCode(StrEnum):
    """Why a picture could not be labelled."""

    CONTENT_TYPE_MISMATCH = "CONTENT_TYPE_MISMATCH"
    CORRUPT_IMAGE = "CORRUPT_IMAGE"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    ORIGINAL_MISSING = "ORIGINAL_MISSING"
    LABELLER_UNAVAILABLE = "LABELLER_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A box in a picture; every number is a share of the picture's width or height, 0 to 1."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Instance:
    """One place in the picture where the label's thing was found. Confidence is 0 to 100."""

    bounding_box: BoundingBox
    confidence: float


@dataclass(frozen=True, slots=True)
class Label:
    """A thing seen in a picture, as Rekognition's DetectLabels puts it.

    `confidence` is 0 to 100; `parents` are all its ancestors, nearest first; `aliases` are other
    names for the same thing; `categories` are the fields it belongs to ("Animals and Pets").
    """

    name: str
    confidence: float
    parents: tuple[str, ...] = ()
    instances: tuple[Instance, ...] = ()
    aliases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last labelling failed, in words for the person who uploaded the picture."""

    code: FailureCode
    message: str


@dataclass(frozen=True, slots=True)
class Detection:
    """What a detector saw. Labels come most confident first; sizes are in pixels as displayed.

    `content_type` is the image's type by its bytes; None where the detector does not tell.
    """

    labels: tuple[Label, ...]
    width: int
    height: int
    detector: str
    content_type: ImageType | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """One picture of one owner, from the promise of an upload to its labels.

    `declared_size` (bytes) and `declared_sha256` (base64) are what the client signed into its
    upload; `size` and `sha256` are what arrived. `version` counts the writes of this record.
    """

    id: str
    owner: str
    status: BlobStatus
    content_type: ImageType
    created_at: datetime
    max_labels: int
    min_confidence: float
    callback_url: str | None = None
    declared_size: int | None = None
    declared_sha256: str | None = None
    size: int | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    uploaded_at: datetime | None = None
    finished_at: datetime | None = None
    labels: tuple[Label, ...] | None = None
    failure: Failure | None = None
    detector: str | None = None
    version: int = 1

    @property
    def key(self) -> str:
        """The object key of its bytes."""
        return original_key(self.owner, self.id)

    @property
    def digest(self) -> str | None:
        """The SHA-256 (base64) that its bytes have, or are declared to have."""
        return self.sha256 or self.declared_sha256

    @property
    def finished(self) -> bool:
        """Whether the labeller has had its last word (until it is labelled again)."""
        return self.status in FINISHED


def original_key(owner: str, blob_id: str) -> str:
    """Return the object key of a blob's bytes."""
    return f"originals/{owner}/{blob_id}"


def parse_original_key(key: str) -> tuple[str, str] | None:
    """Return (owner, blob id) of an object key made by `original_key`, or None for any other."""
    match key.split("/"):
        case ["originals", owner, blob_id] if owner and blob_id:
            return owner, blob_id
    return None


def is_owner_name(text: str) -> bool:
    """Tell whether a text can be an owner's name: printable, without "/", 1 to 64 bytes."""
    size = len(text.encode("utf-8", "surrogatepass"))
    return (
        0 < size <= MAX_OWNER and text.isprintable() and "/" not in text and text not in (".", "..")
    )


def parse_inbox_key(key: str) -> str | None:
    """Return the owner whose inbox an object key lies in: `inbox/<owner>/<any name>`.

    None for any other key, also for the empty objects that S3's console makes of folders.
    """
    match key.split("/"):
        case ["inbox", owner, _, *_] as parts if not {"", ".", ".."} & set(parts):
            return owner if is_owner_name(owner) else None
    return None


def wants_labelling(blob: Blob) -> bool:
    """Tell whether an upload event still has work to do on this blob.

    A finished blob has had its event, so a second one changes nothing; but one given up for an
    unavailable labeller may be taken up again when its dead letter is sent back. One that expired
    may have its bytes after all, where the door is not ours: the event proves it.
    """
    if blob.failure is not None and blob.failure.code is FailureCode.LABELLER_UNAVAILABLE:
        return True
    return blob.status in (BlobStatus.AWAITING_UPLOAD, BlobStatus.LABELLING, BlobStatus.EXPIRED)


def receive_upload(blob: Blob, at: datetime, *, size: int, sha256: str) -> Blob:
    """The bytes are there: AWAITING_UPLOAD -> LABELLING."""
    _require(blob, "uploaded", BlobStatus.AWAITING_UPLOAD)
    return replace(
        blob,
        status=BlobStatus.LABELLING,
        uploaded_at=at,
        size=size,
        sha256=sha256,
        version=blob.version + 1,
    )


def record_labels(blob: Blob, at: datetime, detection: Detection) -> Blob:
    """The labels are known: -> LABELLED. Older labels are replaced."""
    _require_wanted(blob, "labelled")
    return replace(
        blob,
        status=BlobStatus.LABELLED,
        uploaded_at=blob.uploaded_at or at,
        finished_at=at,
        labels=detection.labels,
        content_type=detection.content_type or blob.content_type,
        width=detection.width,
        height=detection.height,
        detector=detection.detector,
        failure=None,
        version=blob.version + 1,
    )


def record_failure(blob: Blob, at: datetime, failure: Failure, detector: str | None = None) -> Blob:
    """The picture can't be labelled: -> FAILED. Older labels no longer hold.

    `detector` is the one that looked at it; None where none did.
    """
    _require_wanted(blob, "failed")
    return replace(
        blob,
        status=BlobStatus.FAILED,
        uploaded_at=blob.uploaded_at or at,
        finished_at=at,
        labels=None,
        failure=failure,
        detector=detector,
        version=blob.version + 1,
    )


def expire(blob: Blob) -> Blob:
    """No bytes came in time: AWAITING_UPLOAD -> EXPIRED."""
    _require(blob, "expired", BlobStatus.AWAITING_UPLOAD)
    return replace(blob, status=BlobStatus.EXPIRED, version=blob.version + 1)


def label_again(blob: Blob) -> Blob:
    """Back to LABELLING; the labels it has stay until new ones replace them."""
    _require(blob, "labelled again", *FINISHED)
    return replace(blob, status=BlobStatus.LABELLING, failure=None, version=blob.version + 1)


def _require(blob: Blob, step: str, *allowed: BlobStatus) -> None:
    if blob.status not in allowed:
        raise WrongState(blob.id, blob.status, step)


def _require_wanted(blob: Blob, step: str) -> None:
    if not wants_labelling(blob):
        raise WrongState(blob.id, blob.status, step)
