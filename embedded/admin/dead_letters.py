"""Messages that failed too often: what they were about, and what is known of the reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import parse_original_key
from core.domain.clock import to_text
from core.domain.delivery import attempt_reason
from core.domain.errors import InvalidValue
from labeller.s3_event import InvalidEvent, uploads_in_message

if TYPE_CHECKING:
    from core.queues.sqlite import DeadLetter, SqliteQueue
    from embedded.stores import Stores

# What reading a message without its fields raises, or one that is nested too deeply.
_BAD_JSON: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
_MALFORMED: Final = "The message is malformed: no retry will help."


def find_queue(stores: Stores, name: str) -> SqliteQueue:
    """Return the queue with a name. Raises InvalidValue."""
    for queue in stores.queues:
        if queue.name == name:
            return queue
    names = ", ".join(queue.name for queue in stores.queues)
    raise InvalidValue("queue", f"there is no queue {name!r}: choose from {names}")


def describe_letter(stores: Stores, queue: str, letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter with its owner, its subject and the reason. Raises Unavailable.

    The subject is the id of a blob or a webhook; null where the message does not tell. `error` is
    what the labeller raised at the last attempt, if it is known.
    """
    if queue == stores.upload_events.name:
        found = _upload(stores, letter.body)
    elif queue == stores.delivery_queue.name:
        found = _delivery(stores, letter.body)
    else:
        found = _change(stores, letter.body)
    owner, subject, reason = found
    return {
        "queue": queue,
        "id": letter.id,
        "sent_at": to_text(letter.sent_at),
        "receives": letter.receive_count,
        "owner": owner,
        "subject": subject,
        "reason": reason,
        "error": letter.error,
    }


_Description = tuple[str | None, str | None, str]


def _upload(stores: Stores, body: str) -> _Description:
    try:
        keys = [upload.key for upload in uploads_in_message(body)]
    except (InvalidEvent, ValueError) as error:
        return None, None, f"{_MALFORMED} {error}"
    for key in keys:
        if owner_and_id := parse_original_key(key):
            owner, blob_id = owner_and_id
            blob = stores.blobs.get(blob_id)
            if blob is None:
                return owner, blob_id, "The blob was deleted."
            if blob.failure:
                return owner, blob_id, f"{blob.failure.code}: {blob.failure.message}"
            return owner, blob_id, f"Labelling failed. The blob is {blob.status.value} now."
    return None, None, "The message names no picture."


def _delivery(stores: Stores, body: str) -> _Description:
    try:
        delivery_id = str(json.loads(body)["delivery_id"])
    except _BAD_JSON:
        return None, None, _MALFORMED
    found = stores.deliveries.get(delivery_id)
    if found is None:
        return None, delivery_id, "The webhook was deleted."
    if not found.attempts:
        return found.owner, delivery_id, "The notifier failed before its first attempt."
    _, reason = attempt_reason(found.attempts[-1], in_progress=False)
    return found.owner, delivery_id, reason or f"The webhook is {found.state.value} now."


def _change(stores: Stores, body: str) -> _Description:
    try:
        blob_id = json.loads(body)["Records"][0]["dynamodb"]["Keys"]["pk"]["S"].partition("#")[2]
    except _BAD_JSON:
        return None, None, _MALFORMED
    blob = stores.blobs.get(blob_id)
    reason = "The notifier could not process a change of the blob."
    return blob.owner if blob else None, blob_id, reason
