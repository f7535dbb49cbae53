"""From a client's wish to a blob that awaits its bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from api.services.dependencies import Services
from api.threads import run_in_thread
from core.domain.blob import Blob, BlobStatus, ImageType
from core.domain.clock import new_id
from core.domain.errors import (
    AlreadyExists,
    BlobNotFound,
    InvalidValue,
    LabellingError,
    WrongState,
)
from core.runtime.metrics import Metric
from core.storage.base import UploadTarget, UploadTerms

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.webhook_url import CallbackRules
    from core.repositories.ports.uploads import IdempotencyKey

log = logging.getLogger(__name__)

MAX_LABELS: Final = 40  # a blob and its label entries are written in one DynamoDB transaction
PER_CENT: Final = 100
MAX_KEY: Final = 255  # characters of an idempotency key
SHA256_FORM: Final = "must be the base64 of a SHA-256, 44 characters"
_SHA256_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What a client asks for; not checked yet."""

    content_type: ImageType
    size_bytes: int | None = None
    sha256: str | None = None
    callback_url: str | None = None
    max_labels: int = 10
    min_confidence: float = 55.0
    idempotency_key: str | None = None


class InvalidUpload(LabellingError):
    """Some of the wish can't be granted; `problems` says which and what is allowed."""

    def __init__(self, problems: tuple[InvalidValue, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


async def create_upload(
    services: Services, owner: str, wish: UploadRequest
) -> tuple[Blob, UploadTarget]:
    """Keep a new blob of the owner's and say where its bytes go.

    Wished for again under the same key it is the same blob, as it is by then.

    Raises:
        InvalidUpload, CallbackUrlRefused, IdempotencyKeyReused, QuotaExceeded: see there.

    """
    check_request(wish, services.max_upload_bytes, services.callback_rules)
    now = services.clock()
    blob = Blob(
        id=new_id(now),
        owner=owner,
        status=BlobStatus.AWAITING_UPLOAD,
        content_type=wish.content_type,
        created_at=now,
        max_labels=wish.max_labels,
        min_confidence=_exact(wish.min_confidence),
        callback_url=wish.callback_url,
        declared_size=wish.size_bytes,
        declared_sha256=wish.sha256,
    )
    kept = blob
    # An id has 80 random bits: one that is taken was taken by this write, its answer being lost.
    with suppress(AlreadyExists):
        kept = await run_in_thread(services.uploads.reserve, blob, key_of(wish))
    if kept is blob:
        services.metrics(Metric.UPLOADS_CREATED)
        log.info("upload promised", extra={"blob_id": blob.id, "owner": owner})
    return kept, target_of(services, kept, now)


def key_of(wish: UploadRequest) -> IdempotencyKey | None:
    """Return a wish's idempotency key, with a digest of all that is wished for besides."""
    if wish.idempotency_key is None:
        return None
    from core.repositories.ports.uploads import IdempotencyKey  # not for a Lambda's start  # noqa: PLC0415

    asked = {**asdict(wish), "min_confidence": _exact(wish.min_confidence)}
    key = asked.pop("idempotency_key")
    return IdempotencyKey(_sha256(key), _sha256(json.dumps(asked, sort_keys=True)))


async def renew_upload(services: Services, owner: str, blob_id: str) -> tuple[Blob, UploadTarget]:
    """Give a fresh URL for a blob that still awaits its bytes.

    Raises:
        BlobNotFound: there is no such blob of the owner's.
        WrongState: its bytes are there, or it has expired.

    """
    blob = (await run_in_thread(services.blobs.find, owner, [blob_id])).get(blob_id)
    if blob is None:
        raise BlobNotFound(blob_id)
    if blob.status is not BlobStatus.AWAITING_UPLOAD:
        raise WrongState(blob_id, blob.status, "uploaded")
    return blob, target_of(services, blob, services.clock())


def target_of(services: Services, blob: Blob, now: datetime) -> UploadTarget:
    """Sign the URL that takes a blob's bytes."""
    terms = UploadTerms(
        content_type=blob.content_type.value,
        max_bytes=services.max_upload_bytes,
        size=blob.declared_size,
        sha256=blob.declared_sha256,
    )
    return services.storage.presign_put(blob.key, terms, now=now)


def check_request(wish: UploadRequest, max_upload_bytes: int, rules: CallbackRules) -> None:
    """Check every value of a wish. Raises InvalidUpload or CallbackUrlRefused."""
    problems = []
    if wish.size_bytes is not None and not 1 <= wish.size_bytes <= max_upload_bytes:
        problems.append(InvalidValue("sizeBytes", f"must be from 1 to {max_upload_bytes}"))
    if wish.sha256 is not None and not is_sha256(wish.sha256):
        problems.append(InvalidValue("sha256", SHA256_FORM))
    if not 1 <= wish.max_labels <= MAX_LABELS:
        problems.append(InvalidValue("maxLabels", f"must be from 1 to {MAX_LABELS}"))
    if not 0 <= wish.min_confidence <= PER_CENT:
        problems.append(InvalidValue("minConfidence", "must be from 0 to 100"))
    if wish.idempotency_key is not None and not 1 <= len(wish.idempotency_key) <= MAX_KEY:
        problems.append(InvalidValue("idempotencyKey", f"must have 1 to {MAX_KEY} characters"))
    if problems:
        raise InvalidUpload(tuple(problems))
    if wish.callback_url is not None:
        check_callback_url(wish.callback_url, rules)


def check_callback_url(url: str, rules: CallbackRules) -> None:
    """Check that a webhook may be sent to a URL. Raises CallbackUrlRefused."""
    from core.domain.webhook_url import read_callback_url  # not for a Lambda's start  # noqa: PLC0415

    read_callback_url(url, rules)


def _exact(confidence: float) -> float:
    return round(float(confidence), 6)  # no store tells finer ones apart


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def is_sha256(text: str) -> bool:
    """Tell whether a text is the base64 of a SHA-256, written in the one usual way."""
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(digest) == _SHA256_BYTES and base64.b64encode(digest).decode() == text
