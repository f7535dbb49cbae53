"""The notifier of the embedded service."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from core.domain.clock import utc_now
from embedded.stores import webhook_lease
from notifier.attempt_trace import trace_attempts
from notifier.delivery import Deliverer
from notifier.handler import Notifier
from notifier.http.client import WebhookClient

if TYPE_CHECKING:
    from core.domain.webhook_url import CallbackRules
    from core.runtime.metrics import Metrics
    from core.runtime.tracing import Tracer
    from embedded.settings import Settings
    from embedded.stores import Stores


def build_notifier(
    settings: Settings, stores: Stores, rules: CallbackRules, metrics: Metrics, tracer: Tracer
) -> Notifier:
    """Make the notifier, which sends webhooks where `rules` allow."""
    deliverer = Deliverer(
        stores.deliveries,
        stores.owners,
        WebhookClient(deadline=settings.webhook_timeout, rules=rules),
        utc_now,
        random.SystemRandom(),
        lease_duration=webhook_lease(settings),
        metrics=metrics,
        trace=trace_attempts(tracer, stores.blobs, send_context=settings.webhook_traceparent),
    )
    return Notifier(stores.blobs, stores.deliveries, deliverer, stores.delivery_queue, utc_now)
