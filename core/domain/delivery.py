"""Deliveries of webhooks and their attempts. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from core.domain.clock import is_id
from core.domain.errors import CallbackUrlRefused

if TYPE_CHECKING:
    from datetime import datetime


# The number of attempts at one endpoint that may be in progress at the same time.
MAX_PER_ENDPOINT: Final = 8
# The same for all endpoints of an owner, so that one owner's slow receivers delay no other owner.
MAX_PER_OWNER: Final = 24
# After this time the sweep finds a delivery that waits in its endpoint's line, so that a line
# cannot get stuck.
LINE_TIMEOUT: Final = timedelta(minutes=15)
# How many earlier attempts a redelivered delivery keeps.
MAX_ATTEMPTS_KEPT: Final = 10


class DeliveryState(StrEnum):
    """The state of a delivery. Every state except PENDING is final until a redelivery.

    EXHAUSTED: all attempts of the schedule failed. GONE: the receiver answered 410. REJECTED: the
    service does not send to the receiver's address. CANCELLED: the endpoint was disabled before.
    """

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    GONE = "gone"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class AttemptError(StrEnum):
    """Why an attempt failed. UNKNOWN is never stored: the attempt has no end."""

    TIMEOUT = "timeout"
    DNS = "dns"
    CONNECT = "connect"
    CONNECTION = "connection"
    TLS = "tls"
    PROTOCOL = "protocol"
    STATUS = "status"
    REJECTED = "rejected"
    DISABLED = "disabled"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST. `number` counts from 1; while `ended` is None, the outcome is unknown.

    `error` is a value of AttemptError, not an exception's text; `response` holds the first bytes of
    the response's body, or of the reason why there is none; `address` is the receiver's IP address.
    """

    number: int
    started: datetime
    ended: datetime | None = None
    status: int | None = None
    error: str | None = None
    response: bytes = b""
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook. `id` is its webhook-id; `body` never changes.

    `due_at` is when the next attempt may start; `attempts` come oldest first. `attempts_before` is
    the number of the last attempt before a redelivery: the schedule counts from there.
    """

    id: str
    blob_id: str
    owner: str
    url: str
    body: bytes
    created_at: datetime
    due_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    attempts: tuple[Attempt, ...] = ()
    attempts_before: int = 0
    ended_at: datetime | None = None

    @property
    def endpoint(self) -> str:
        """The endpoint that the webhook is sent to."""
        return endpoint_of(self.url)

    @property
    def schedule_attempts(self) -> int:
        """The number of attempts begun since the creation or the last redelivery."""
        return self.attempts[-1].number - self.attempts_before if self.attempts else 0

    @property
    def is_test(self) -> bool:
        """Whether this is a test event, which belongs to no blob."""
        known = parse_delivery_id(self.id)
        return known is not None and known[1] == TEST_VERSION


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one attempt. Only the holder of `lease` may finish it.

    `disabled_at` is when the endpoint was disabled; None if it is enabled.
    """

    delivery: Delivery
    attempt: int
    lease: str
    disabled_at: datetime | None = None

    @property
    def schedule_attempt(self) -> int:
        """The number of this attempt in the schedule, from 1."""
        return self.attempt - self.delivery.attempts_before


@dataclass(frozen=True, slots=True)
class DisabledEndpoint:
    """An endpoint that answered 410 Gone. It receives nothing until it is enabled again."""

    owner: str
    endpoint: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a delivery after an attempt; `due_at` is set only if that is PENDING."""

    state: DeliveryState
    due_at: datetime | None = None


# The version in the id of a test event. No blob has it.
TEST_VERSION: Final = 0


def endpoint_of(url: str) -> str:
    """Return the endpoint of a URL: scheme, host, port and path, without the query.

    A text that is not a valid callback URL is returned as it is.
    """
    # Loaded on first use, for a Lambda's cold start.
    from core.domain.webhook_url import CallbackRules, read_callback_url  # noqa: PLC0415

    try:
        return read_callback_url(url, CallbackRules(private=True)).endpoint
    except CallbackUrlRefused:
        return url


def failure_reason(delivery: Delivery) -> str | None:
    """Return why a delivery failed for good, as a text for its owner; None if it did not."""
    if not delivery.attempts:
        return None
    last = delivery.attempts[-1]
    match delivery.state:
        case DeliveryState.EXHAUSTED:
            answer = f"status {last.status}" if last.status else last.error
            return f"Attempt {delivery.schedule_attempts} was the last, and failed: {answer}."
        case DeliveryState.GONE:
            return (
                "The receiver answered 410 Gone: nothing more is sent to its endpoint until that "
                "is enabled again."
            )
        case DeliveryState.REJECTED | DeliveryState.CANCELLED:
            return last.response.decode(errors="replace")
    return None


def attempt_reason(
    attempt: Attempt, *, in_progress: bool
) -> tuple[AttemptError | None, str | None]:
    """Return why an attempt failed, as a code and as a text for the owner; None if it did not.

    An attempt without an end is `in_progress`, or was interrupted.
    """
    if attempt.ended is None and not in_progress:
        return AttemptError.UNKNOWN, "The service stopped before the outcome was stored."
    if attempt.error is None:
        return None, None
    code = AttemptError(attempt.error)
    if attempt.status is not None:
        return code, f"The receiver answered with status {attempt.status}."
    reason = attempt.response.decode(errors="replace")
    return code, reason or "A fault of the service, which its operator finds in the log."


def delivery_job(delivery_id: str) -> str:
    """Return the queue message by which the notifier attempts a delivery at once."""
    return json.dumps({"delivery_id": delivery_id})


def parse_delivery_id(text: str) -> tuple[str, int] | None:
    """Return (blob id, version) of an id made by `delivery_id`; None for any other text."""
    blob_id, _, version = text.removeprefix("msg_").rpartition("_")
    if text.startswith("msg_") and blob_id and version.isascii() and version.isdigit():
        return blob_id, int(version)
    return None


def upcoming_id(blob_id: str) -> str:
    """Return the id of a blob's webhook before there is an outcome, and so a version."""
    return f"msg_{blob_id}"


def upcoming_blob(text: str) -> str | None:
    """Return the blob id in an id made by `upcoming_id`; None for any other text."""
    blob_id = text.removeprefix("msg_")
    return blob_id if blob_id != text and is_id(blob_id) else None


def delivery_id(blob_id: str, version: int) -> str:
    """Return the webhook-id of the event of a blob's version. It is always the same."""
    return f"msg_{blob_id}_{version}"
