"""A queue and the Lambda function that it invokes, with Lambda's recursion detection.

AWS Lambda Developer Guide: "Use Lambda recursive loop detection to prevent infinite loops".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any

from tests.support.aws.iam import Template
from tests.support.aws.template_rules.resources import functions

MAX_GENERATIONS = 16


class InvokingQueue:
    """Invokes a function with its messages, one at a time, and moves the clock to their times.

    A message belongs to the generation after that of the invocation that sends it. With
    `max_generations`, later messages move to `dead_letters`. `sent` counts all messages.
    """

    def __init__(self, clock: Any, max_generations: int | None) -> None:
        self.dead_letters: list[str] = []
        self.sent = 0
        self._clock = clock
        self._max_generations = max_generations
        self._generation = 0
        self._messages: list[tuple[Any, int, int, str]] = []
        self._numbers = count()

    def send(self, body: str, *, delay: timedelta = timedelta(0)) -> None:
        self.sent += 1
        message = (self._clock() + delay, next(self._numbers), self._generation + 1, body)
        heappush(self._messages, message)

    def run(self, handle: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Invoke the function until no message is left."""
        while self._messages:
            visible_at, number, generation, body = heappop(self._messages)
            self._clock.now = max(self._clock.now, visible_at)
            if self._max_generations is not None and generation > self._max_generations:
                self.dead_letters.append(body)
                continue
            self._generation = generation
            record = {"messageId": str(number), "body": body, "eventSource": "aws:sqs"}
            assert handle({"Records": [record]}) == {"batchItemFailures": []}
            self._generation = 0


def max_generations(template: Template, function: str) -> int | None:
    """Return after how many invocations Lambda stops a chain of a function; None for never."""
    allowed = functions(template)[function].get("RecursiveLoop") == "Allow"
    return None if allowed else MAX_GENERATIONS
