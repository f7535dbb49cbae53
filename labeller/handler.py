"""The labeller's event handler: takes AWS event JSON from any source."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from core.domain.blob import parse_original_key
from core.runtime.logging import log_context
from labeller.s3_event import Upload, sqs_records, uploads_in, uploads_in_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    Handled = Callable[[Mapping[str, Any]], bool]
    Run = Callable[[Handled, Iterable[Mapping[str, Any]]], Iterable[bool]]

log = logging.getLogger(__name__)


class UploadLabeller(Protocol):
    """Labels uploads, as `BlobLabeller` does."""

    def label(self, upload: Upload) -> None:
        """Label an uploaded picture. Raises an error if it must be retried."""

    def give_up(self, upload: Upload) -> None:
        """Record that an upload will not be retried."""


def handle(
    event: Mapping[str, Any],
    labeller: UploadLabeller,
    *,
    last_receive: int | None = None,
    run: Run = map,
) -> dict[str, Any]:
    """Label every upload of an S3 event, bare or in SQS messages.

    For SQS the result names the messages to retry (Lambda: "partial batch responses"), and a failed
    message doesn't stop the others. A bare event has no such result, so its first error is raised
    after all its uploads were tried.

    `last_receive` is the number of receives after which the queue moves a message to its dead
    letters. The uploads of a message that fails at this receive are given up. Pass None if another
    part of the system gives them up. `run` handles the messages, as an executor's `map` does in
    threads.
    """
    messages = sqs_records(event)
    if messages is None:
        errors = [error for upload in uploads_in(event) if (error := _label(labeller, upload))]
        if errors:
            raise errors[0]
        return {"batchItemFailures": []}
    done = run(partial(_label_message, labeller, last_receive), messages)
    failed = [message for message, ok in zip(messages, done, strict=True) if not ok]
    return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in failed]}


def _label_message(
    labeller: UploadLabeller, last_receive: int | None, message: Mapping[str, Any]
) -> bool:
    """Label the uploads of a message. Return False if it must be retried."""
    try:
        failed = [
            upload
            for upload in uploads_in_message(message["body"])
            if _label(labeller, upload) is not None
        ]
        if not failed:
            return True
        if last_receive and _receive_count(message) >= last_receive:
            for upload in failed:
                _give_up(labeller, upload)
    except Exception:  # one message's error must not stop the others
        log.exception("invalid upload event", extra={"message_id": message.get("messageId")})
    return False


def _receive_count(message: Mapping[str, Any]) -> int:
    return int(message.get("attributes", {}).get("ApproximateReceiveCount", 1))


def _label(labeller: UploadLabeller, upload: Upload) -> Exception | None:
    """Label an upload, and return its error if it fails."""
    with _log_context(upload):
        try:
            labeller.label(upload)
        except Exception as error:  # the queue retries the message
            log.exception("labelling failed, will be retried")
            return error
    return None


def _give_up(labeller: UploadLabeller, upload: Upload) -> None:
    with _log_context(upload):
        try:
            labeller.give_up(upload)
        except Exception:  # the maintenance finds the abandoned upload
            log.exception("upload not given up")


def _log_context(upload: Upload) -> AbstractContextManager[None]:
    owner_and_id = parse_original_key(upload.key)
    if owner_and_id:
        return log_context(blob_id=owner_and_id[1])
    return log_context(object_key=upload.key)
