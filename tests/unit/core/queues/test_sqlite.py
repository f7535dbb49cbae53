"""What the queue on SQLite promises beyond the port: wake-ups, and an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from core.backends.sqlite import Database
from core.domain.clock import utc_now
from core.queues.base import Message
from core.queues.sqlite import SqliteQueue
from embedded.migrations import MIGRATIONS

LONG = timedelta(seconds=20)
Received = Future[tuple[Sequence[Message], float]]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "labelling.sqlite", MIGRATIONS)
    yield database
    database.close()


@pytest.fixture
def queue(database: Database) -> SqliteQueue:
    return SqliteQueue(database, "work", utc_now, visibility=timedelta(minutes=1), max_receives=5)


@contextmanager
def waiting(queue: SqliteQueue, count: int) -> Iterator[list[Received]]:
    """Threads in `receive`, most likely asleep already; each tells when it came back."""
    begun = threading.Semaphore(0)

    def receive() -> tuple[Sequence[Message], float]:
        begun.release()
        return queue.receive(wait=LONG), time.monotonic()

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(receive) for _ in range(count)]
        assert all(begun.acquire(timeout=5) for _ in futures)
        time.sleep(0.05)
        yield futures


def test_parts_of_a_second_count(queue: SqliteQueue) -> None:
    """A delayed message is taken when it is due, not a poll later."""
    with waiting(queue, 1) as (future,):
        sent = time.monotonic()
        queue.send("a", delay=timedelta(seconds=0.2))
        messages, came = future.result(timeout=5)
    assert [message.body for message in messages] == ["a"]
    assert 0.19 <= came - sent < 0.7


def test_a_wait_uses_no_processor(queue: SqliteQueue) -> None:
    """Nor does it with a message that is not due yet."""
    queue.send("later", delay=LONG)
    began, used = time.monotonic(), time.thread_time()
    assert queue.receive(wait=timedelta(seconds=0.3)) == []
    assert 0.29 <= time.monotonic() - began < 0.8
    assert time.thread_time() - used < 0.03


def test_closing_ends_every_wait(queue: SqliteQueue) -> None:
    """And no more work is handed out, now or later; work can still be put in."""
    with waiting(queue, 2) as futures:
        closed = time.monotonic()
        queue.close()
        for future in futures:
            messages, came = future.result(timeout=5)
            assert messages == []
            assert came - closed < 0.5
    queue.send("a")
    assert queue.receive(wait=LONG) == []
    assert queue.depth() == 1


def test_many_sent_at_once_find_as_many_receivers(queue: SqliteQueue, database: Database) -> None:
    """One transaction may put in a whole batch: no receiver sleeps on beside waiting work."""
    with waiting(queue, 4) as futures:
        with database.write():
            for n in range(4):
                queue.send(str(n))
        taken = [m.body for future in futures for m in future.result(timeout=5)[0]]
    assert sorted(taken) == list("0123")
