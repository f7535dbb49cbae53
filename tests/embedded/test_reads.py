"""Reads beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from catalogue.errors import Unavailable
from embedded.reads import Reads


@pytest.fixture
def reads() -> Iterator[Reads]:
    reads = Reads()
    yield reads
    reads.close()


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
    reads.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) <= before
