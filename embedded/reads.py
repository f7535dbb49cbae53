"""Reads of SQLite beside the event loop, at a tenth of the cost of a thread pool's."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

# Seconds in which some call must end, or another thread takes on those that wait.
_PATIENCE: Final = 0.02
# Seconds that such a thread stays, so that those behind a long call aren't held up one by one.
_STAY: Final = 1.0
_MAX_THREADS: Final = 32

_Job = tuple["asyncio.Future[Any]", Context, "Callable[[], Any]"]
_Outcome = tuple["asyncio.Future[Any]", Any, BaseException | None]


class Reads:
    """Makes calls that take microseconds for one event loop, most often all in one thread.

    The thread takes several calls in a row, and wakes the loop once for them. When no call ended
    for 20 ms, because one waits for a disk say, another thread helps, and stays for a second after
    its last call. A call that nobody waits for any more when its turn comes isn't made.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._outcomes: deque[_Outcome] = deque()
        self._waking = False
        # What follows is the loop's alone.
        self._pending = 0
        self._ended = 0
        self._thread: threading.Thread | None = None
        self._watched = False
        self._helpers: list[threading.Thread] = []

    def __call__(
        self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Make a blocking call; must be called in the loop, and be awaited there."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="reads", daemon=True)
            self._thread.start()
        if not self._watched:
            self._watched = True
            loop.call_later(_PATIENCE, self._watch, loop, self._ended)
        self._pending += 1
        self._jobs.put((future, copy_context(), partial(call, *args, **kwargs)))
        return future

    def stop(self, seconds: float) -> bool:
        """End the threads after the calls they were given; tell whether all ended in time.

        To be called last.
        """
        self._jobs.put(None)
        until = time.monotonic() + seconds
        threads = [self._thread, *self._helpers] if self._thread else []
        for thread in threads:
            thread.join(max(0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _watch(self, loop: asyncio.AbstractEventLoop, ended_before: int) -> None:
        self._helpers = [each for each in self._helpers if each.is_alive()]
        if not self._pending:
            self._watched = False
            return
        if self._ended == ended_before and len(self._helpers) < _MAX_THREADS:
            self._helpers.append(threading.Thread(target=self._help, daemon=True))
            self._helpers[-1].start()
        loop.call_later(_PATIENCE, self._watch, loop, self._ended)

    def _work(self) -> None:
        while job := self._jobs.get():
            self._make(*job)
        self._jobs.put(None)  # the other threads' word to end

    def _help(self) -> None:
        with suppress(Empty):
            while job := self._jobs.get(timeout=_STAY):
                self._make(*job)
            self._jobs.put(None)  # the other threads' word to end

    def _make(self, future: asyncio.Future[Any], context: Context, call: Callable[[], Any]) -> None:
        result, trouble = None, None
        try:
            if not future.cancelled():
                result = context.run(call)
        except BaseException as error:  # noqa: BLE001  # whoever waits is told
            trouble = error
        self._outcomes.append((future, result, trouble))
        if not self._waking:
            self._waking = True
            with suppress(RuntimeError):  # the loop is closed
                future.get_loop().call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._waking = False  # first: what ends from now on wakes the loop again
        while self._outcomes:
            future, result, error = self._outcomes.popleft()
            self._pending -= 1
            self._ended += 1
            if future.cancelled():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
