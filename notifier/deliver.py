"""One attempt at one delivery: claim, POST, decide, finish."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from catalogue.clock import epoch_ms
from catalogue.delivery import Attempt, DeliveryState, Verdict
from catalogue.meter import Meter, Metric, no_meter
from notifier.egress import NotSent
from notifier.retries import MAX_ATTEMPTS, decide
from notifier.signing import signed_headers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from catalogue.clock import Clock
    from catalogue.delivery import Delivery
    from catalogue.records.base import DeliveryRecords, OwnerRecords
    from notifier.egress import Answer
    from notifier.retries import Chance

log = logging.getLogger(__name__)

REASON_KEPT: Final = 500  # bytes, of why a request was not sent
USER_AGENT: Final = "labelling-webhooks/1"

_METRIC_OF: Final = {
    DeliveryState.DELIVERED: Metric.WEBHOOKS_DELIVERED,
    DeliveryState.PENDING: Metric.WEBHOOK_ATTEMPTS_FAILED,
}


class Sender(Protocol):
    """What sends a POST: `Egress`."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the answer. Raises NotSent."""


class Deliverer:
    """Makes attempts. `lease_for` must be longer than the sender's deadline."""

    def __init__(
        self,
        deliveries: DeliveryRecords,
        owners: OwnerRecords,
        sender: Sender,
        clock: Clock,
        chance: Chance,
        *,
        lease_for: timedelta,
        meter: Meter = no_meter,
    ) -> None:
        self._deliveries = deliveries
        self._owners = owners
        self._sender = sender
        self._clock = clock
        self._chance = chance
        self._lease_for = lease_for
        self._meter = meter

    def attempt(self, delivery_id: str) -> timedelta | None:
        """Attempt a delivery if it is due; return after how long it is due again, if it is."""
        started = self._clock()
        claim = self._deliveries.claim(delivery_id, started, self._lease_for)
        if claim is None:
            return None
        delivery = claim.delivery
        status = retry_after = error = None
        response = b""
        if claim.attempt > MAX_ATTEMPTS:  # the others were begun and never finished
            error, response = "internal", b"no attempt could be finished"
            attempt = Attempt(claim.attempt, started, started, status, error, response)
            self._deliveries.finish(claim, attempt, Verdict(DeliveryState.EXHAUSTED))
            self._meter(Metric.WEBHOOKS_GIVEN_UP)
            return None
        try:
            answer = self._sender.post(
                delivery.url, self._headers(delivery, started), delivery.body
            )
            status, retry_after, response = answer.status, answer.retry_after, answer.body
        except NotSent as exc:
            error, response = exc.error, str(exc).encode()[:REASON_KEPT]
        except Exception:  # ours, but an attempt all the same: it counts, so that it ends
            log.exception("webhook not attempted", extra={"blob_id": delivery.blob_id})
            error = "internal"
        ended = self._clock()
        if error == "rejected":
            verdict = Verdict(DeliveryState.REJECTED)
        else:
            verdict = decide(claim.attempt, status, retry_after, ended, self._chance)
        if error is None and verdict.state is not DeliveryState.DELIVERED:
            error = "status"
        attempt = Attempt(claim.attempt, started, ended, status, error, response)
        kept = self._deliveries.finish(claim, attempt, verdict)
        self._meter(_METRIC_OF.get(verdict.state, Metric.WEBHOOKS_GIVEN_UP))
        log.info(
            "webhook attempted" if kept else "webhook attempted, lease lost",
            extra={
                "blob_id": delivery.blob_id,
                "webhook_id": delivery.id,
                "attempt": claim.attempt,
                "status": status,
                "error": error,
                "state": verdict.state,
            },
        )
        return verdict.due_at - ended if kept and verdict.due_at else None

    def _headers(self, delivery: Delivery, now: datetime) -> dict[str, str]:
        secrets = self._owners.owner(delivery.owner).webhook_secrets
        return {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **signed_headers(secrets, delivery.id, epoch_ms(now) // 1000, delivery.body),
        }
