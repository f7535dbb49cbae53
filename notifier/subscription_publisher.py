"""Having subscriptions told of changes: as well as it goes, and never at the cost of webhooks.

Who connects anew is told the state at once, so that a notice which is lost is made good by the next
change or the next connection.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from core.events.subscription_event import Changed, subscription_event
from core.events.topics import topics_of
from core.runtime.metrics import Metric, Metrics, no_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from core.domain.change import Change

log = logging.getLogger(__name__)

# For all changes of a batch, as long as nothing hangs; less than a batch of the stream may take.
LIVE_SECONDS: Final = 5.0


class Listeners(Protocol):
    """Who listens to what."""

    def is_heard(self, topic: str) -> bool:
        """Tell whether a topic has listeners."""


class SubscriptionPublisher:
    """Gives `tell` a notice of those changes that somebody listens to, if there are any."""

    def __init__(
        self,
        listeners: Listeners,
        tell: Callable[[Mapping[str, Any]], None],
        metrics: Metrics = no_metrics,
        seconds: float = LIVE_SECONDS,
    ) -> None:
        self._listeners = listeners
        self._tell = tell
        self._metrics = metrics
        self._seconds = seconds

    def take(self, changes: Iterable[Change]) -> None:
        """Tell of a batch of changes, each blob once; whatever goes wrong is only logged."""
        topics: dict[tuple[str, str], set[str]] = {}
        for change in changes:
            blob = change.new or change.old
            if blob:
                topics.setdefault((blob.owner, blob.id), set()).update(topics_of(change))
        try:
            self._take(topics)
        except Exception:
            log.exception("subscriptions are not told", extra={"blob_ids": [i for _, i in topics]})
            self._metrics(Metric.LIVE_CHANGES_LOST, len(topics))

    def _take(self, topics: Mapping[tuple[str, str], set[str]]) -> None:
        until = time.monotonic() + self._seconds
        heard: dict[str, bool] = {}
        for topic in sorted(set().union(*topics.values())):
            if time.monotonic() > until:
                raise TimeoutError(f"No answer to {len(heard)} questions in {self._seconds:g} s.")
            heard[topic] = self._listeners.is_heard(topic)
        wanted = [
            Changed(owner, blob_id, frozenset(filter(heard.__getitem__, each)))
            for (owner, blob_id), each in topics.items()
            if any(map(heard.__getitem__, each))
        ]
        if wanted:
            self._tell(subscription_event(wanted))
