"""Publisher of changes to subscriptions: best effort, and never at the cost of webhooks.

A client that reconnects receives the current state at once, so the next change or the next
connection makes up for a lost event.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from core.events.subscription_event import Changed, subscription_event
from core.events.topics import topics_of
from core.runtime.metrics import Metric, Metrics, no_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from core.domain.blob_event import BlobEvent

log = logging.getLogger(__name__)

# For all changes of a batch. It must be less than the time that a batch of the stream may take.
TIMEOUT_SECONDS: Final = 5.0


class Listeners(Protocol):
    """Knows which topics have subscribers."""

    def has_listeners(self, topic: str) -> bool:
        """Return whether a topic has subscribers."""


class SubscriptionPublisher:
    """Passes those events to `send` whose topics have subscribers, as one subscription event.

    It asks for no more topics once `timeout` seconds have passed.
    """

    def __init__(
        self,
        listeners: Listeners,
        send: Callable[[Mapping[str, Any]], None],
        metrics: Metrics = no_metrics,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._listeners = listeners
        self._send = send
        self._metrics = metrics
        self._timeout = timeout

    def publish(self, events: Iterable[BlobEvent]) -> None:
        """Publish the events of a batch of changes. Errors are only logged and counted."""
        batch = list(events)
        try:
            self._publish(batch)
        except Exception:
            log.exception("changes not published", extra={"blob_ids": [e.blob_id for e in batch]})
            self._metrics(Metric.LIVE_CHANGES_LOST, len(batch))

    def _publish(self, events: Sequence[BlobEvent]) -> None:
        until = time.monotonic() + self._timeout
        heard: dict[str, bool] = {}
        for topic in sorted({topic for event in events for topic in topics_of(event)}):
            if time.monotonic() > until:
                raise TimeoutError(
                    f"Only {len(heard)} topics were looked up within {self._timeout:g} s."
                )
            heard[topic] = self._listeners.has_listeners(topic)
        wanted = [
            Changed(event, frozenset(filter(heard.__getitem__, topics_of(event))))
            for event in events
            if any(map(heard.__getitem__, topics_of(event)))
        ]
        if wanted:
            self._send(subscription_event(wanted))
