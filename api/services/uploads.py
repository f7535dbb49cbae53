"""Uploads: reserve a blob, and sign the URL that its bytes are sent to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from api.services.blobs import find_blob
from api.services.dependencies import Services
from core.domain.blob import Blob, BlobStatus, ImageType
from core.domain.clock import new_id
from core.domain.errors import (
    AlreadyExists,
    InvalidValue,
    LabellingError,
    WrongState,
)
from core.domain.facts import Facts, metadata_of, problems_in
from core.domain.webhook_url import read_callback_url
from core.repositories.ports.uploads import IdempotencyKey
from core.runtime.metrics import Metric
from core.runtime.tracing import BLOB_ID
from core.storage.base import UploadTarget, UploadTerms

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.webhook_url import CallbackRules

log = logging.getLogger(__name__)

MAX_LABELS: Final = 40  # a blob and its label entries are written in one DynamoDB transaction
PER_CENT: Final = 100
# What the service decides where the client leaves it open.
DEFAULT_MAX_LABELS: Final = 10
DEFAULT_MIN_CONFIDENCE: Final = 55.0
MAX_KEY: Final = 255  # characters of an idempotency key
SHA256_FORM: Final = "must be the base64 of a SHA-256, 44 characters"
_SHA256_BYTES: Final = 32
# Values that earlier versions did not have: an idempotency key of theirs is for a request without.
_LATER_VALUES: Final = ("callback_on_label_change", "file_name", "external_id", "metadata")


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """A client's request for an upload, not checked yet. None: the service decides."""

    content_type: ImageType
    size_bytes: int | None = None
    sha256: str | None = None
    callback_url: str | None = None
    callback_on_label_change: bool = False
    max_labels: int | None = None
    min_confidence: float | None = None
    file_name: str | None = None
    external_id: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    idempotency_key: str | None = None


class InvalidUpload(LabellingError):
    """Some values are out of range; `problems` names each field and its allowed values."""

    def __init__(self, problems: tuple[InvalidValue, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


async def create_upload(
    services: Services, owner: str, request: UploadRequest
) -> tuple[Blob, UploadTarget | None]:
    """Create a blob for the owner; return it and the target of its bytes.

    Idempotent: repeating an idempotency key returns the existing blob in its current state, without
    a target where it no longer awaits its bytes.

    Raises:
        InvalidUpload: a value is out of range.
        CallbackUrlRefused: no webhook can be sent to the callback URL.
        ExternalIdTaken: another blob of the owner has the external id.
        IdempotencyKeyReused: the key was used with another request.
        QuotaExceeded: the owner has too many uploads at this moment.
        StorageFull: there is no space for the bytes.

    """
    check_request(
        request,
        services.max_upload_bytes,
        services.callback_rules,
        require_size=services.require_size_bytes,
    )
    services.check_space(request.size_bytes or 0)
    with services.tracer.span("createUpload") as span:
        created = await _create(services, owner, request, span.traceparent)
        span.set({BLOB_ID: created[0].id})
        return created


async def _create(
    services: Services, owner: str, request: UploadRequest, traceparent: str | None
) -> tuple[Blob, UploadTarget | None]:
    now = services.clock()
    blob = Blob(
        id=new_id(now),
        owner=owner,
        status=BlobStatus.AWAITING_UPLOAD,
        content_type=request.content_type,
        created_at=now,
        max_labels=_max_labels(request),
        min_confidence=_min_confidence(request),
        callback_url=request.callback_url,
        callback_on_label_change=request.callback_on_label_change,
        declared_size=request.size_bytes,
        declared_sha256=request.sha256,
        facts=Facts(request.file_name, request.external_id, metadata_of(request.metadata)),
        traceparent=traceparent,
    )
    kept = blob
    # An id has 80 random bits: one that exists was written by this call, and its response lost.
    with suppress(AlreadyExists):
        kept = await services.write(services.uploads.reserve, blob, key_of(request))
    if kept is blob:
        services.metrics(Metric.UPLOADS_CREATED)
        log.info("upload created", extra={"blob_id": blob.id, "owner": owner})
    is_awaited = kept.status is BlobStatus.AWAITING_UPLOAD
    return kept, target_of(services, kept, now) if is_awaited else None


def key_of(request: UploadRequest) -> IdempotencyKey | None:
    """Return the hashes of a request's idempotency key and of its other values."""
    if request.idempotency_key is None:
        return None
    values = {
        **asdict(request),
        "max_labels": _max_labels(request),
        "min_confidence": _min_confidence(request),
    }
    key = values.pop("idempotency_key")
    for name in _LATER_VALUES:
        if not values[name]:
            del values[name]
    return IdempotencyKey(_sha256(key), _sha256(json.dumps(values, sort_keys=True)))


async def renew_upload(services: Services, owner: str, blob_id: str) -> tuple[Blob, UploadTarget]:
    """Return a blob that still awaits its bytes, with a new target for them.

    Raises:
        BlobNotFound: the owner has no such blob.
        WrongState: its bytes have arrived, or it has expired.

    """
    blob = await find_blob(services, owner, blob_id)
    if blob.status is not BlobStatus.AWAITING_UPLOAD:
        raise WrongState(blob_id, blob.status, "uploaded")
    return blob, target_of(services, blob, services.clock())


def target_of(services: Services, blob: Blob, now: datetime) -> UploadTarget:
    """Sign the URL that accepts a blob's bytes."""
    terms = UploadTerms(
        content_type=blob.content_type.value,
        max_bytes=services.max_upload_bytes,
        size=blob.declared_size,
        sha256=blob.declared_sha256,
    )
    return services.storage.presign_put(blob.key, terms, now=now)


def check_request(
    request: UploadRequest,
    max_upload_bytes: int,
    rules: CallbackRules,
    *,
    require_size: bool = False,
) -> None:
    """Check every value of a request. Raises InvalidUpload or CallbackUrlRefused."""
    problems = [*problems_in(request.file_name, request.external_id, request.metadata)]
    if request.size_bytes is None and require_size:
        problems.append(InvalidValue("sizeBytes", "is required: give the size of the file"))
    if request.size_bytes is not None and not 1 <= request.size_bytes <= max_upload_bytes:
        problems.append(InvalidValue("sizeBytes", f"must be from 1 to {max_upload_bytes}"))
    if request.sha256 is not None and not is_sha256(request.sha256):
        problems.append(InvalidValue("sha256", SHA256_FORM))
    if not 1 <= _max_labels(request) <= MAX_LABELS:
        problems.append(InvalidValue("maxLabels", f"must be from 1 to {MAX_LABELS}"))
    if not 0 <= _min_confidence(request) <= PER_CENT:
        problems.append(InvalidValue("minConfidence", "must be from 0 to 100"))
    if request.idempotency_key is not None and not 1 <= len(request.idempotency_key) <= MAX_KEY:
        problems.append(InvalidValue("idempotencyKey", f"must have 1 to {MAX_KEY} characters"))
    if problems:
        raise InvalidUpload(tuple(problems))
    if request.callback_url is not None:
        check_callback_url(request.callback_url, rules)


def check_callback_url(url: str, rules: CallbackRules) -> None:
    """Check that webhooks may be sent to a URL. Raises CallbackUrlRefused."""
    read_callback_url(url, rules)


def _max_labels(request: UploadRequest) -> int:
    return DEFAULT_MAX_LABELS if request.max_labels is None else request.max_labels


def _min_confidence(request: UploadRequest) -> float:
    given = request.min_confidence
    # Rounded to the precision of every store.
    return round(float(DEFAULT_MIN_CONFIDENCE if given is None else given), 6)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def is_sha256(text: str) -> bool:
    """Tell whether a text is the base64 of a SHA-256 in its canonical form."""
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(digest) == _SHA256_BYTES and base64.b64encode(digest).decode() == text
