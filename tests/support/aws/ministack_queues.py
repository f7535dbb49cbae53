"""Queues of a MiniStack whose clock the test sets."""

from __future__ import annotations

import json
import threading
from itertools import count
from pathlib import Path
from typing import Any, Final

from core.domain.clock import Clock, utc_now
from core.queues.sqs import SqsQueue
from tests.support.aws.emulators import Emulator
from tests.support.aws.s3_and_sqs import VISIBILITY

SET_CLOCK: Final = Path(__file__).with_name("set_clock")
_numbers: Final = count(1)


def clock_settings(file: Path) -> dict[str, str]:
    """Return the variables by which MiniStack's time is that in a file."""
    file.touch()
    return {"PYTHONPATH": str(SET_CLOCK), "SET_CLOCK": str(file)}


class MiniStackQueues:
    """The queues of one test."""

    def __init__(self, ministack: Emulator, clock_file: Path) -> None:
        self._client = ministack.client("sqs")
        self._file = clock_file
        self._urls: dict[str, str] = {}

    def make(self, name: str, clock: Clock, *, max_receives: int = 100) -> SqsQueue:
        """Make a queue and its dead letters, unless they are there.

        The clock is that of all queues from now on.
        """
        self._clock = _ClockedClient(self._client, clock, self._file)
        if name not in self._urls:
            unique = f"{name}-{next(_numbers)}"
            dead = self._client.create_queue(QueueName=f"{unique}-dead-letters")["QueueUrl"]
            found = self._client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
            redrive = {
                "deadLetterTargetArn": found["Attributes"]["QueueArn"],
                "maxReceiveCount": max_receives,
            }
            attributes = {
                "VisibilityTimeout": str(int(VISIBILITY.total_seconds())),
                "RedrivePolicy": json.dumps(redrive),
            }
            created = self._client.create_queue(QueueName=unique, Attributes=attributes)
            self._urls[name] = created["QueueUrl"]
        return SqsQueue(self._clock, self._urls[name])

    def dead_letters(self, queue: SqsQueue) -> list[str]:
        """Return the bodies of up to 10 dead letters of a queue, which stay there."""
        answer = self._clock.receive_message(
            QueueUrl=f"{queue._url}-dead-letters", MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return [letter["Body"] for letter in answer.get("Messages", ())]

    def close(self) -> None:
        """Delete the queues."""
        for url in self._urls.values():
            self._client.delete_queue(QueueUrl=url)
            self._client.delete_queue(QueueUrl=f"{url}-dead-letters")


class _ClockedClient:
    """A client of SQS that sets MiniStack's clock before each call."""

    def __init__(self, client: Any, clock: Clock, file: Path) -> None:
        self._client = client
        self._clock = clock
        self._file = file
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def clocked(**arguments: Any) -> Any:
            # The machine's own clock runs on during a call.
            text = "" if self._clock is utc_now else repr(self._clock().timestamp())
            with self._lock:
                if self._file.read_text() != text:
                    written = self._file.with_suffix(".new")
                    written.write_text(text)
                    written.replace(self._file)
            return call(**arguments)

        return clocked
