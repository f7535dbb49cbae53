"""What the queue on SQLite guarantees beyond the port: wake-ups, and closing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest

from core.backends.sqlite import Database
from core.domain.clock import utc_now
from core.queues.base import Message
from core.queues.sqlite import SqliteQueue

LONG = timedelta(minutes=10)
PATIENCE = 60  # seconds; far less than the wait, so a receive that returns was woken
Received = Future[Sequence[Message]]


@pytest.fixture
def queue(database: Database) -> SqliteQueue:
    return SqliteQueue(database, "work", utc_now, visibility=timedelta(minutes=1), max_receives=5)


@pytest.fixture
def looks(queue: SqliteQueue, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record each look of `receive` for a message, as the seconds until there is one."""
    looks: list[float] = []
    pause = queue._pause

    def noted() -> float:
        looks.append(pause())
        return looks[-1]

    monkeypatch.setattr(queue, "_pause", noted)
    return looks


@contextmanager
def waiting(queue: SqliteQueue, count: int) -> Iterator[list[Received]]:
    """Start threads in `receive`, and wait until they are most likely asleep."""
    begun = threading.Semaphore(0)

    def receive() -> Sequence[Message]:
        begun.release()
        return queue.receive(wait=LONG)

    with ThreadPoolExecutor(count) as pool:
        try:
            futures = [pool.submit(receive) for _ in range(count)]
            assert all(begun.acquire(timeout=PATIENCE) for _ in futures)
            time.sleep(0.05)
            yield futures
        finally:
            queue.close()


def test_delay_is_not_rounded(queue: SqliteQueue, looks: list[float]) -> None:
    """A delayed message is received when it is due, without polling."""
    with waiting(queue, 1) as (future,):
        sent = time.monotonic()
        queue.send("a", delay=timedelta(seconds=0.2))
        messages = future.result(timeout=PATIENCE)
    assert [message.body for message in messages] == ["a"]
    assert time.monotonic() - sent >= 0.19
    # At first, after the send, and when it was due or a moment before.
    assert len(looks) <= 5


def test_waiting_receive_does_not_poll(queue: SqliteQueue, looks: list[float]) -> None:
    """Nor does it with a message that is not due yet."""
    queue.send("later", delay=LONG)
    began = time.monotonic()
    assert queue.receive(wait=timedelta(seconds=0.3)) == []
    assert time.monotonic() - began >= 0.29
    assert len(looks) <= 3


def test_closing_ends_every_wait(queue: SqliteQueue) -> None:
    """Receives return no messages, now and later; sending still works."""
    with waiting(queue, 2) as futures:
        queue.close()
        assert [future.result(timeout=PATIENCE) for future in futures] == [[], []]
    queue.send("a")
    assert queue.receive(wait=LONG) == []
    assert queue.depth() == 1


def test_batch_wakes_as_many_receivers(queue: SqliteQueue, database: Database) -> None:
    """One transaction may send many messages: no receiver sleeps while one is visible."""
    with waiting(queue, 4) as futures:
        with database.write():
            for n in range(4):
                queue.send(str(n))
        taken = [m.body for future in futures for m in future.result(timeout=PATIENCE)]
    assert sorted(taken) == list("0123")
