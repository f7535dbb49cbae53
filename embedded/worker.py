"""The background threads: they turn rows into AWS events and call the handlers with them."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from core.domain.errors import Unavailable
from embedded.events import sqs_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.queues.sqlite import SqliteQueue
    from embedded.change_feed import ChangeFeed

    Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]

log = logging.getLogger(__name__)

LONG_POLL: Final = timedelta(seconds=20)  # SQS's longest
RECOVERY_PAUSE: Final = 1.0  # seconds after an error
OTHER_WRITERS_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Consumer:
    """Threads that receive from a queue and call a handler with SQS events."""

    name: str
    queue: SqliteQueue
    handle: Handler
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Periodic:
    """A thread that makes a call at the start, and again `seconds` after each call."""

    name: str
    call: Callable[[], None]
    seconds: float


class Worker:
    """All background work of the embedded service.

    `others_wrote` tells whether another process has written to the database since its last call.
    """

    def __init__(
        self,
        consumers: Sequence[Consumer],
        feed: ChangeFeed,
        periodic: Sequence[Periodic],
        others_wrote: Callable[[], bool],
    ) -> None:
        self._queues = [consumer.queue for consumer in consumers]
        self._feed = feed
        self._others_wrote = others_wrote
        self._stopping = threading.Event()
        self._changed = threading.Event()
        feed.listen(self._changed.set)
        self._threads = [
            _thread("change feed", self._follow_feed),
            *(_thread(each.name, self._repeat, each) for each in periodic),
            _thread("queue wake-up", self._wake_queues),
        ]
        for consumer in consumers:
            for number in range(consumer.threads):
                self._threads.append(_thread(f"{consumer.name}-{number}", self._consume, consumer))

    def start(self) -> None:
        """Release the messages that a former process held, then start the threads."""
        for queue in self._queues:
            queue.release_all()
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Hand out no more work and wait for running work; return False if some did not end."""
        self._stopping.set()
        self._changed.set()
        for queue in self._queues:
            queue.close()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def health_error(self) -> str | None:
        """Return which threads are not running; None if all are."""
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        return f"not running: {', '.join(dead)}" if dead else None

    def _consume(self, consumer: Consumer) -> None:
        queue = consumer.queue
        while not self._stopping.is_set():
            with self._pausing_on_errors(queue.name):
                messages = queue.receive(wait=LONG_POLL)
                if not messages:
                    continue
                answer = consumer.handle(sqs_event(queue.name, messages))
                failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
                for message in messages:
                    if message.id in failed:
                        queue.change_visibility(message.receipt, backoff(message.receive_count))
                    else:
                        queue.delete(message.receipt)

    def _follow_feed(self) -> None:
        while True:
            # In this order: `stop` sets `_stopping` before `_changed`.
            self._changed.clear()
            if self._stopping.is_set():
                return
            with self._pausing_on_errors("change feed"):
                match self._feed.read():
                    case 0:
                        self._changed.wait()
                    case None:
                        self._stopping.wait(RECOVERY_PAUSE)

    def _repeat(self, periodic: Periodic) -> None:
        while not self._stopping.is_set():
            with self._pausing_on_errors(periodic.name):
                periodic.call()
            self._stopping.wait(periodic.seconds)

    def _wake_queues(self) -> None:
        """Wake the queues when another process writes."""
        while not self._stopping.wait(OTHER_WRITERS_SECONDS):
            with self._pausing_on_errors("queue wake-up"):
                if self._others_wrote():
                    for queue in self._queues:
                        queue.wake()

    @contextmanager
    def _pausing_on_errors(self, name: str) -> Iterator[None]:
        """Log an error and pause, so that the thread stays alive and does not spin."""
        try:
            yield
        except Unavailable as error:
            log.error("%s: store unavailable: %s", name, error)  # noqa: TRY400  # no bug of ours
            self._stopping.wait(RECOVERY_PAUSE)
        except Exception:
            log.exception("%s: unexpected error", name)
            self._stopping.wait(RECOVERY_PAUSE)


def backoff(receive_count: int) -> timedelta:
    """Return how long a failed message is hidden: 1 s, 5 s, 25 s, ... at most 15 minutes."""
    # From the fifth power on the bound holds, and a timedelta can't hold much larger powers.
    return min(timedelta(seconds=5 ** min(receive_count - 1, 5)), timedelta(minutes=15))


def _thread(name: str, run: Callable[..., None], *args: object) -> threading.Thread:
    return threading.Thread(target=run, args=args, name=name, daemon=True)
