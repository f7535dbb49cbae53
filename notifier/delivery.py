"""One attempt at one delivery: claim, POST, decide, finish."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from core.domain.clock import epoch_ms, to_millisecond, to_text
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict
from core.runtime.metrics import Metric, Metrics, no_metrics
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
    from notifier.http.client import Response
    from notifier.retries import Chance

log = logging.getLogger(__name__)

REASON_KEPT: Final = 500  # bytes, of why a request was not sent
USER_AGENT: Final = "labelling-webhooks/1"

_METRIC_OF: Final = {
    DeliveryState.DELIVERED: Metric.WEBHOOKS_DELIVERED,
    DeliveryState.PENDING: Metric.WEBHOOK_ATTEMPTS_FAILED,
}


class Sender(Protocol):
    """What sends a POST: `WebhookClient`."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the answer. Raises SendError."""


@dataclass(frozen=True, slots=True)
class DeliveryJob:
    """Have a look at a delivery, `delay` from now."""

    delivery_id: str
    delay: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a POST: the answer's status, or the class of what went wrong."""

    status: int | None = None
    error: str | None = None
    retry_after: str | None = None
    response: bytes = b""
    address: str | None = None


class Deliverer:
    """Makes attempts. `lease_for` must be longer than the sender's deadline.

    `stopwatch` gives seconds that no setting of the clock changes.
    """

    def __init__(
        self,
        deliveries: DeliveryRepository,
        owners: OwnerRepository,
        sender: Sender,
        clock: Clock,
        chance: Chance,
        *,
        lease_for: timedelta,
        metrics: Metrics = no_metrics,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deliveries = deliveries
        self._owners = owners
        self._sender = sender
        self._clock = clock
        self._chance = chance
        self._lease_for = lease_for
        self._metrics = metrics
        self._stopwatch = stopwatch

    def attempt(self, delivery_id: str) -> Sequence[DeliveryJob]:
        """Attempt a delivery if it is due; return what is to be hinted at because of it.

        That is its own next attempt, if there will be one, and what its endpoint now has room for.
        """
        started, began = self._clock(), self._stopwatch()
        claim = self._deliveries.claim(delivery_id, started, self._lease_for)
        if claim is None:
            return ()
        most = 1 if claim.delivery.is_test else MAX_ATTEMPTS
        outcome, state = self._outcome(claim, most, started)
        now = self._clock()
        verdict = (
            Verdict(state)
            if state
            else decide(
                claim.place, outcome.status, outcome.retry_after, now, self._chance, most=most
            )
        )
        ended = to_millisecond(started + timedelta(seconds=self._stopwatch() - began))
        kept = self._finish(claim, outcome, verdict, started, ended)
        delivery = claim.delivery
        delivery_queue = []
        if kept and verdict.state is DeliveryState.GONE:
            self._deliveries.disable_endpoint(delivery.owner, delivery.endpoint, now)
        if kept and verdict.due_at:
            delivery_queue.append(DeliveryJob(delivery.id, verdict.due_at - now))
        others = self._deliveries.next_in_line(delivery.owner, delivery.endpoint, now)
        return [*delivery_queue, *map(DeliveryJob, others)]

    def _outcome(
        self, claim: Claim, most: int, now: datetime
    ) -> tuple[Outcome, DeliveryState | None]:
        """Send, unless there is a reason not to; and the state that the reason leads to."""
        delivery = claim.delivery
        if claim.disabled_at:
            reason = (
                f"the endpoint answered 410 Gone on {to_text(claim.disabled_at)}; "
                "enable it, then redeliver"
            )
            return Outcome(error="disabled", response=reason.encode()), DeliveryState.CANCELLED
        if claim.place > most:  # the others were begun and never finished
            reason = "no attempt could be finished"
            return Outcome(error="internal", response=reason.encode()), DeliveryState.EXHAUSTED
        try:
            answer = self._sender.post(delivery.url, self._headers(delivery, now), delivery.body)
        except SendError as exc:
            why = str(exc).encode()[:REASON_KEPT]
            outcome = Outcome(error=exc.error, response=why, address=exc.address)
            return outcome, DeliveryState.REJECTED if exc.error == "rejected" else None
        except Exception:  # ours, but an attempt all the same: it counts, so that it ends
            log.exception("webhook not attempted", extra={"blob_id": delivery.blob_id})
            return Outcome(error="internal"), None
        error = None if answer.status in SUCCESS else "status"
        outcome = Outcome(answer.status, error, answer.retry_after, answer.body, answer.address)
        return outcome, None

    def _finish(
        self,
        claim: Claim,
        outcome: Outcome,
        verdict: Verdict,
        started: datetime,
        ended: datetime,
    ) -> bool:
        """Record what came of an attempt and tell the log; False when the lease was lost."""
        attempt = Attempt(
            claim.attempt,
            started,
            ended,
            outcome.status,
            outcome.error,
            outcome.response,
            outcome.address,
        )
        kept = self._deliveries.finish(claim, attempt, verdict)
        self._metrics(_METRIC_OF.get(verdict.state, Metric.WEBHOOKS_GIVEN_UP))
        log.info(
            "webhook attempted" if kept else "webhook attempted, lease lost",
            extra={
                "blob_id": claim.delivery.blob_id,
                "webhook_id": claim.delivery.id,
                "attempt": claim.attempt,
                "status": outcome.status,
                "error": outcome.error,
                "state": verdict.state,
            },
        )
        return kept

    def _headers(self, delivery: Delivery, now: datetime) -> dict[str, str]:
        owner = self._owners.owner(delivery.owner)
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
