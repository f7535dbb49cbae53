"""The retry schedule of deliveries. Pure: the caller passes time and randomness."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

from core.domain.clock import to_millisecond
from core.domain.delivery import DeliveryState, Verdict

# Standard Webhooks 1.0.0, "Deliverability and reliability": the delay after each attempt.
RETRY_DELAYS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MAX_ATTEMPTS: Final = len(RETRY_DELAYS) + 1
JITTER: Final = 0.1
MAX_RETRY_AFTER: Final = timedelta(hours=24)
SUCCESS: Final = range(200, 300)
GONE: Final = 410


class RandomSource(Protocol):
    """A source of random numbers, such as `random.Random`."""

    def uniform(self, a: float, b: float) -> float:
        """Return a number between a and b."""


def decide(
    attempt: int,
    status: int | None,
    retry_after: str | None,
    now: datetime,
    random: RandomSource,
    *,
    max_attempts: int = MAX_ATTEMPTS,
) -> Verdict:
    """Return the delivery's next state after an attempt.

    `attempt` counts from 1 to `max_attempts`. `status` is the response's, or None without a
    response; `retry_after` is its header as received. 2xx is success and 410 ends the delivery.
    Everything else, redirects too, is retried on the schedule with a jitter of ten per cent, and
    not before Retry-After, of which at most 24 h count.
    """
    if status in SUCCESS:
        return Verdict(DeliveryState.DELIVERED)
    if status == GONE:
        return Verdict(DeliveryState.GONE)
    if attempt >= max_attempts:
        return Verdict(DeliveryState.EXHAUSTED)
    delay = RETRY_DELAYS[attempt - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    delay = max(delay, parse_retry_after(retry_after, now))
    return Verdict(DeliveryState.PENDING, to_millisecond(now + delay))


def parse_retry_after(header: str | None, now: datetime) -> timedelta:
    """Return the delay that a Retry-After header asks for (RFC 9110, 10.2.3), at most 24 h.

    The header holds seconds or a date. An invalid or missing one asks for no delay.
    """
    if header is None:
        return timedelta(0)
    text = header.strip()
    if text.isascii() and text.isdigit():
        # Ten digits already exceed the maximum, so the rest is ignored.
        delay = timedelta(seconds=int(text.lstrip("0")[:10] or "0"))
    else:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return timedelta(0)
        delay = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    return min(max(delay, timedelta(0)), MAX_RETRY_AFTER)
