"""Points in time as users write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.domain.errors import InvalidValue
from embedded.cli.shared.times import parse_future, parse_past
from tests.support.blobs import NOON


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31T12:00:00.123Z", NOON),
        ("2026-01-31T13:00:00.123+01:00", NOON),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("90s", NOON - timedelta(seconds=90)),
        ("5m", NOON - timedelta(minutes=5)),
        ("12h", NOON - timedelta(hours=12)),
        ("3d", NOON - timedelta(days=3)),
    ],
)
def test_time_is_rfc_3339_or_an_age(text: str, time: datetime) -> None:
    """In UTC unless it has an offset."""
    assert parse_past("--since", text, NOON) == time


@pytest.mark.parametrize("text", ["", "d", "3w", "-3d", "3 d", "9999999d", "yesterday"])
def test_another_form_is_an_error(text: str) -> None:
    """The message names the option and shows both forms."""
    with pytest.raises(InvalidValue, match="12h or 3d") as error:
        parse_past("--since", text, NOON)
    assert error.value.field == "--since"


@pytest.mark.parametrize("text", ["12h", "2026-02-01T00:00:00.123Z"])
def test_future_time_is_rfc_3339_or_a_span_from_now(text: str) -> None:
    assert parse_future("--expires", text, NOON) == NOON + timedelta(hours=12)


@pytest.mark.parametrize("text", ["0d", "2026-01-31", "2020-01-01"])
def test_future_time_must_not_be_past(text: str) -> None:
    with pytest.raises(InvalidValue, match="in the past"):
        parse_future("--expires", text, NOON)
