"""Blocking calls made in threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class RunInThread(Protocol):
    """Makes a blocking call while the event loop serves other requests."""

    def __call__(  # noqa: D102
        self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[R]: ...


async def run_in_thread(call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Make a blocking call in a worker thread and return its result."""
    from anyio.to_thread import run_sync  # 1.5% of a Lambda's start  # noqa: PLC0415

    return await run_sync(lambda: call(*args, **kwargs))
