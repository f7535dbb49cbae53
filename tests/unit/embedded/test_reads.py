"""Reads beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from core.domain.errors import Unavailable
from embedded.reads import Reads

SECONDS = 10  # in which what is awaited must come


@pytest.fixture
def reads() -> Iterator[Reads]:
    reads = Reads()
    yield reads
    assert reads.stop(SECONDS)


def test_what_is_returned_or_raised_comes_back(reads: Reads) -> None:
    """Each to whoever asked; and the call sees the asker's context."""
    about: ContextVar[str] = ContextVar("about", default="nothing")

    def fail() -> None:
        raise Unavailable("no disk")

    async def ask(text: str) -> tuple[str, int]:
        about.set(text)
        return await reads(about.get), await reads(max, 1, 2, key=abs)

    async def main() -> None:
        asked = await asyncio.gather(*(ask(str(n)) for n in range(100)))
        assert asked == [(str(n), 2) for n in range(100)]
        with pytest.raises(Unavailable, match="no disk"):
            await reads(fail)
        assert await reads(str, 1) == "1"

    asyncio.run(main())


def test_a_call_that_waits_holds_up_others_for_a_moment_only(reads: Reads) -> None:
    """Many at a time as well."""
    go_on = threading.Event()

    async def main() -> None:
        slow = [reads(go_on.wait, 10) for _ in range(10)]
        async with asyncio.timeout(5):
            assert await reads(str, 1) == "1"
        assert not any(each.done() for each in slow)
        go_on.set()
        assert all(await asyncio.gather(*slow))

    asyncio.run(main())


def test_who_waits_no_more_is_not_told(reads: Reads) -> None:
    """And the others are."""
    go_on = threading.Event()

    async def main() -> None:
        given_up = asyncio.ensure_future(reads(go_on.wait, 10))
        others = [reads(str, n) for n in range(3)]
        given_up.cancel()
        go_on.set()
        assert await asyncio.gather(*others) == ["0", "1", "2"]
        with pytest.raises(asyncio.CancelledError):
            await given_up

    asyncio.run(main())


def test_the_loop_goes_on_meanwhile(reads: Reads) -> None:
    """That is what it is for."""
    go_on = threading.Event()

    async def main() -> None:
        waiting = reads(go_on.wait, 10)
        await asyncio.sleep(0)
        go_on.set()  # which a loop that was held up could not do
        assert await waiting

    asyncio.run(main())


def test_no_thread_is_left_behind() -> None:
    """After what was asked is done."""
    before = set(threading.enumerate())
    reads = Reads()

    async def main() -> None:
        await asyncio.gather(*(reads(str, n) for n in range(50)))

    asyncio.run(main())
    assert reads.stop(SECONDS)
    assert set(threading.enumerate()) <= before


def test_those_behind_a_long_call_are_not_held_up_one_by_one(reads: Reads) -> None:
    """One further thread makes them all, so that only the first of them had to be waited for."""

    async def run() -> None:
        go_on = threading.Event()
        waiting = reads(go_on.wait, SECONDS)
        try:
            threads = set()
            for _ in range(20):
                threads.add(await asyncio.wait_for(reads(threading.get_ident), SECONDS))
        finally:
            go_on.set()
        assert await waiting
        assert len(threads) == 1

    asyncio.run(run())


def test_a_call_nobody_waits_for_any_more_is_not_made(reads: Reads) -> None:
    """As after the time an operation may take."""

    async def run() -> list[int]:
        made: list[int] = []
        started, go_on = threading.Event(), threading.Event()

        def first() -> None:
            started.set()
            go_on.wait(SECONDS)

        before = reads(first)
        await asyncio.to_thread(started.wait, SECONDS)
        reads(made.append, 1).cancel()
        go_on.set()
        await before
        await reads(made.append, 2)
        return made

    assert asyncio.run(run()) == [2]


def test_stopping_waits_for_calls_under_way() -> None:
    """What they read is closed next; and it is told when they don't end."""
    reads = Reads()
    go_on = threading.Event()

    async def run() -> None:
        started = threading.Event()

        def call() -> None:
            started.set()
            go_on.wait(SECONDS)

        future = reads(call)
        await asyncio.to_thread(started.wait, SECONDS)
        future.cancel()

    asyncio.run(run())
    assert not reads.stop(0.01)
    go_on.set()
    assert reads.stop(SECONDS)


def test_what_was_never_used_stops() -> None:
    """There is no thread to end."""
    assert Reads().stop(0)
