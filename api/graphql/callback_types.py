"""The GraphQL types of webhooks. Their descriptions are the API's documentation."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from datetime import datetime
from enum import Enum

import strawberry

from api.graphql.scalars import Url
from core.domain.delivery import Attempt, Delivery, DeliveryState, failure_reason


@strawberry.enum(
    description="Status of a webhook. PENDING: not sent yet. DELIVERED: answered with 2xx. "
    "RETRYING: an attempt failed, and another will follow. GAVE_UP: see `reason`."
)
class CallbackStatus(Enum):
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    RETRYING = "RETRYING"
    GAVE_UP = "GAVE_UP"


@strawberry.type(description="One POST to the callback URL.")
class CallbackAttempt:
    at: datetime = strawberry.field(description="When it began.")
    response_status: int | None = strawberry.field(
        description="HTTP status of the response; null when there was none."
    )
    error: str | None = strawberry.field(
        description="Null on success. Otherwise timeout, dns, connect, connection, tls, protocol, "
        "status, internal; rejected: the address is not one that webhooks are sent to; disabled: "
        "the endpoint had answered 410 before, so nothing was sent; unknown: the service stopped "
        "before the outcome was stored."
    )
    duration_ms: int | None = strawberry.field(
        description="Duration in milliseconds; null while it is in progress."
    )
    response_body: str | None = strawberry.field(
        description="The first 4096 bytes of the response, as UTF-8, or why there was none."
    )
    address: str | None = strawberry.field(description="The IP address connected to.")

    @staticmethod
    def of(attempt: Attempt, *, in_progress: bool) -> "CallbackAttempt":
        """Return an attempt as GraphQL shows it; one without an end may be `in_progress`."""
        ended = attempt.ended
        return CallbackAttempt(
            at=attempt.started,
            response_status=attempt.status,
            error="unknown" if ended is None and not in_progress else attempt.error,
            duration_ms=None
            if ended is None
            else round((ended - attempt.started).total_seconds() * 1000),
            response_body=attempt.response.decode(errors="replace") or None,
            address=attempt.address,
        )


@strawberry.type(description="A webhook: of a blob's last outcome, or a test event.")
class Callback:
    id: strawberry.ID | None = strawberry.field(
        description="The webhook-id header of every attempt; null before there is an outcome."
    )
    url: Url = strawberry.field(description="URL of the receiver.")
    status: CallbackStatus = strawberry.field(description="Current status.")
    reason: str | None = strawberry.field(description="Why it was given up; otherwise null.")
    attempts: list[CallbackAttempt] = strawberry.field(description="All attempts, oldest first.")
    next_attempt_at: datetime | None = strawberry.field(
        description="When the next attempt is due. Null when none is due, or before there is an "
        "outcome."
    )

    @staticmethod
    def of(url: str, delivery: Delivery | None) -> "Callback":
        """Return a webhook as GraphQL shows it; without a delivery, one that is not due yet."""
        if delivery is None:
            return Callback(
                id=None,
                url=Url(url),
                status=CallbackStatus.PENDING,
                reason=None,
                attempts=[],
                next_attempt_at=None,
            )
        pending = delivery.state is DeliveryState.PENDING
        last = delivery.attempts[-1] if delivery.attempts else None
        return Callback(
            id=strawberry.ID(delivery.id),
            url=Url(delivery.url),
            status=_status(delivery),
            reason=failure_reason(delivery),
            attempts=[
                # The last attempt of a pending delivery may still be in progress.
                CallbackAttempt.of(attempt, in_progress=pending and attempt is last)
                for attempt in delivery.attempts
            ],
            next_attempt_at=delivery.due_at if pending else None,
        )


def _status(delivery: Delivery) -> CallbackStatus:
    match delivery.state:
        case DeliveryState.PENDING:
            return CallbackStatus.RETRYING if delivery.schedule_attempts else CallbackStatus.PENDING
        case DeliveryState.DELIVERED:
            return CallbackStatus.DELIVERED
    return CallbackStatus.GAVE_UP
