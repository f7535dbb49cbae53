"""A queue on SQS (Amazon SQS Developer Guide: "Standard queues")."""

from __future__ import annotations

import math
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from core.backends.aws_errors import error_code, translated_errors
from core.domain.clock import from_epoch_ms
from core.domain.errors import InvalidValue, Unavailable
from core.queues.base import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Amazon SQS Developer Guide: "Message quotas"; API Reference: ReceiveMessage.
MAX_BODY: Final = 1024 * 1024  # bytes
MAX_DELAY: Final = timedelta(minutes=15)
MAX_HIDDEN: Final = timedelta(hours=12)
MAX_LIMIT: Final = 10
MAX_WAIT: Final = timedelta(seconds=20)

_NOW = timedelta(0)
# Error codes of DeleteMessage and ChangeMessageVisibility for an invalid or expired receipt. The
# only parameters that can be invalid are the receipt, and a timeout that would end more than 12
# hours after the receive.
_INVALID_RECEIPT: Final = frozenset(
    {
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidIdFormat",
        "InvalidParameterValue",
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)


class SqsQueue:
    """A standard queue, given by its URL.

    Visibility timeout, dead-letter queue and retention are configured in SQS. The client's read
    timeout must be longer than the longest wait, as botocore's default is.
    """

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, body: str, *, delay: timedelta = _NOW) -> None:
        """Send a message that becomes visible after `delay`.

        The delay is rounded up to whole seconds. SQS delays by at most 15 minutes: a longer delay
        ends then, so the receiver must check whether the message is early.

        Raises:
            InvalidValue: the body is empty, longer than 1 MiB or has characters that SQS refuses.
            Unavailable: SQS can't answer.

        """
        if not 0 < len(body.encode()) <= MAX_BODY:
            raise InvalidValue("body", f"must have 1 to {MAX_BODY:,} bytes")
        try:
            with translated_errors("SQS"):
                self._client.send_message(
                    QueueUrl=self._url, MessageBody=body, DelaySeconds=_seconds(delay, MAX_DELAY)
                )
        except Unavailable as exc:
            if error_code(exc.__cause__) == "InvalidMessageContents":
                raise InvalidValue("body", "has characters that SQS refuses") from exc.__cause__
            raise

    def receive(self, *, limit: int = 1, wait: timedelta = _NOW) -> Sequence[Message]:
        """Receive up to `limit` messages; wait up to `wait` for the first.

        The limit is at most 10. The wait is at most 20 seconds, rounded down to whole seconds.
        """
        with translated_errors("SQS"):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(limit, MAX_LIMIT),
                WaitTimeSeconds=int(min(wait, MAX_WAIT).total_seconds()),
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        return [_message(found) for found in answer.get("Messages", ())]

    def delete(self, receipt: str) -> None:
        """Delete a received message.

        SQS also accepts an older receipt, but then "the message might not be deleted" (API
        Reference: DeleteMessage).
        """
        with _lenient():
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)

    def change_visibility(self, receipt: str, timeout: timedelta) -> None:
        """Make a received message visible after `timeout`.

        The timeout is rounded up to whole seconds, and is at most 12 hours. A timeout that would
        end more than 12 hours after the receive has no effect: SQS refuses it (API Reference:
        ChangeMessageVisibility).
        """
        with _lenient():
            self._client.change_message_visibility(
                QueueUrl=self._url,
                ReceiptHandle=receipt,
                VisibilityTimeout=_seconds(timeout, MAX_HIDDEN),
            )


def _seconds(time: timedelta, most: timedelta) -> int:
    """Return whole seconds, rounded up, so that no message is visible early."""
    return math.ceil(max(_NOW, min(time, most)).total_seconds())


def _message(found: Mapping[str, Any]) -> Message:
    attributes = found["Attributes"]
    return Message(
        id=found["MessageId"],
        receipt=found["ReceiptHandle"],
        body=found["Body"],
        receive_count=int(attributes["ApproximateReceiveCount"]),
        sent_at=from_epoch_ms(int(attributes["SentTimestamp"])),
    )


@contextmanager
def _lenient() -> Iterator[None]:
    try:
        with translated_errors("SQS"):
            yield
    except Unavailable as exc:
        if error_code(exc.__cause__) not in _INVALID_RECEIPT:
            raise
