"""Uses of deprecated elements of the schema, counted by element, and by key in the log."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from core.runtime.refusals import LogThrottle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from api.auth.caller import Caller

log = logging.getLogger(__name__)

LOG_SECONDS: Final = 3600.0  # between two lines about the same key and element


def count_nothing(_element: str) -> None:
    """Do nothing: there is no metric."""


class DeprecatedUses:
    """Counts uses of deprecated elements, which have the names of schema coordinates.

    The first use by a key in an hour leaves a log line, which has the number of uses since the line
    before. `count` adds a use of an element to a metric. Call it in the event loop.
    """

    def __init__(
        self,
        count: Callable[[str], None] = count_nothing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._count = count
        self._throttle = LogThrottle(LOG_SECONDS, clock)

    def add(self, caller: Caller, elements: Iterable[str]) -> None:
        """Count one use of each element by a caller."""
        for element in sorted(elements):
            self.counts[element] += 1
            self._count(element)
            if uses := self._throttle.admit(f"{caller.name} {element} {caller.owner}"):
                extra = {
                    "element": element,
                    "caller": caller.name,
                    "owner": caller.owner,
                    "uses": uses,
                }
                log.warning("deprecated element of the schema used", extra=extra)
