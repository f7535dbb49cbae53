"""When to try a delivery again. Pure: time and chance are handed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

from core.domain.clock import to_millisecond
from core.domain.delivery import DeliveryState, Verdict

# Standard Webhooks 1.0.0, "Deliverability and reliability": the pause after each attempt.
PAUSES: Final = (
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
MAX_ATTEMPTS: Final = len(PAUSES) + 1
JITTER: Final = 0.1
LONGEST_RETRY_AFTER: Final = timedelta(hours=24)
SUCCESS: Final = range(200, 300)
GONE: Final = 410


class Chance(Protocol):
    """A source of random numbers, as `random.Random` is."""

    def uniform(self, a: float, b: float) -> float:
        """Return a number between a and b."""


def decide(
    attempt: int,
    status: int | None,
    retry_after: str | None,
    now: datetime,
    chance: Chance,
    *,
    most: int = MAX_ATTEMPTS,
) -> Verdict:
    """Tell what the outcome of an attempt (counted from 1, up to `most`) makes of its delivery.

    `status` is the answer's, None when there was none; `retry_after` is its header as received.
    2xx is success, 410 ends it, everything else (redirects too) is tried again on the schedule,
    up to a tenth sooner or later, and not before Retry-After, of which at most 24 h counts.
    """
    if status in SUCCESS:
        return Verdict(DeliveryState.DELIVERED)
    if status == GONE:
        return Verdict(DeliveryState.GONE)
    if attempt >= most:
        return Verdict(DeliveryState.EXHAUSTED)
    pause = PAUSES[attempt - 1] * chance.uniform(1 - JITTER, 1 + JITTER)
    pause = max(pause, read_retry_after(retry_after, now))
    return Verdict(DeliveryState.PENDING, to_millisecond(now + pause))


def read_retry_after(header: str | None, now: datetime) -> timedelta:
    """Read a Retry-After header (RFC 9110, 10.2.3), seconds or a date; junk counts as none."""
    if header is None:
        return timedelta(0)
    text = header.strip()
    if text.isascii() and text.isdigit():
        # Past ten digits it is beyond the bound whatever it says.
        pause = timedelta(seconds=int(text.lstrip("0")[:10] or "0"))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return timedelta(0)
        pause = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(max(pause, timedelta(0)), LONGEST_RETRY_AFTER)
