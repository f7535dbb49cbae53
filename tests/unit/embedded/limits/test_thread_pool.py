"""Blocking calls beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import fields

import pytest

from core.domain.errors import Unavailable
from embedded.limits.thread_pool import ThreadPool, ThreadPools

SIZE = 4
SECONDS = 10  # in which every awaited result must come


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool("test", SIZE)
    yield pool
    assert pool.stop(SECONDS)


def test_caller_gets_result_or_error_of_its_own_call(pool: ThreadPool) -> None:
    """The call sees the caller's context variables."""
    about: ContextVar[str] = ContextVar("about", default="nothing")

    def fail() -> None:
        raise Unavailable("no disk")

    async def ask(text: str) -> tuple[str, int]:
        about.set(text)
        return await pool(about.get), await pool(max, 1, 2, key=abs)

    async def main() -> None:
        asked = await asyncio.gather(*(ask(str(n)) for n in range(100)))
        assert asked == [(str(n), 2) for n in range(100)]
        with pytest.raises(Unavailable, match="no disk"):
            await pool(fail)
        assert await pool(str, 1) == "1"

    asyncio.run(main())


def test_slow_calls_leave_threads_for_others(pool: ThreadPool) -> None:
    """As long as they are fewer than the pool has threads."""
    go_on = threading.Event()

    async def main() -> None:
        slow = [pool(go_on.wait, SECONDS) for _ in range(SIZE - 1)]
        async with asyncio.timeout(SECONDS):
            for number in range(20):
                assert await pool(str, number) == str(number)
        assert not any(each.done() for each in slow)
        go_on.set()
        assert all(await asyncio.gather(*slow))

    asyncio.run(main())


def test_event_loop_runs_while_calls_wait(pool: ThreadPool) -> None:
    go_on = threading.Event()

    async def main() -> None:
        waiting = pool(go_on.wait, SECONDS)
        await asyncio.sleep(0)
        go_on.set()  # a blocked loop could not do this
        assert await waiting

    asyncio.run(main())


def test_no_more_calls_run_at_once_than_the_pool_has_threads(pool: ThreadPool) -> None:
    """Even when the callers of running calls are cancelled, as by the time limit of operations."""
    running: list[int] = []
    peak: list[int] = []
    go_on = threading.Event()
    lock = threading.Lock()

    def call(number: int) -> None:
        with lock:
            running.append(number)
            peak.append(len(running))
        go_on.wait(SECONDS)
        with lock:
            running.remove(number)

    async def main() -> None:
        cancelled = [pool(call, number) for number in range(SIZE)]
        while len(peak) < SIZE:  # noqa: ASYNC110  # set by threads
            await asyncio.sleep(0.001)
        for each in cancelled:
            each.cancel()
        later = [pool(call, number) for number in range(SIZE, 2 * SIZE)]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*later)

    asyncio.run(main())
    assert max(peak) == SIZE


def test_call_cancelled_before_its_turn_is_not_made() -> None:
    pool = ThreadPool("test", 1)

    async def run() -> list[int]:
        made: list[int] = []
        started, go_on = threading.Event(), threading.Event()

        def first() -> None:
            started.set()
            go_on.wait(SECONDS)

        before = pool(first)
        await asyncio.to_thread(started.wait, SECONDS)
        pool(made.append, 1).cancel()
        await asyncio.sleep(0)  # the loop tells the pool
        go_on.set()
        await before
        await pool(made.append, 2)
        return made

    assert asyncio.run(run()) == [2]
    assert pool.stop(SECONDS)


def test_cancelled_caller_gets_no_result_and_others_get_theirs() -> None:
    pool = ThreadPool("test", 1)
    go_on = threading.Event()

    async def main() -> None:
        given_up = asyncio.ensure_future(pool(go_on.wait, SECONDS))
        others = [pool(str, n) for n in range(3)]
        given_up.cancel()
        go_on.set()
        assert await asyncio.gather(*others) == ["0", "1", "2"]
        with pytest.raises(asyncio.CancelledError):
            await given_up

    asyncio.run(main())
    assert pool.stop(SECONDS)


def test_stop_ends_every_thread() -> None:
    before = set(threading.enumerate())
    pool = ThreadPool("test", SIZE)

    async def main() -> None:
        await asyncio.gather(*(pool(str, n) for n in range(50)))

    asyncio.run(main())
    assert pool.stop(SECONDS)
    assert set(threading.enumerate()) <= before


def test_stop_waits_for_calls_in_progress() -> None:
    """The database is closed next. It returns False if they do not end in time."""
    pool = ThreadPool("test", SIZE)
    go_on = threading.Event()

    async def run() -> None:
        started = threading.Event()

        def call() -> None:
            started.set()
            go_on.wait(SECONDS)

        future = pool(call)
        await asyncio.to_thread(started.wait, SECONDS)
        future.cancel()

    asyncio.run(run())
    assert not pool.stop(0.01)
    go_on.set()
    assert pool.stop(SECONDS)


def test_unused_pool_stops() -> None:
    assert ThreadPool("test", SIZE).stop(SECONDS)


def test_pools_stop_together() -> None:
    """False if one of them does not end in time; the others end all the same."""
    pools = ThreadPools(*(ThreadPool("test", 1) for _ in fields(ThreadPools)))
    go_on = threading.Event()

    async def run() -> None:
        started = threading.Event()

        def call() -> None:
            started.set()
            go_on.wait(SECONDS)

        pools.read(call)
        assert await pools.thumbnail(str, 1) == "1"
        await asyncio.to_thread(started.wait, SECONDS)

    asyncio.run(run())
    assert not pools.stop(0.01)
    with pytest.raises(RuntimeError):
        asyncio.run(call_in(pools.thumbnail))
    go_on.set()
    assert pools.stop(SECONDS)


async def call_in(pool: ThreadPool) -> None:
    await pool(str, 1)
