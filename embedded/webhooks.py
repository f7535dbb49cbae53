"""The notifier of the embedded service."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

from core.domain.clock import utc_now
from core.runtime.settings import BadSetting
from embedded.stores import webhook_lease
from notifier.attempt_trace import trace_attempts
from notifier.delivery import Deliverer
from notifier.handler import Notifier
from notifier.http.client import WebhookClient, trusting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

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
        WebhookClient(deadline=settings.webhook_timeout, rules=rules, tls=tls_settings(os.environ)),
        utc_now,
        random.SystemRandom(),
        lease_duration=webhook_lease(settings),
        metrics=metrics,
        trace=trace_attempts(tracer, stores.blobs, send_context=settings.webhook_traceparent),
    )
    return Notifier(stores.blobs, stores.deliveries, deliverer, stores.delivery_queue, utc_now)


def tls_settings(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the TLS settings of webhooks, which trust the authorities of SSL_CERT_FILE too.

    Raises BadSetting where that file can't be read.
    """
    file = environ.get("SSL_CERT_FILE")
    try:
        return trusting(file)
    except OSError as exc:
        raise BadSetting(
            f"SSL_CERT_FILE is {file!r}, which can't be read as certificates ({exc}): name a file "
            "in PEM, or remove the variable."
        ) from exc
