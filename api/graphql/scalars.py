"""The GraphQL scalars of this schema."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from core.domain.clock import to_millisecond, to_text

Url = NewType("Url", str)

# Clients that poll a page read the times of the same blobs again.
write_time: Final = lru_cache(maxsize=512)(to_text)


DATE_TIME_SPECIFICATION: Final = "https://scalars.graphql.org/andimarek/date-time"
# Of that specification: RFC 3339, always with milliseconds, and without the offset -00:00.
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(\.\d{3})"
    r"(Z|(?!-00:00)[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII | re.IGNORECASE,
)


def _read_time(value: Any) -> datetime:
    parts = _TIME.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        raise GraphQLError(
            f"Not a date and time of RFC 3339 with milliseconds and an offset: {value!r}. Write it "
            "as 2026-01-31T12:00:00.000Z."
        )
    date, minute, second, fraction, offset = parts.groups()
    is_leap_second = second == "60"
    text = f"{date}T{minute}:{'59' if is_leap_second else second}{fraction}{offset.upper()}"
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
        if is_leap_second:  # the same as the next second, in POSIX
            moment += timedelta(seconds=1)
    except ValueError as exc:
        raise GraphQLError(f"There is no such date: {value!r}") from exc
    except OverflowError as exc:
        raise GraphQLError(f"Not between the years 1 and 9999 in UTC: {value!r}") from exc
    if is_leap_second and (moment.day, moment.hour, moment.minute) != (1, 0, 0):
        raise GraphQLError(f"A leap second ends a month in UTC (RFC 3339, 5.7): {value!r}")
    return to_millisecond(moment)


def _read_url(value: Any) -> Url:
    if not isinstance(value, str):
        raise GraphQLError(f"Not a URL: {value!r}")
    return Url(value)


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="Timestamp in RFC 3339, UTC, with milliseconds; an input may have any offset. "
        "Example: `2026-01-31T12:00:00.000Z`.",
        specified_by_url=DATE_TIME_SPECIFICATION,
        serialize=write_time,
        parse_value=_read_time,
    ),
    Url: strawberry.scalar(
        name="Url",
        description="Absolute URL. Example: `https://example.org/hook`.",
        specified_by_url="https://url.spec.whatwg.org/",
        serialize=str,
        parse_value=_read_url,
    ),
}
