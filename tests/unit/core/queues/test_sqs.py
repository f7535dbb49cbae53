"""What is specific to SQS: its limits, whole seconds and errors.

The responses are stubs after SQS's API Reference. The client checks requests against SQS's own
description of its API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.stub import Stubber

from core.domain.errors import InvalidValue, Unavailable
from core.queues.base import Message
from core.queues.sqs import MAX_BODY, SqsQueue
from tests.support.aws.s3_and_sqs import aws_client, client_libraries_loaded_by

URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/work"
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


@pytest.fixture(scope="module")
def client() -> Any:
    return aws_client("sqs")


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def queue(client: Any, stub: Stubber) -> SqsQueue:
    return SqsQueue(client, URL)


ROUNDED = [
    (timedelta(0), 0),
    (-SECOND, 0),
    (TICK, 1),
    (SECOND, 1),
    (SECOND + TICK, 2),
    (timedelta(seconds=59.001), 60),
]


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        *ROUNDED,
        (timedelta(minutes=15) - TICK, 900),
        (timedelta(minutes=15) + TICK, 900),
        (timedelta(days=3), 900),
    ],
)
def test_delay_is_in_whole_seconds_up_to_15_minutes(
    queue: SqsQueue, stub: Stubber, delay: timedelta, seconds: int
) -> None:
    """It is rounded up, so that no message is early unless the delay exceeds the limit."""
    request = {"QueueUrl": URL, "MessageBody": "a", "DelaySeconds": seconds}
    stub.add_response("send_message", {}, request)
    queue.send("a", delay=delay)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [*ROUNDED, (timedelta(hours=12), 43_200), (timedelta(hours=12) + TICK, 43_200)],
)
def test_visibility_timeout_is_in_whole_seconds_up_to_12_hours(
    queue: SqsQueue, stub: Stubber, timeout: timedelta, seconds: int
) -> None:
    """It is rounded up."""
    request = {"QueueUrl": URL, "ReceiptHandle": "r", "VisibilityTimeout": seconds}
    stub.add_response("change_message_visibility", {}, request)
    queue.change_visibility("r", timeout)


@pytest.mark.parametrize(
    ("limit", "wait", "asked", "seconds"),
    [
        (1, timedelta(0), 1, 0),
        (10, 20 * SECOND, 10, 20),
        (11, 20 * SECOND + TICK, 10, 20),
        (1000, timedelta(days=1), 10, 20),
        (3, SECOND - TICK, 3, 0),
        (3, 2 * SECOND - TICK, 3, 1),
    ],
)
def test_receive_stays_within_the_limits_of_sqs(
    queue: SqsQueue, stub: Stubber, limit: int, wait: timedelta, asked: int, seconds: int
) -> None:
    """10 messages and 20 seconds; it never waits longer than the caller allows."""
    request = {
        "QueueUrl": URL,
        "MaxNumberOfMessages": asked,
        "WaitTimeSeconds": seconds,
        "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
    }
    stub.add_response("receive_message", {}, request)
    assert queue.receive(limit=limit, wait=wait) == []


def test_message_has_the_attributes_of_sqs(queue: SqsQueue, stub: Stubber) -> None:
    """SentTimestamp is in milliseconds."""
    found = {
        "MessageId": "m",
        "ReceiptHandle": "r",
        "Body": "☃",
        "Attributes": {"SentTimestamp": "1769860800123", "ApproximateReceiveCount": "2"},
    }
    stub.add_response("receive_message", {"Messages": [found]}, None)
    sent_at = datetime(2026, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)
    assert queue.receive() == [Message("m", "r", "☃", 2, sent_at)]


@pytest.mark.parametrize("body", ["", "x" * (MAX_BODY + 1), "☃" * (MAX_BODY // 3 + 1)])
def test_other_body_sizes_than_1_byte_to_1_mebibyte_are_refused(queue: SqsQueue, body: str) -> None:
    """Without a request: a retry would not help."""
    with pytest.raises(InvalidValue, match="1 to 1,048,576 bytes"):
        queue.send(body)


def test_longest_body_is_sent(queue: SqsQueue, stub: Stubber) -> None:
    """A mebibyte of UTF-8."""
    body = "☃" * (MAX_BODY // 3) + "x"
    request = {"QueueUrl": URL, "MessageBody": body, "DelaySeconds": 0}
    stub.add_response("send_message", {}, request)
    queue.send(body)


def test_characters_that_sqs_refuses_are_an_invalid_body(queue: SqsQueue, stub: Stubber) -> None:
    """Those that XML does not allow."""
    stub.add_client_error("send_message", "InvalidMessageContents")
    with pytest.raises(InvalidValue, match="body") as caught:
        queue.send("\ufffe")
    assert isinstance(caught.value.__cause__, ClientError)


def call(queue: SqsQueue, operation: str) -> None:
    """Return the queue's method that makes this API call."""
    calls: dict[str, Callable[[], object]] = {
        "send_message": lambda: queue.send("a"),
        "receive_message": queue.receive,
        "delete_message": lambda: queue.delete("r"),
        "change_message_visibility": lambda: queue.change_visibility("r", SECOND),
    }
    calls[operation]()


OPERATIONS = ["send_message", "receive_message", "delete_message", "change_message_visibility"]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("RequestThrottled", 400),
        ("InternalFailure", 500),
        ("ServiceUnavailable", 503),
        ("AccessDenied", 403),
        ("AWS.SimpleQueueService.NonExistentQueue", 400),
        ("KmsThrottled", 400),
    ],
)
def test_error_of_sqs_is_unavailable(
    queue: SqsQueue, stub: Stubber, operation: str, code: str, status: int
) -> None:
    """In every call, with the client's error as its cause."""
    stub.add_client_error(operation, code, http_status_code=status)
    with pytest.raises(Unavailable, match=f"SQS.*{code}") as caught:
        call(queue, operation)
    assert isinstance(caught.value.__cause__, ClientError)


@pytest.mark.parametrize("operation", ["send_message", "receive_message"])
def test_invalid_parameter_of_send_is_an_error(
    queue: SqsQueue, stub: Stubber, operation: str
) -> None:
    """Only a receipt may be invalid."""
    stub.add_client_error(operation, "InvalidParameterValue", http_status_code=400)
    with pytest.raises(Unavailable):
        call(queue, operation)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_missing_connection_is_unavailable(operation: str) -> None:
    """In every call."""

    class Cut:
        def __getattr__(self, _name: str) -> Any:
            def fail(**_request: Any) -> None:
                raise ConnectTimeoutError(endpoint_url=URL)

            return fail

    with pytest.raises(Unavailable) as caught:
        call(SqsQueue(Cut(), URL), operation)
    assert isinstance(caught.value.__cause__, ConnectTimeoutError)


@pytest.mark.parametrize("operation", ["delete_message", "change_message_visibility"])
@pytest.mark.parametrize(
    "code",
    [
        "ReceiptHandleIsInvalid",
        "InvalidIdFormat",
        "MessageNotInflight",
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidParameterValue",
    ],
)
def test_invalid_receipt_is_ignored(
    queue: SqsQueue, stub: Stubber, operation: str, code: str
) -> None:
    """Another worker has the message by now, or it was deleted."""
    stub.add_client_error(operation, code, http_status_code=400)
    call(queue, operation)


@pytest.mark.slow
def test_import_loads_no_client_library() -> None:
    assert client_libraries_loaded_by("core.queues.sqs") == []
