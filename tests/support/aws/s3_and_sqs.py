"""S3 and SQS in this process, by moto.

Where moto differs from what Amazon documents, the documentation wins and the difference is made
good here. (The table of all records: dynamodb.py.)
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from botocore.exceptions import ClientError
from moto.sqs import models as sqs_models

from core.domain.clock import Clock, epoch_ms, utc_now
from core.storage.s3 import client_config
from tests.support.aws.moto import moto_aws, session

ROOT: Final = Path(__file__).parents[3]
REGION: Final = "eu-central-1"
KEY_ID: Final = "testing"
SECRET_KEY: Final = "testing-secret"
VISIBILITY: Final = timedelta(seconds=60)
LOOK_AGAIN: Final = 0.02  # seconds


def aws_client(service: str, **options: Any) -> Any:
    """A client with made-up credentials."""
    return session().client(
        service,
        region_name=REGION,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET_KEY,
        **options,
    )


def s3_client(**options: Any) -> Any:
    """A client as `S3Storage` wants it."""
    return aws_client("s3", config=client_config(), **options)


@cache
def _clients() -> tuple[Any, Any]:
    """Made once, since that takes longer than most tests."""
    return s3_client(), aws_client("sqs")


def client_libraries_loaded_by(module: str) -> list[str]:
    """Which of Amazon's libraries are in memory after an import, in a process of its own."""
    script = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [name for name in loaded.split() if name in ("boto3", "botocore")]


class MockAws:
    """An account of its own, with empty stores."""

    def __init__(self) -> None:
        self.s3, sqs = _clients()
        self.sqs = StrictSqs(sqs)
        self._clock: Clock = utc_now

    def bucket(self, name: str = "pictures") -> str:
        """Make a bucket that keeps versions, as infra/bucket.yml says; return its name."""
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def queue(self, name: str, *, clock: Clock = utc_now, max_receives: int = 100) -> str:
        """Make a queue and its dead letters, unless they are there; return its URL.

        The clock is that of all queues from now on.
        """
        self._clock = clock
        dead = self.sqs.create_queue(QueueName=f"{name}-dead-letters")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        redrive = {
            "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
            "maxReceiveCount": max_receives,
        }
        url: str = self.sqs.create_queue(
            QueueName=name,
            Attributes={
                "VisibilityTimeout": str(int(VISIBILITY.total_seconds())),
                "RedrivePolicy": json.dumps(redrive),
            },
        )["QueueUrl"]
        return url

    def dead_letters(self, url: str) -> list[str]:
        """The bodies of up to 10 dead letters of the queue, which stay there."""
        answer = self.sqs.receive_message(
            QueueUrl=f"{url}-dead-letters", MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return [letter["Body"] for letter in answer.get("Messages", ())]

    def sqs_time_ms(self, _moment: Any = None) -> int:
        """What time SQS has."""
        return epoch_ms(self._clock())


@contextmanager
def mocked_aws() -> Iterator[MockAws]:
    """S3 and SQS for a test; nothing is left of them afterwards."""
    with moto_aws():
        aws = MockAws()
        with (
            patch.object(sqs_models, "unix_time_millis", aws.sqs_time_ms),
            patch.object(sqs_models, "unix_time", lambda: aws.sqs_time_ms() / 1000),
            # A timeout of 0 shows a message at once (API Reference: ChangeMessageVisibility);
            # moto shows it one tick after its timeout.
            patch.object(
                sqs_models.Message,
                "visible",
                property(lambda message: aws.sqs_time_ms() >= message.visible_at),
            ),
        ):
            yield aws


class StrictSqs:
    """A client of moto's SQS that takes the newest receipts only, and waits as a long poll does.

    Calls don't overlap: moto does not keep two receivers from taking the same message.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._newest: dict[str, str] = {}
        self._stale: set[str] = set()

    def receive_message(self, **request: Any) -> Any:
        """Wait for the first message; moto would look once a second, and by the test's clock."""
        wait = request.pop("WaitTimeSeconds", 0)
        assert 0 <= wait <= 20
        deadline = time.monotonic() + wait
        while True:
            with self._lock:
                answer = self._client.receive_message(**request)
                for message in answer.get("Messages", ()):
                    receipt = message["ReceiptHandle"]
                    if former := self._newest.get(message["MessageId"]):
                        self._stale.add(former)
                    self._newest[message["MessageId"]] = receipt
            left = deadline - time.monotonic()
            if left <= 0 or answer.get("Messages"):
                return answer
            time.sleep(min(left, LOOK_AGAIN))

    def delete_message(self, **request: Any) -> Any:
        """Take an older receipt, and delete nothing by it.

        API Reference, DeleteMessage: "the request will succeed, but the message might not be
        deleted". moto deletes it.
        """
        with self._lock:
            if request["ReceiptHandle"] in self._stale:
                return {}
            return self._client.delete_message(**request)

    def change_message_visibility(self, **request: Any) -> Any:
        """Refuse an older receipt, as one that is no longer in flight; moto takes it."""
        with self._lock:
            if request["ReceiptHandle"] in self._stale:
                raise ClientError(
                    {"Error": {"Code": "AWS.SimpleQueueService.MessageNotInflight"}},
                    "ChangeMessageVisibility",
                )
            return self._client.change_message_visibility(**request)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def locked(**request: Any) -> Any:
            with self._lock:
                return call(**request)

        return locked
