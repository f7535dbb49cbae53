"""When a delivery is tried again."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.delivery import DeliveryState, Verdict
from notifier.retries import MAX_ATTEMPTS, PAUSES, decide, read_retry_after

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
NONE = timedelta(0)


class Always:
    """No chance: one point of every range, 0 its start and 1 its end."""

    def __init__(self, point: float = 0.5) -> None:
        self.point = point

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.point


def pause_after(
    attempt: int, *, status: int | None = 500, header: str | None = None, point: float = 0.5
) -> timedelta:
    verdict = decide(attempt, status, header, NOW, Always(point))
    assert verdict.state is DeliveryState.PENDING
    assert verdict.due_at is not None
    return verdict.due_at - NOW


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    """Ten attempts over 75 hours, 35 minutes and 5 seconds."""
    pauses = [pause_after(attempt) for attempt in range(1, MAX_ATTEMPTS)]
    assert MAX_ATTEMPTS == 10
    assert [pause.total_seconds() for pause in pauses] == [
        5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]  # fmt: skip
    assert sum(pauses, NONE) == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize("attempt", range(1, MAX_ATTEMPTS))
def test_each_pause_is_up_to_a_tenth_sooner_or_later(attempt: int) -> None:
    """So that deliveries that failed together don't come back together."""
    pause = PAUSES[attempt - 1]
    assert pause_after(attempt, point=0) == pause * 0.9
    assert pause_after(attempt, point=1) == pause * 1.1
    chance = random.Random(7)  # noqa: S311  # spreads load, keeps no secret
    drawn = {decide(attempt, 500, None, NOW, chance).due_at for _ in range(50)}
    assert len(drawn) > 25
    for due_at in drawn:
        assert due_at is not None
        assert pause * 0.9 - timedelta(milliseconds=1) <= due_at - NOW <= pause * 1.1


@pytest.mark.parametrize("attempt", [1, 9, 10, 11])
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_delivers(attempt: int, status: int) -> None:
    """At whichever attempt."""
    assert decide(attempt, status, "60", NOW, Always()) == Verdict(DeliveryState.DELIVERED)


@pytest.mark.parametrize("attempt", [1, 10])
def test_410_ends_it(attempt: int) -> None:
    """The receiver wants no more."""
    assert decide(attempt, 410, "60", NOW, Always()) == Verdict(DeliveryState.GONE)


@pytest.mark.parametrize(
    "status", [None, 100, 101, 199, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 409, 411]
)
def test_anything_else_is_tried_again(status: int | None) -> None:
    """No answer at all; redirects, which are not followed; client errors, which get repaired."""
    assert pause_after(1, status=status) == PAUSES[0]


@pytest.mark.parametrize("attempt", [10, 11, 1000])
@pytest.mark.parametrize("status", [None, 301, 404, 429, 500, 503])
def test_after_ten_attempts_it_is_exhausted(attempt: int, status: int | None) -> None:
    """Attempts whose outcome nobody knows count as well."""
    assert decide(attempt, status, "60", NOW, Always()) == Verdict(DeliveryState.EXHAUSTED)


@pytest.mark.parametrize("status", [429, 502, 503, 504, 500, 404])
@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("600", timedelta(minutes=10)),
        ("4", PAUSES[0]),
        ("0", PAUSES[0]),
        ("-60", PAUSES[0]),
        ("soon", PAUSES[0]),
        ("86400", DAY),
        ("1000000000", DAY),
        ("Sat, 31 Jan 2026 12:10:00 GMT", timedelta(minutes=10)),
    ],
)
def test_retry_after_puts_off_and_never_brings_forward(
    status: int, header: str, pause: timedelta
) -> None:
    """The later of schedule and header, of which at most 24 hours count."""
    assert pause_after(1, status=status, header=header) == pause


def test_retry_after_does_not_shorten_a_long_pause() -> None:
    """Nor does its bound."""
    assert pause_after(9, header="60") == DAY
    assert pause_after(9, header="999999", point=1) == DAY * 1.1


@pytest.mark.parametrize(
    ("header", "pause"),
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
def test_retry_after_is_seconds_or_a_date(header: str | None, pause: timedelta) -> None:
    """In any of RFC 9110's forms; junk counts as none."""
    assert read_retry_after(header, NOW) == pause


@given(st.text() | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [+-]?\w+", fullmatch=True))
def test_no_header_breaks_it(header: str) -> None:
    """It comes from anyone."""
    assert NONE <= read_retry_after(header, NOW) <= DAY


@given(
    st.datetimes(timezones=st.integers(-23, 23).map(lambda h: timezone(timedelta(hours=h)))),
    st.integers(1, 20),
    st.sampled_from([None, 301, 404, 429, 500]),
)
def test_a_retry_is_in_time(moment: datetime, attempt: int, status: int | None) -> None:
    """Between its pause and a day and a tenth, to the millisecond."""
    verdict = decide(attempt, status, format_datetime(moment), NOW, Always())
    if attempt >= MAX_ATTEMPTS:
        assert verdict == Verdict(DeliveryState.EXHAUSTED)
    else:
        assert verdict.due_at is not None
        assert PAUSES[attempt - 1] <= verdict.due_at - NOW <= DAY
        assert verdict.due_at.microsecond % 1000 == 0
