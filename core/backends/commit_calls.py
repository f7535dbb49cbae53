"""What is called after commits, in the order of the commits."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(slots=True, eq=False)
class CommittedCalls:
    """The calls of one commit. They are `ready` when it is on disk, or need not be."""

    calls: Sequence[Callable[[], None]]
    ready: bool = False


class CommitCalls:
    """Calls that wait for their commits to be on disk.

    A later commit may be on disk first. Then its calls wait for those of the earlier ones, and the
    thread that makes the earlier calls makes them too: a reader of changes sees them in order.
    """

    def __init__(self) -> None:
        self._waiting: deque[CommittedCalls] = deque()
        self._lock = threading.Lock()
        self._calling = False

    def add(self, calls: Sequence[Callable[[], None]]) -> CommittedCalls:
        """Add the calls of the latest commit, before another commit can follow."""
        commit = CommittedCalls(calls)
        with self._lock:
            self._waiting.append(commit)
        return commit

    def make(self, commit: CommittedCalls) -> None:
        """Make the calls of a commit, once those of all earlier commits are made."""
        commit.ready = True
        while due := self._next():
            try:
                for call in due.calls:
                    call()
            finally:
                with self._lock:
                    self._calling = False

    def _next(self) -> CommittedCalls | None:
        with self._lock:
            if self._calling or not self._waiting or not self._waiting[0].ready:
                return None
            self._calling = True
            return self._waiting.popleft()
