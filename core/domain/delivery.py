"""Delivery and Attempt: one webhook on its way to one receiver. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from core.domain.errors import CallbackUrlRefused

if TYPE_CHECKING:
    from datetime import datetime


# At most this many attempts at deliveries to one endpoint are made at the same time.
MAX_PER_ENDPOINT: Final = 8
# When the sweep looks at a delivery that waits in its endpoint's line, should the line be stuck.
LINE_TIMEOUT: Final = timedelta(minutes=15)
# How many attempts a delivery that is sent anew keeps of those before.
MAX_ATTEMPTS_KEPT: Final = 10


class DeliveryState(StrEnum):
    """Where a delivery stands. Every state but PENDING is an end, until it is redelivered.

    EXHAUSTED: the schedule is used up. GONE: the receiver answered 410. REJECTED: the receiver's
    address is none that we send to. CANCELLED: its endpoint was disabled before.
    """

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    GONE = "gone"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST. `number` counts from 1; without `ended`, its outcome is unknown (yet).

    `error` is a class (timeout, dns, connect, connection, tls, protocol, status, internal,
    rejected, disabled), not an exception's text; `response` holds the first bytes of the answer's
    body, or of why there was none; `address` is the IP address connected to.
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
    """One webhook. `id` is its webhook-id; `body` is frozen when it is created.

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
        """What it is sent to, as the owner's endpoints are told apart."""
        return endpoint_of(self.url)

    @property
    def schedule_attempts(self) -> int:
        """How many attempts of its schedule have begun."""
        return self.attempts[-1].number - self.attempts_before if self.attempts else 0

    @property
    def is_test(self) -> bool:
        """Whether it is a test event, which tells of no blob."""
        known = parse_delivery_id(self.id)
        return known is not None and known[1] == TEST_VERSION


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one attempt. Only the holder of `lease` may finish it.

    `disabled_at` is when its endpoint was disabled, if it is.
    """

    delivery: Delivery
    attempt: int
    lease: str
    disabled_at: datetime | None = None

    @property
    def schedule_attempt(self) -> int:
        """Which attempt of its schedule it is, from 1."""
        return self.attempt - self.delivery.attempts_before


@dataclass(frozen=True, slots=True)
class DisabledEndpoint:
    """An endpoint that answered 410 Gone: nothing is sent to it until it is enabled again."""

    owner: str
    endpoint: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt's outcome makes of its delivery; `due_at` only while it stays PENDING."""

    state: DeliveryState
    due_at: datetime | None = None


# No blob has this version: a test event stands under an id of its own in place of a blob's.
TEST_VERSION: Final = 0


def endpoint_of(url: str) -> str:
    """Return the endpoint that a URL names: scheme, host, port and path, without the query.

    What is no URL stands for itself.
    """
    # Not for a Lambda's start.
    from core.domain.webhook_url import CallbackRules, read_callback_url  # noqa: PLC0415

    try:
        return read_callback_url(url, CallbackRules(private=True)).endpoint
    except CallbackUrlRefused:
        return url


def failure_reason(delivery: Delivery) -> str | None:
    """Tell why a delivery was given up, for its owner; None when it was not."""
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


def delivery_job(delivery_id: str) -> str:
    """Write the message that makes the notifier look at a delivery at once."""
    return json.dumps({"delivery_id": delivery_id})


def parse_delivery_id(text: str) -> tuple[str, int] | None:
    """Return (blob id, version) of an id made by `delivery_id`, or None for any other text."""
    blob_id, _, version = text.removeprefix("msg_").rpartition("_")
    if text.startswith("msg_") and blob_id and version.isascii() and version.isdigit():
        return blob_id, int(version)
    return None


def delivery_id(blob_id: str, version: int) -> str:
    """Make the webhook-id of the event that a blob's version is: the same however often asked."""
    return f"msg_{blob_id}_{version}"
