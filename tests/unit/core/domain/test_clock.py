"""Times and ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.clock import (
    derive_id,
    epoch_ms,
    from_text,
    is_id,
    new_id,
    to_millisecond,
    to_text,
    ulid_floor,
    utc_now,
)
from tests.support.blobs import NOON

MILLISECOND = timedelta(milliseconds=1)
ZONES = st.integers(-12 * 60, 14 * 60).map(lambda n: timezone(timedelta(minutes=n)))
# From 1970, when ids begin; a day short of the last year, so that every zone can show it.
MOMENTS = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001  # the strategy adds the zone
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=ZONES,
)


def test_now_is_in_utc_to_the_millisecond() -> None:
    now = utc_now()
    assert now.tzinfo is UTC
    assert now == to_millisecond(now)
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)


def test_vector_of_the_ulid_specification() -> None:
    """1469918176385 ms is 01ARYZ6S41."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1469918176385)
    assert ulid_floor(moment) == "01ARYZ6S41" + "0" * 16
    assert new_id(moment).startswith("01ARYZ6S41")


@given(MOMENTS)
def test_time_is_parsed_from_its_text(moment: datetime) -> None:
    """To the millisecond, with any offset; the text is in UTC."""
    text = to_text(moment)
    assert from_text(text) == to_millisecond(moment)
    assert len(text) == len("2026-01-31T12:00:00.123Z")
    assert text.endswith("Z")


@given(MOMENTS, MOMENTS)
def test_texts_and_ids_sort_as_times_do(one: datetime, other: datetime) -> None:
    """So an index on them is an index on time."""
    earlier, later = sorted((to_millisecond(one), to_millisecond(other)))
    assert to_text(earlier) <= to_text(later)
    assert ulid_floor(earlier) <= ulid_floor(later)
    if earlier < later:
        assert to_text(earlier) < to_text(later)
        assert new_id(earlier) < new_id(later)


@given(MOMENTS)
def test_ids_of_a_millisecond_lie_between_its_floor_and_the_next(moment: datetime) -> None:
    """A range of times is a range of ids."""
    made = new_id(moment)
    assert is_id(made)
    assert ulid_floor(moment) <= made < ulid_floor(moment + MILLISECOND)


def test_time_before_1970_has_the_smallest_floor() -> None:
    assert ulid_floor(datetime(1, 1, 1, tzinfo=UTC)) == "0" * 26


def test_ids_of_one_moment_differ() -> None:
    """By 80 random bits."""
    assert len({new_id(NOON) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("01ARYZ6S41TSV4RRFFQ69G5FAV", True),
        ("01aryz6s41tsv4rrffq69g5fav", False),
        ("01ARYZ6S41TSV4RRFFQ69G5FA", False),
        ("01ARYZ6S41TSV4RRFFQ69G5FAVV", False),
        ("01ARYZ6S41TSV4RRFFQ69G5FAU", False),  # no U in Crockford's alphabet
        ("", False),
    ],
)
def test_form_of_an_id(text: str, *, is_one: bool) -> None:
    """26 characters of Crockford's base 32."""
    assert is_id(text) is is_one


def test_epoch_milliseconds_are_exact() -> None:
    """They are not calculated with floats."""
    assert epoch_ms(datetime(2026, 1, 31, 12, 0, 0, 123999, tzinfo=UTC)) == 1769860800123


def test_derived_id_is_always_the_same() -> None:
    """It has the form of an id, and sorts by time."""
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    made = derive_id(moment, b"a")
    assert made == derive_id(moment, b"a") != derive_id(moment, b"b")
    assert is_id(made)
    assert made[:10] == new_id(moment)[:10]
