"""One picture of any owner, as the operator sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import FailureCode
from core.domain.clock import is_id, to_text
from core.domain.delivery import attempt_reason, parse_delivery_id
from embedded.admin.deliveries import delivery_record

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob
    from core.domain.delivery import Attempt, Delivery

# What an operator can do about a picture that failed. docs/errors.md has the owner's remedies.
REMEDIES: Final = {
    FailureCode.CONTENT_TYPE_MISMATCH: "An earlier version failed it: its owner can have it "
    "labelled again with relabelBlob.",
    FailureCode.CORRUPT_IMAGE: "Its owner saves the picture again in an image program and uploads "
    "that.",
    FailureCode.TOO_MANY_PIXELS: "Its owner uploads a smaller picture; or raise --max-pixels "
    "(maxPixels on AWS), and its owner has it labelled again.",
    FailureCode.TOO_LARGE: "Its owner uploads a smaller file; or raise --max-upload-bytes "
    "(maxUploadBytes on AWS).",
    FailureCode.UNSUPPORTED_FORMAT: "Its owner converts the picture to JPEG or PNG and uploads "
    "that.",
    FailureCode.ORIGINAL_MISSING: "Its bytes are gone: 'labelling verify' shows what else is "
    "missing; restore a backup, or its owner uploads it again.",
    FailureCode.LABELLER_UNAVAILABLE: "Search the log for the blob's id, mend the cause, and run "
    "'labelling dead-letters retry'; on AWS, redrive the dead letters.",
}


def blob_id_in(text: str) -> str | None:
    """Return the id of a blob: given as it is, in an object key, or in the id of its webhook."""
    text = text.strip().rpartition("/")[2]
    found = parse_delivery_id(text)
    blob_id = (found[0] if found else text).upper()
    return blob_id if is_id(blob_id) else None


def blob_record(blob: Blob, delivery: Delivery | None) -> dict[str, Any]:
    """Return a blob and its latest webhook as JSON values; null what is not known."""
    return {
        "id": blob.id,
        "owner": blob.owner,
        "status": blob.status.value,
        "file_name": blob.facts.file_name,
        "external_id": blob.facts.external_id,
        "content_type": blob.content_type.value,
        "size_bytes": blob.declared_size if blob.size is None else blob.size,
        "width": blob.width,
        "height": blob.height,
        "created_at": to_text(blob.created_at),
        "uploaded_at": _text(blob.uploaded_at),
        "finished_at": _text(blob.finished_at),
        "changed_at": _text(blob.changed_at),
        "deletes_at": _text(blob.deletes_at),
        "key": blob.key,
        "detector": blob.detector,
        "failure": blob.failure
        and {
            "code": blob.failure.code.value,
            "message": blob.failure.message,
            "remedy": REMEDIES[blob.failure.code],
        },
        "labels": None
        if blob.labels is None
        else [
            {"name": each.name, "confidence": each.confidence, "source": each.source.value}
            for each in blob.labels
        ],
        "callback_url": blob.callback_url,
        "webhook": delivery
        and delivery_record(delivery) | {"log": list(map(_attempt, delivery.attempts))},
        "trace_id": blob.traceparent and blob.traceparent.split("-")[1],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    _, reason = attempt_reason(attempt, in_progress=False)
    return {
        "number": attempt.number,
        "started_at": to_text(attempt.started),
        "ended_at": _text(attempt.ended),
        "status": attempt.status,
        "error": reason,
    }


def _text(time: datetime | None) -> str | None:
    return to_text(time) if time else None
