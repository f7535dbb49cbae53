"""The contract of every queue: the guarantees of an SQS standard queue."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from core.domain.clock import utc_now
from core.queues.base import Message, Queue
from tests.contracts.conftest import QueueRig

SECOND = timedelta(seconds=1)
VISIBILITY = timedelta(seconds=60)
LONG = timedelta(seconds=20)  # the longest that SQS waits
PATIENCE = 15  # seconds; less than the wait, so a receive that returns was woken


@pytest.fixture
def queue(queues: QueueRig, clock: Any) -> Queue:
    """A queue whose clock the test sets."""
    return queues.make("work", clock)


@pytest.fixture
def live(queues: QueueRig) -> Queue:
    """A queue on the real clock."""
    return queues.make("work", utc_now)


def bodies(messages: Sequence[Message]) -> list[str]:
    return [message.body for message in messages]


def take(queue: Queue) -> Message:
    (message,) = queue.receive()
    return message


def test_message_is_received_as_it_was_sent(queue: Queue, clock: Any) -> None:
    """With the time of sending."""
    sent_at = clock()
    queue.send('{"snow": "☃"}')
    clock.advance(SECOND)
    message = take(queue)
    assert (message.body, message.sent_at, message.receive_count) == ('{"snow": "☃"}', sent_at, 1)


def test_queues_of_one_store_are_separate(queues: QueueRig, clock: Any) -> None:
    queues.make("one", clock).send("a")
    assert queues.make("other", clock).receive() == []
    assert bodies(queues.make("one", clock).receive()) == ["a"]


def test_empty_queue_returns_at_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the caller waits."""

    def wait(*_: object, **__: object) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr(time, "sleep", wait)
    monkeypatch.setattr(threading.Condition, "wait", wait)
    assert queue.receive() == []


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_receive_respects_the_limit(queue: Queue, limit: int) -> None:
    """Each message is received once, until there are none."""
    for n in range(5):
        queue.send(str(n))
    taken: list[str] = []
    while messages := queue.receive(limit=limit):
        assert len(messages) <= limit
        taken += bodies(messages)
    assert sorted(taken) == list("01234")


def test_received_message_is_invisible_for_the_timeout(queue: Queue, clock: Any) -> None:
    """Then it is visible again, with a new receipt and a higher receive count."""
    queue.send("a")
    first = take(queue)
    clock.advance(VISIBILITY - timedelta(milliseconds=1))
    assert queue.receive() == []
    clock.advance(timedelta(milliseconds=1))
    second = take(queue)
    assert (second.id, second.body, second.receive_count) == (first.id, "a", 2)
    assert second.receipt != first.receipt


def test_deleted_message_is_not_received(queue: Queue, clock: Any) -> None:
    """Deleting it again changes nothing."""
    queue.send("a")
    queue.send("b")
    message = take(queue)
    queue.delete(message.receipt)
    queue.delete(message.receipt)
    clock.advance(VISIBILITY)
    assert len(queue.receive(limit=10)) == 1


def test_receipt_deletes_after_the_timeout(queue: Queue, clock: Any) -> None:
    """Unless another worker has received the message."""
    queue.send("a")
    message = take(queue)
    clock.advance(VISIBILITY)
    queue.delete(message.receipt)
    assert queue.receive() == []


@pytest.mark.parametrize("call", ["delete", "change_visibility"])
def test_old_receipt_changes_nothing(queue: Queue, clock: Any, call: str) -> None:
    """Another worker has the message now."""
    queue.send("a")
    stale = take(queue).receipt
    clock.advance(VISIBILITY)
    take(queue)
    if call == "delete":
        queue.delete(stale)
    else:
        queue.change_visibility(stale, timedelta(0))
    assert queue.receive() == []
    clock.advance(VISIBILITY)
    assert take(queue).receive_count == 3


def test_unknown_receipt_changes_nothing(queue: Queue) -> None:
    """There is no error."""
    queue.send("a")
    queue.delete("unknown")
    queue.change_visibility("unknown", SECOND)
    assert take(queue).body == "a"


@pytest.mark.parametrize("seconds", [0, 5, 600])
def test_visibility_timeout_can_be_changed(queue: Queue, clock: Any, seconds: int) -> None:
    """Shorter or longer, counted from now."""
    queue.send("a")
    message = take(queue)
    clock.advance(SECOND)
    queue.change_visibility(message.receipt, timedelta(seconds=seconds))
    if seconds:
        clock.advance(timedelta(seconds=seconds, milliseconds=-1))
        assert queue.receive() == []
        clock.advance(timedelta(milliseconds=1))
    assert take(queue).receive_count == 2


def test_delayed_message_is_visible_after_its_delay(queue: Queue, clock: Any) -> None:
    queue.send("late", delay=5 * SECOND)
    queue.send("prompt")
    assert bodies(queue.receive(limit=10)) == ["prompt"]
    clock.advance(5 * SECOND - timedelta(milliseconds=1))
    assert queue.receive() == []
    clock.advance(timedelta(milliseconds=1))
    assert take(queue).body == "late"


@pytest.mark.parametrize("max_receives", [1, 3])
def test_message_received_too_often_becomes_a_dead_letter(
    queues: QueueRig, clock: Any, max_receives: int
) -> None:
    """After exactly the maximum number of receives; the others are not held up."""
    queue = queues.make("work", clock, max_receives=max_receives)
    queue.send("poison")
    for n in range(max_receives):
        assert take(queue).receive_count == n + 1
        assert queues.dead_letters(queue) == []
        clock.advance(VISIBILITY)
    queue.send("healthy")
    taken = [*queue.receive(limit=1), *queue.receive(limit=1)]
    assert bodies(taken) == ["healthy"]
    assert queues.dead_letters(queue) == ["poison"]
    clock.advance(VISIBILITY)
    assert bodies(queue.receive(limit=10)) == (["healthy"] if max_receives > 1 else [])


def test_deleted_message_does_not_become_a_dead_letter(queues: QueueRig, clock: Any) -> None:
    """Even after its last receive."""
    queue = queues.make("work", clock, max_receives=1)
    queue.send("a")
    queue.delete(take(queue).receipt)
    clock.advance(VISIBILITY)
    assert queue.receive() == []
    assert queues.dead_letters(queue) == []


def test_receipt_of_a_dead_letter_changes_nothing(queues: QueueRig, clock: Any) -> None:
    queue = queues.make("work", clock, max_receives=1)
    queue.send("a")
    stale = take(queue).receipt
    clock.advance(VISIBILITY)
    assert queue.receive() == []
    queue.delete(stale)
    assert queues.dead_letters(queue) == ["a"]


def test_no_message_goes_to_two_threads(queue: Queue) -> None:
    """And none is lost."""
    for n in range(60):
        queue.send(str(n))

    def work(_: int) -> list[str]:
        taken: list[str] = []
        while messages := queue.receive(limit=3):
            taken += bodies(messages)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = Counter(body for each in pool.map(work, range(4)) for body in each)
    assert taken == Counter(map(str, range(60)))


def waiting_for(queue: Queue) -> tuple[ThreadPoolExecutor, Future[Sequence[Message]]]:
    """Start a thread in `receive`, and wait until it is most likely asleep."""
    pool = ThreadPoolExecutor(1)
    begun = threading.Event()

    def receive() -> Sequence[Message]:
        begun.set()
        return queue.receive(wait=LONG)

    future = pool.submit(receive)
    assert begun.wait(PATIENCE)
    time.sleep(0.05)
    return pool, future


def test_send_wakes_a_waiting_receive(live: Queue) -> None:
    pool, future = waiting_for(live)
    with pool:
        live.send("a")
        assert bodies(future.result(timeout=PATIENCE)) == ["a"]


def test_waiting_receive_gets_a_delayed_message_when_it_is_due(live: Queue) -> None:
    """Neither before nor at the end of its wait."""
    pool, future = waiting_for(live)
    with pool:
        sent = time.monotonic()
        live.send("a", delay=SECOND)
        assert bodies(future.result(timeout=PATIENCE)) == ["a"]
        assert time.monotonic() - sent >= 0.99


def test_waiting_receive_gets_a_message_made_visible_again(live: Queue) -> None:
    """By the worker that failed."""
    live.send("a")
    (message,) = live.receive()
    pool, future = waiting_for(live)
    with pool:
        live.change_visibility(message.receipt, timedelta(0))
        assert bodies(future.result(timeout=PATIENCE)) == ["a"]


def test_every_waiting_receive_gets_one_of_as_many_messages(live: Queue) -> None:
    """No wake-up is lost."""
    waiting = [waiting_for(live) for _ in range(4)]
    for n in range(4):
        live.send(str(n))
    taken = [body for _, future in waiting for body in bodies(future.result(timeout=PATIENCE))]
    for pool, _ in waiting:
        pool.shutdown()
    assert sorted(taken) == list("0123")


def test_wait_without_messages_ends(live: Queue) -> None:
    """Not before its time, and also if there is a message that is not due yet."""
    live.send("later", delay=timedelta(minutes=10))
    began = time.monotonic()
    assert live.receive(wait=SECOND) == []
    assert time.monotonic() - began >= 0.99
