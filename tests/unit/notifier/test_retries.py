"""The retry schedule."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.delivery import DeliveryState, Verdict
from notifier.retries import MAX_ATTEMPTS, RETRY_DELAYS, decide, parse_retry_after

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
NONE = timedelta(0)


class Fixed:
    """Returns one point of every range: 0 is its start, 1 its end."""

    def __init__(self, point: float = 0.5) -> None:
        self.point = point

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.point


def delay_after(
    attempt: int, *, status: int | None = 500, header: str | None = None, point: float = 0.5
) -> timedelta:
    verdict = decide(attempt, status, header, NOW, Fixed(point))
    assert verdict.state is DeliveryState.PENDING
    assert verdict.due_at is not None
    return verdict.due_at - NOW


def test_schedule_is_that_of_standard_webhooks() -> None:
    """Ten attempts over 75 hours, 35 minutes and 5 seconds."""
    delays = [delay_after(attempt) for attempt in range(1, MAX_ATTEMPTS)]
    assert MAX_ATTEMPTS == 10
    assert [delay.total_seconds() for delay in delays] == [
        5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]  # fmt: skip
    assert sum(delays, NONE) == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize("attempt", range(1, MAX_ATTEMPTS))
def test_delay_has_ten_per_cent_jitter(attempt: int) -> None:
    """So deliveries that failed together are not retried together."""
    delay = RETRY_DELAYS[attempt - 1]
    assert delay_after(attempt, point=0) == delay * 0.9
    assert delay_after(attempt, point=1) == delay * 1.1
    rng = random.Random(7)  # noqa: S311  # spreads load, keeps no secret
    drawn = {decide(attempt, 500, None, NOW, rng).due_at for _ in range(50)}
    assert len(drawn) > 25
    for due_at in drawn:
        assert due_at is not None
        assert delay * 0.9 - timedelta(milliseconds=1) <= due_at - NOW <= delay * 1.1


@pytest.mark.parametrize("attempt", [1, 9, 10, 11])
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_delivers(attempt: int, status: int) -> None:
    assert decide(attempt, status, "60", NOW, Fixed()) == Verdict(DeliveryState.DELIVERED)


@pytest.mark.parametrize("attempt", [1, 10])
def test_410_ends_the_delivery(attempt: int) -> None:
    assert decide(attempt, 410, "60", NOW, Fixed()) == Verdict(DeliveryState.GONE)


@pytest.mark.parametrize(
    "status", [None, 100, 101, 199, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 409, 411]
)
def test_other_status_is_retried(status: int | None) -> None:
    """No response; redirects, which are not followed; client errors, which may get repaired."""
    assert delay_after(1, status=status) == RETRY_DELAYS[0]


@pytest.mark.parametrize("attempt", [10, 11, 1000])
@pytest.mark.parametrize("status", [None, 301, 404, 429, 500, 503])
def test_ten_attempts_exhaust_the_delivery(attempt: int, status: int | None) -> None:
    """Attempts without a known outcome count too."""
    assert decide(attempt, status, "60", NOW, Fixed()) == Verdict(DeliveryState.EXHAUSTED)


@pytest.mark.parametrize("status", [429, 502, 503, 504, 500, 404])
@pytest.mark.parametrize(
    ("header", "delay"),
    [
        ("600", timedelta(minutes=10)),
        ("4", RETRY_DELAYS[0]),
        ("0", RETRY_DELAYS[0]),
        ("-60", RETRY_DELAYS[0]),
        ("soon", RETRY_DELAYS[0]),
        ("86400", DAY),
        ("1000000000", DAY),
        ("Sat, 31 Jan 2026 12:10:00 GMT", timedelta(minutes=10)),
    ],
)
def test_retry_after_delays_and_never_advances(status: int, header: str, delay: timedelta) -> None:
    """The later of schedule and header counts, the header for at most 24 hours."""
    assert delay_after(1, status=status, header=header) == delay


def test_retry_after_does_not_shorten_a_long_delay() -> None:
    """Its maximum of 24 hours doesn't either."""
    assert delay_after(9, header="60") == DAY
    assert delay_after(9, header="999999", point=1) == DAY * 1.1


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        (None, NONE),
        ("", NONE),
        ("120", timedelta(seconds=120)),
        (" 120\t", timedelta(seconds=120)),
        ("00000000000120", timedelta(seconds=120)),
        ("-1", NONE),
        ("+5", NONE),
        ("1.5", NONE),
        ("1e9", NONE),
        ("1000000000", DAY),
        ("9" * 5000, DAY),
        ("٣", NONE),
        ("²", NONE),
        ("junk", NONE),
        ("\x00\xff", NONE),
        ("Sat, 31 Jan 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Saturday, 31-Jan-26 12:00:30 GMT", timedelta(seconds=30)),
        ("Sat Jan 31 12:00:30 2026", timedelta(seconds=30)),
        ("Sat, 31 Jan 2026 13:00:30 +0100", timedelta(seconds=30)),
        ("Sat, 31 Jan 2026 12:00:30 -0000", timedelta(seconds=30)),
        ("Sat, 31 Jan 2026 11:59:59 GMT", NONE),
        ("Thu, 01 Jan 1970 00:00:00 GMT", NONE),
        ("Fri, 31 Dec 9999 23:59:59 -2359", DAY),
        ("Mon, 01 Jan 0001 00:00:00 +2359", NONE),
        ("Sat, 32 Jan 2026 12:00:30 GMT", NONE),
        ("Sat, 31 Jan 99999 12:00:30 GMT", NONE),
        ("Sat, 31 Jan 2026 12:00:30 +999999999999", NONE),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, delay: timedelta) -> None:
    """All date formats of RFC 9110 are read. An invalid header is ignored."""
    assert parse_retry_after(header, NOW) == delay


@given(st.text() | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [+-]?\w+", fullmatch=True))
def test_any_header_gives_a_delay_of_at_most_24_hours(header: str) -> None:
    assert NONE <= parse_retry_after(header, NOW) <= DAY


@given(
    st.datetimes(timezones=st.integers(-23, 23).map(lambda h: timezone(timedelta(hours=h)))),
    st.integers(1, 20),
    st.sampled_from([None, 301, 404, 429, 500]),
)
def test_retry_is_due_between_its_delay_and_24_hours(
    moment: datetime, attempt: int, status: int | None
) -> None:
    """The time is a whole number of milliseconds."""
    verdict = decide(attempt, status, format_datetime(moment), NOW, Fixed())
    if attempt >= MAX_ATTEMPTS:
        assert verdict == Verdict(DeliveryState.EXHAUSTED)
    else:
        assert verdict.due_at is not None
        assert RETRY_DELAYS[attempt - 1] <= verdict.due_at - NOW <= DAY
        assert verdict.due_at.microsecond % 1000 == 0
