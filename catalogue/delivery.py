"""Delivery and Attempt: one webhook on its way to one receiver. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class DeliveryState(StrEnum):
    """Where a delivery stands. Every state but PENDING is an end.

    EXHAUSTED: the schedule is used up. GONE: the receiver answered 410. REJECTED: the receiver's
    address is none that we send to.
    """

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    GONE = "gone"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST. `number` counts from 1; without `ended`, its outcome is unknown (yet).

    `error` is a class (timeout, dns, connect, connection, tls, protocol, status, internal,
    rejected), not an exception's text; `response` holds the first bytes of the answer's body.
    """

    number: int
    started: datetime
    ended: datetime | None = None
    status: int | None = None
    error: str | None = None
    response: bytes = b""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook. `id` is its webhook-id; `body` is frozen when it is created.

    `due_at` is when the next attempt may start; `attempts` come oldest first.
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


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one attempt. Only the holder of `lease` may finish it."""

    delivery: Delivery
    attempt: int
    lease: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt's outcome makes of its delivery; `due_at` only while it stays PENDING."""

    state: DeliveryState
    due_at: datetime | None = None


def parse_delivery_id(text: str) -> tuple[str, int] | None:
    """Return (blob id, version) of an id made by `delivery_id`, or None for any other text."""
    blob_id, _, version = text.removeprefix("msg_").rpartition("_")
    if text.startswith("msg_") and blob_id and version.isascii() and version.isdigit():
        return blob_id, int(version)
    return None


def delivery_id(blob_id: str, version: int) -> str:
    """Make the webhook-id of the event that a blob's version is: the same however often asked."""
    return f"msg_{blob_id}_{version}"
