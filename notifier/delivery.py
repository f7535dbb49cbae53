"""One delivery attempt: claim, send, decide, finish."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from core.domain.clock import epoch_ms, to_millisecond, to_text
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict
from core.runtime.metrics import Metric, Metrics, no_metrics
from notifier.attempt_trace import no_trace
from notifier.http.client import SendError
from notifier.retries import MAX_ATTEMPTS, SUCCESS, decide
from notifier.signing import signed_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from core.domain.clock import Clock
    from core.domain.delivery import Claim
    from core.repositories.ports.deliveries import DeliveryRepository
    from core.repositories.ports.owners import OwnerRepository
    from notifier.attempt_trace import TraceAttempt
    from notifier.http.client import Response
    from notifier.retries import RandomSource

log = logging.getLogger(__name__)

MAX_REASON_BYTES: Final = 500  # stored of why no response was received
USER_AGENT: Final = "labelling-webhooks/1"

_METRIC_OF: Final = {
    DeliveryState.DELIVERED: Metric.WEBHOOKS_DELIVERED,
    DeliveryState.PENDING: Metric.WEBHOOK_ATTEMPTS_FAILED,
}


class Sender(Protocol):
    """Sends a POST request, as `WebhookClient` does."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the response. Raises SendError."""


@dataclass(frozen=True, slots=True)
class DeliveryJob:
    """A request to attempt a delivery, `delay` from now."""

    delivery_id: str
    delay: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a POST request: the response's status, or the class of the error."""

    status: int | None = None
    error: str | None = None
    retry_after: str | None = None
    response: bytes = b""
    address: str | None = None


class Deliverer:
    """Makes delivery attempts.

    `lease_duration` must exceed the sender's deadline. `monotonic` returns seconds that changes of
    the system clock don't affect.
    """

    def __init__(
        self,
        deliveries: DeliveryRepository,
        owners: OwnerRepository,
        sender: Sender,
        clock: Clock,
        random: RandomSource,
        *,
        lease_duration: timedelta,
        metrics: Metrics = no_metrics,
        monotonic: Callable[[], float] = time.monotonic,
        trace: TraceAttempt = no_trace,
    ) -> None:
        self._deliveries = deliveries
        self._owners = owners
        self._sender = sender
        self._clock = clock
        self._random = random
        self._lease_duration = lease_duration
        self._metrics = metrics
        self._monotonic = monotonic
        self._trace = trace

    def attempt(self, delivery_id: str) -> Sequence[DeliveryJob]:
        """Attempt a delivery if it is due, and return the jobs to enqueue because of it.

        These are its own retry, if there is one, and the deliveries that its endpoint has room for
        now.
        """
        started, started_monotonic = self._clock(), self._monotonic()
        claim = self._deliveries.claim(delivery_id, started, self._lease_duration)
        if claim is None:
            return ()
        max_attempts = 1 if claim.delivery.is_test else MAX_ATTEMPTS
        outcome, state = self._send(claim, max_attempts, started)
        now = self._clock()
        verdict = (
            Verdict(state)
            if state
            else decide(
                claim.schedule_attempt,
                outcome.status,
                outcome.retry_after,
                now,
                self._random,
                max_attempts=max_attempts,
            )
        )
        seconds = self._monotonic() - started_monotonic
        ended = to_millisecond(started + timedelta(seconds=seconds))
        recorded = self._finish(claim, outcome, verdict, started, ended)
        delivery = claim.delivery
        jobs = []
        if recorded and verdict.state is DeliveryState.GONE:
            self._deliveries.disable_endpoint(delivery.owner, delivery.endpoint, now)
        if recorded and verdict.due_at:
            jobs.append(DeliveryJob(delivery.id, verdict.due_at - now))
        others = self._deliveries.next_in_line(delivery.owner, delivery.endpoint, now)
        return [*jobs, *map(DeliveryJob, others)]

    def _send(
        self, claim: Claim, max_attempts: int, now: datetime
    ) -> tuple[Outcome, DeliveryState | None]:
        """Send the webhook, unless there is a reason not to.

        Return the outcome, and the final state where it follows from that reason.
        """
        delivery = claim.delivery
        if claim.disabled_at:
            reason = (
                f"the endpoint answered 410 Gone on {to_text(claim.disabled_at)}; "
                "enable it, then redeliver"
            )
            return Outcome(error="disabled", response=reason.encode()), DeliveryState.CANCELLED
        if (
            claim.schedule_attempt > max_attempts
        ):  # all attempts of the schedule started and none finished
            reason = "no attempt could be finished"
            return Outcome(error="internal", response=reason.encode()), DeliveryState.EXHAUSTED
        with self._trace(claim) as span:
            outcome, state = self._post(delivery, now, span.headers)
            span.end(outcome.status, outcome.error, outcome.address)
        return outcome, state

    def _post(
        self, delivery: Delivery, now: datetime, added: Mapping[str, str]
    ) -> tuple[Outcome, DeliveryState | None]:
        try:
            headers = {**self._headers(delivery, now), **added}
            response = self._sender.post(delivery.url, headers, delivery.body)
        except SendError as exc:
            reason_bytes = str(exc).encode()[:MAX_REASON_BYTES]
            outcome = Outcome(error=exc.error, response=reason_bytes, address=exc.address)
            return outcome, DeliveryState.REJECTED if exc.error == "rejected" else None
        except Exception:  # a fault of ours counts as an attempt, so that retries end
            log.exception("webhook attempt failed", extra={"blob_id": delivery.blob_id})
            return Outcome(error="internal"), None
        error = None if response.status in SUCCESS else "status"
        outcome = Outcome(
            response.status, error, response.retry_after, response.body, response.address
        )
        return outcome, None

    def _finish(
        self,
        claim: Claim,
        outcome: Outcome,
        verdict: Verdict,
        started: datetime,
        ended: datetime,
    ) -> bool:
        """Record and log an attempt's outcome. Return False if the lease was lost."""
        attempt = Attempt(
            claim.attempt,
            started,
            ended,
            outcome.status,
            outcome.error,
            outcome.response,
            outcome.address,
        )
        recorded = self._deliveries.finish(claim, attempt, verdict)
        self._metrics(_METRIC_OF.get(verdict.state, Metric.WEBHOOKS_GIVEN_UP))
        log.info(
            "webhook attempted" if recorded else "webhook attempted, lease lost",
            extra={
                "blob_id": claim.delivery.blob_id,
                "webhook_id": claim.delivery.id,
                "attempt": claim.attempt,
                "status": outcome.status,
                "error": outcome.error,
                "state": verdict.state,
            },
        )
        return recorded

    def _headers(self, delivery: Delivery, now: datetime) -> dict[str, str]:
        owner = self._owners.get_or_create(delivery.owner)
        return {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **signed_headers(
                owner.secrets_at(now),
                delivery.id,
                epoch_ms(now) // 1000,
                delivery.body,
                owner.keys_at(now),
            ),
        }
