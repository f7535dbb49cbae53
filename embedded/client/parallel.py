"""Run one function over many items in a few threads."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")

_QUEUED_PER_THREAD: Final = 4


def map_in_threads(
    work: Callable[[T], R], items: Iterable[T], threads: int, stopping: threading.Event
) -> Iterator[R]:
    """Yield the results of `work` for each item, in the order in which they complete.

    Items are read as threads become free. An exception of `work`, of `items` or of the caller
    cancels what has not begun, sets `stopping`, waits for running calls, and propagates.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="import") as pool:
        pending: set[Future[R]] = set()
        try:
            for item in items:
                pending.add(pool.submit(work, item))
                if len(pending) >= threads * _QUEUED_PER_THREAD:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (each.result() for each in done)
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        except BaseException:
            stopping.set()
            pool.shutdown(cancel_futures=True)
            raise
