"""What is SQS's own: its limits, whole seconds, its errors.

The answers here are stubbed: what SQS would say, as its API Reference has it. The client checks
requests against SQS's own description of its API.
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
from tests.support.aws import aws_client, client_libraries_loaded_by

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
def test_a_delay_is_in_whole_seconds_up_to_15_minutes(
    queue: SqsQueue, stub: Stubber, delay: timedelta, seconds: int
) -> None:
    """Rounded up, so that nothing is seen early but what waits longer than SQS can."""
    request = {"QueueUrl": URL, "MessageBody": "a", "DelaySeconds": seconds}
    stub.add_response("send_message", {}, request)
    queue.send("a", delay=delay)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [*ROUNDED, (timedelta(hours=12), 43_200), (timedelta(hours=12) + TICK, 43_200)],
)
def test_a_message_is_hidden_for_whole_seconds_up_to_12_hours(
    queue: SqsQueue, stub: Stubber, timeout: timedelta, seconds: int
) -> None:
    """Rounded up."""
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
def test_no_more_is_asked_for_than_sqs_gives(
    queue: SqsQueue, stub: Stubber, limit: int, wait: timedelta, asked: int, seconds: int
) -> None:
    """10 messages in 20 seconds; no wait is longer than the caller's."""
    request = {
        "QueueUrl": URL,
        "MaxNumberOfMessages": asked,
        "WaitTimeSeconds": seconds,
        "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
    }
    stub.add_response("receive_message", {}, request)
    assert queue.receive(limit=limit, wait=wait) == []


def test_a_message_has_what_sqs_says_of_it(queue: SqsQueue, stub: Stubber) -> None:
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
def test_a_body_has_a_byte_to_a_mebibyte(queue: SqsQueue, body: str) -> None:
    """Others are refused before SQS is asked: no later try would help."""
    with pytest.raises(InvalidValue, match="1 to 1,048,576 bytes"):
        queue.send(body)


def test_the_longest_body_is_sent(queue: SqsQueue, stub: Stubber) -> None:
    """A mebibyte of UTF-8."""
    body = "☃" * (MAX_BODY // 3) + "x"
    request = {"QueueUrl": URL, "MessageBody": body, "DelaySeconds": 0}
    stub.add_response("send_message", {}, request)
    queue.send(body)


def test_characters_that_sqs_refuses_are_an_invalid_body(queue: SqsQueue, stub: Stubber) -> None:
    """Those that XML has no place for."""
    stub.add_client_error("send_message", "InvalidMessageContents")
    with pytest.raises(InvalidValue, match="body") as caught:
        queue.send("\ufffe")
    assert isinstance(caught.value.__cause__, ClientError)


def call(queue: SqsQueue, operation: str) -> None:
    """The queue's method that makes that call."""
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
def test_what_sqs_can_not_do_now_is_unavailable(
    queue: SqsQueue, stub: Stubber, operation: str, code: str, status: int
) -> None:
    """By every call, with the client's error as its cause."""
    stub.add_client_error(operation, code, http_status_code=status)
    with pytest.raises(Unavailable, match=f"SQS.*{code}") as caught:
        call(queue, operation)
    assert isinstance(caught.value.__cause__, ClientError)


@pytest.mark.parametrize("operation", ["send_message", "receive_message"])
def test_a_wrong_parameter_is_not_passed_over(
    queue: SqsQueue, stub: Stubber, operation: str
) -> None:
    """It is none of a receipt."""
    stub.add_client_error(operation, "InvalidParameterValue", http_status_code=400)
    with pytest.raises(Unavailable):
        call(queue, operation)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_connection_is_unavailable(operation: str) -> None:
    """By every call."""

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
def test_a_receipt_that_sqs_refuses_changes_nothing(
    queue: SqsQueue, stub: Stubber, operation: str, code: str
) -> None:
    """Nor does it fail: the message is another worker's by now, or nobody's."""
    stub.add_client_error(operation, code, http_status_code=400)
    call(queue, operation)


@pytest.mark.slow
def test_importing_the_queue_loads_no_client_library() -> None:
    """The client is handed in."""
    assert client_libraries_loaded_by("core.queues.sqs") == []
