"""One at a time for each key, within this process."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator


class Turns:
    """Lets the threads that are about the same thing do it one after the other."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken: dict[Hashable, tuple[threading.Lock, int]] = {}

    @contextmanager
    def of(self, key: Hashable) -> Iterator[None]:
        """Wait until no other thread is in a block of this key, and be in it."""
        with self._guard:
            lock, waiting = self._taken.get(key, (threading.Lock(), 0))
            self._taken[key] = lock, waiting + 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, waiting = self._taken.pop(key)
                if waiting > 1:
                    self._taken[key] = lock, waiting - 1
