"""The GraphQL types of webhooks. Their descriptions are the API's documentation."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

import asyncio
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Final

import strawberry

from api.graphql.context import Context
from api.graphql.node import Node
from api.graphql.nodes import register_nodes
from api.graphql.scalars import Url
from core.domain.delivery import (
    Attempt,
    AttemptError,
    Delivery,
    DeliveryState,
    DisabledEndpoint,
    attempt_reason,
    failure_reason,
    upcoming_blob,
    upcoming_id,
)

PREFIX: Final = "msg"


@strawberry.enum(
    description="Status of a webhook. PENDING: not sent yet. DELIVERED: answered with 2xx. "
    "RETRYING: an attempt failed, and another will follow. GAVE_UP: see `reason`."
)
class WebhookDeliveryStatus(Enum):
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    RETRYING = "RETRYING"
    GAVE_UP = "GAVE_UP"


strawberry.enum(
    AttemptError,
    name="WebhookErrorCode",
    description="Why an attempt failed. TIMEOUT: it took too long in total. DNS: the name was not "
    "resolved. CONNECT: no connection was made. CONNECTION: the connection broke. TLS: the "
    "certificate is not valid, or no TLS was agreed on. PROTOCOL: the response is not HTTP. "
    "STATUS: the response is not 2xx. REJECTED: the address is not one that webhooks are sent to. "
    "DISABLED: the endpoint had answered 410 before, so nothing was sent. INTERNAL: a fault of the "
    "service. UNKNOWN: the service stopped before the outcome was stored.",
)


@strawberry.type(description="One POST of a webhook.")
class WebhookAttempt:
    at: datetime = strawberry.field(description="When it began.")
    response_status: int | None = strawberry.field(
        description="HTTP status of the response; null when there was none."
    )
    error_code: AttemptError | None = strawberry.field(
        description="Why it failed, for programs. Null on success, and while it is in progress."
    )
    error: str | None = strawberry.field(
        description="Why it failed, for people. Null on success, and while it is in progress."
    )
    duration_ms: int | None = strawberry.field(
        description="Duration in milliseconds; null while it is in progress."
    )
    response_body: str | None = strawberry.field(
        description="The first 4096 bytes of the response, as UTF-8; null when there was none."
    )
    address: str | None = strawberry.field(description="The IP address connected to.")

    @staticmethod
    def of(attempt: Attempt, *, in_progress: bool) -> "WebhookAttempt":
        """Return an attempt as GraphQL shows it; one without an end may be `in_progress`."""
        ended = attempt.ended
        code, reason = attempt_reason(attempt, in_progress=in_progress)
        body = attempt.response.decode(errors="replace") if attempt.status else None
        return WebhookAttempt(
            at=attempt.started,
            response_status=attempt.status,
            error_code=code,
            error=reason,
            duration_ms=None
            if ended is None
            else round((ended - attempt.started).total_seconds() * 1000),
            response_body=body or None,
            address=attempt.address,
        )


@strawberry.type(
    description="A webhook: of a blob's outcome or a change of its labels, or a test event."
)
class WebhookDelivery(Node):
    url: Url = strawberry.field(description="URL of the receiver.")
    status: WebhookDeliveryStatus = strawberry.field(description="Current status.")
    reason: str | None = strawberry.field(description="Why it was given up; otherwise null.")
    attempts: list[WebhookAttempt] = strawberry.field(description="All attempts, oldest first.")
    next_attempt_at: datetime | None = strawberry.field(
        description="When the next attempt is due. Null when none is due, or before there is an "
        "outcome."
    )

    @staticmethod
    def of(delivery: Delivery) -> "WebhookDelivery":
        """Return a webhook as GraphQL shows it."""
        pending = delivery.state is DeliveryState.PENDING
        last = delivery.attempts[-1] if delivery.attempts else None
        return WebhookDelivery(
            id=strawberry.ID(delivery.id),
            url=Url(delivery.url),
            status=_status(delivery),
            reason=failure_reason(delivery),
            attempts=[
                # The last attempt of a pending delivery may still be in progress.
                WebhookAttempt.of(attempt, in_progress=pending and attempt is last)
                for attempt in delivery.attempts
            ],
            next_attempt_at=delivery.due_at if pending else None,
        )

    @staticmethod
    def upcoming(blob_id: str, url: str) -> "WebhookDelivery":
        """Return the webhook of a blob that has no outcome yet."""
        return WebhookDelivery(
            id=strawberry.ID(upcoming_id(blob_id)),
            url=Url(url),
            status=WebhookDeliveryStatus.PENDING,
            reason=None,
            attempts=[],
            next_attempt_at=None,
        )


@strawberry.type(description="A URL without its query, to which webhooks are sent.")
class WebhookEndpoint:
    url: Url = strawberry.field(description="The URL.")
    disabled_at: datetime | None = strawberry.field(
        description="When it answered 410 Gone, since which nothing is sent to it. Null: it is "
        "enabled."
    )

    @staticmethod
    def of(disabled: DisabledEndpoint) -> "WebhookEndpoint":
        """Return a disabled endpoint as GraphQL shows it."""
        return WebhookEndpoint(url=Url(disabled.endpoint), disabled_at=disabled.at)


async def find_deliveries(context: Context, ids: Sequence[str]) -> dict[str, WebhookDelivery]:
    """Return the caller's webhooks by id.

    The id that a blob's webhook has before there is an outcome stays valid after that.
    """
    services = context.services
    found = await services.read(services.deliveries.find, context.owner, set(ids))
    shown = {key: WebhookDelivery.of(each) for key, each in found.items()}
    early = {blob_id: key for key in ids if (blob_id := upcoming_blob(key))}
    if early:
        blobs = await services.read(services.blobs.find, context.owner, early.keys())
        webhooks = (webhook_of(context, each.id, each.callback_url) for each in blobs.values())
        for blob_id, webhook in zip(blobs, await asyncio.gather(*webhooks), strict=True):
            if webhook:
                shown[early[blob_id]] = webhook
    return shown


async def webhook_of(context: Context, blob_id: str, url: str | None) -> WebhookDelivery | None:
    """Return the last webhook of a blob, or the upcoming one; None without a URL."""
    if url is None:
        return None
    delivery = await context.deliveries.load(blob_id)
    return WebhookDelivery.of(delivery) if delivery else WebhookDelivery.upcoming(blob_id, url)


def _status(delivery: Delivery) -> WebhookDeliveryStatus:
    match delivery.state:
        case DeliveryState.PENDING:
            begun = delivery.schedule_attempts
            return WebhookDeliveryStatus.RETRYING if begun else WebhookDeliveryStatus.PENDING
        case DeliveryState.DELIVERED:
            return WebhookDeliveryStatus.DELIVERED
    return WebhookDeliveryStatus.GAVE_UP


register_nodes(PREFIX, find_deliveries)
