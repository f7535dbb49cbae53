"""Counts of what the service refused because a limit was met, with a log line now and then."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

LOG_SECONDS: Final = 60.0  # between two log lines about the same limit
MAX_KINDS: Final = 5000


class LogThrottle:
    """Admits one log line of a kind in `seconds`, so that a client can't fill the log.

    Beyond MAX_KINDS the kind admitted longest ago is forgotten, so that kinds cost no more memory.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        # The time of the last line of a kind, and what happened since. The latest line is last.
        self._kinds: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def admit(self, kind: str) -> int:
        """Return how many lines one line stands for; 0 if it is not to be logged now."""
        now = self._clock()
        admitted, count = self._kinds.get(kind, (-math.inf, 0))
        if now - admitted < self._seconds:
            self._kinds[kind] = admitted, count + 1
            return 0
        self._kinds[kind] = now, 0
        self._kinds.move_to_end(kind)
        if len(self._kinds) > MAX_KINDS:
            self._kinds.popitem(last=False)
        return count + 1


class Refusals:
    """Counts refusals by the kind of what was refused and the limit that was met.

    The first of each in a minute leaves a log line, which has the count since the line before.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._throttle = LogThrottle(LOG_SECONDS, clock)

    def add(self, kind: str, limit: str, **facts: object) -> None:
        """Count a refusal; `facts` are for the log line. Call it in the event loop."""
        self.counts[kind, limit] += 1
        if count := self._throttle.admit(f"{kind} {limit}"):
            extra = {"kind": kind, "limit": limit, "count": count, **facts}
            log.warning("limit exceeded, refused", extra=extra)
