"""Threads for blocking calls beside the event loop, by kinds of work."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, fields
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

READ_THREADS: Final = 8
SEARCH_THREADS: Final = 2  # each keeps a processor busy
WRITE_THREADS: Final = 8  # one writes at a time, and the others sync to disk meanwhile
UPLOAD_THREADS: Final = 8

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
        self._executor.shutdown(wait=False, cancel_futures=True)
        stopping = Thread(target=self._executor.shutdown, daemon=True)
        stopping.start()
        stopping.join(seconds)
        return not stopping.is_alive()


@dataclass(frozen=True, slots=True)
class ThreadPools:
    """A pool for each kind of work, so that none waits for the threads of another."""

    read: ThreadPool  # short reads of the database and of files' names
    search: ThreadPool  # comparing pictures
    write: ThreadPool  # transactions of the API
    upload: ThreadPool  # syncing an upload to disk
    thumbnail: ThreadPool  # waiting for a detector process
    key_use: ThreadPool  # storing when an API key was used
    issuer: ThreadPool  # fetching the keys of an OpenID Connect issuer

    def stop(self, seconds: float) -> bool:
        """Stop all as `ThreadPool.stop` does, within `seconds` together."""
        until = time.monotonic() + seconds
        pools = [getattr(self, each.name) for each in fields(self)]
        ended = [pool.stop(max(0.0, until - time.monotonic())) for pool in pools]
        return all(ended)


def build_pools(*, thumbnails: int) -> ThreadPools:
    """Make the thread pools; `thumbnails` are made at a time, no more than there are processes."""
    return ThreadPools(
        read=ThreadPool("read", READ_THREADS),
        search=ThreadPool("search", SEARCH_THREADS),
        write=ThreadPool("write", WRITE_THREADS),
        upload=ThreadPool("upload", UPLOAD_THREADS),
        thumbnail=ThreadPool("thumbnail", thumbnails),
        key_use=ThreadPool("key-use", 1),
        issuer=ThreadPool("issuer", 1),
    )
