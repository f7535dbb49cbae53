"""Counts of what the service refused because a limit was met, with a log line now and then."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from embedded.logs import LogThrottle

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

LOG_SECONDS: Final = 60.0  # between two log lines about the same limit


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
