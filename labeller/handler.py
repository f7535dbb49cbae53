"""The labeller's way in: AWS event JSON, whoever sends it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from core.domain.blob import parse_original_key
from core.runtime.logging import log_context
from labeller.s3_event import Upload, sqs_records, uploads_in, uploads_in_message

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

log = logging.getLogger(__name__)


class UploadLabeller(Protocol):
    """What is done with each upload."""

    def label(self, upload: Upload) -> None:
        """Label one uploaded picture; raises when it should be tried again."""

    def give_up(self, upload: Upload) -> None:
        """Note that an upload is tried no more."""


def handle(
    event: Mapping[str, Any], labeller: UploadLabeller, *, last_receive: int | None = None
) -> dict[str, Any]:
    """Label every upload of an S3 event, bare or SQS-wrapped.

    For SQS the answer names the messages to be received again (Lambda: "partial batch
    responses"); one bad message stops no other. A bare event has no such answer, so its first
    error is raised after all its uploads were tried.

    `last_receive` is after how many receives the queue sets a message aside as a dead letter: the
    uploads of one that fails for the last time are given up. None where the queue tells of it.
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
            failed = [
                upload
                for upload in uploads_in_message(message["body"])
                if _try(labeller, upload) is not None
            ]
            if not failed:
                continue
            if last_receive and _receives(message) >= last_receive:
                for upload in failed:
                    _give_up(labeller, upload)
        except Exception:  # whatever one message does, the others go on
            log.exception("not an upload event", extra={"message_id": message.get("messageId")})
        failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}


def _receives(message: Mapping[str, Any]) -> int:
    return int(message.get("attributes", {}).get("ApproximateReceiveCount", 1))


def _try(labeller: UploadLabeller, upload: Upload) -> Exception | None:
    with _about(upload):
        try:
            labeller.label(upload)
        except Exception as error:  # reported to the queue, which tries again
            log.exception("labelling failed, to be tried again")
            return error
    return None


def _give_up(labeller: UploadLabeller, upload: Upload) -> None:
    with _about(upload):
        try:
            labeller.give_up(upload)
        except Exception:  # the look for abandoned uploads finds it again
            log.exception("upload not given up")


def _about(upload: Upload) -> AbstractContextManager[None]:
    named = parse_original_key(upload.key)
    return log_context(blob_id=named[1]) if named else log_context(object_key=upload.key)
