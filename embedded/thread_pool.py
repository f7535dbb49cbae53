"""Threads for blocking calls of one kind, beside the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


class ThreadPool:
    """Makes blocking calls of one kind for an event loop, at most `size` at a time.

    A call that waits for its turn holds no thread. If its caller is cancelled meanwhile, it is not
    made.
    """

    def __init__(self, name: str, size: int) -> None:
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=name)

    def __call__(
        self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Make a call in a thread, in the caller's context. Use it in the event loop."""
        in_context = partial(copy_context().run, call, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self._executor, in_context)

    def stop(self, seconds: float) -> bool:
        """Cancel the calls that wait; return whether those in progress ended in time."""
        stopping = Thread(target=self._executor.shutdown, kwargs={"cancel_futures": True})
        stopping.daemon = True
        stopping.start()
        stopping.join(seconds)
        return not stopping.is_alive()
