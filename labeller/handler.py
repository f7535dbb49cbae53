"""The labeller's way in: AWS event JSON, whoever sends it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from labeller.s3_event import Upload, sqs_records, uploads_in, uploads_in_message

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


class UploadLabeller(Protocol):
    """What is done with each upload."""

    def label(self, upload: Upload) -> None:
        """Label one uploaded picture; raises when it should be tried again."""


def handle(event: Mapping[str, Any], labeller: UploadLabeller) -> dict[str, Any]:
    """Label every upload of an S3 event, bare or SQS-wrapped.

    For SQS the answer names the messages to be received again (Lambda: "partial batch
    responses"); one bad message stops no other. A bare event has no such answer, so its first
    error is raised after all its uploads were tried.
    """
    messages = sqs_records(event)
    if messages is None:
        errors = [error for upload in uploads_in(event) if (error := _try(labeller, upload))]
        if errors:
            raise errors[0]
        return {"batchItemFailures": []}
    failures = []
    for message in messages:
        try:
            errors = [
                error
                for upload in uploads_in_message(message["body"])
                if (error := _try(labeller, upload))
            ]
        except Exception:  # whatever one message does, the others go on
            log.exception("not an upload event", extra={"message_id": message.get("messageId")})
            errors = [ValueError("unreadable")]
        if errors:
            failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}


def _try(labeller: UploadLabeller, upload: Upload) -> Exception | None:
    try:
        labeller.label(upload)
    except Exception as error:  # reported to the queue, which tries again
        blob_id = upload.key.rpartition("/")[2]
        log.exception("labelling failed, to be tried again", extra={"blob_id": blob_id})
        return error
    return None
