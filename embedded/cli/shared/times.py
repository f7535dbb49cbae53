"""Points in time as users write them: RFC 3339, or a number of seconds, minutes, hours or days."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from core.domain.errors import InvalidValue

_SPAN: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_past(option: str, text: str, now: datetime) -> datetime:
    """Return a time given in RFC 3339, or as an age: 90m, 12h, 3d. Raises InvalidValue."""
    return _parse(option, text, now, -1)


def parse_future(option: str, text: str, now: datetime) -> datetime:
    """Return a later time given in RFC 3339, or as a span from now: 12h, 90d.

    Raises InvalidValue, also for a time in the past.
    """
    time = _parse(option, text, now, 1)
    if time <= now:
        raise InvalidValue(option, f"{text!r} is in the past")
    return time


def _parse(option: str, text: str, now: datetime, sign: int) -> datetime:
    try:
        if span := _SPAN.fullmatch(text):
            return now + sign * timedelta(**{_UNITS[span[2]]: int(span[1])})
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as exc:
        raise InvalidValue(
            option,
            f"{text!r} is neither a time such as 2026-01-31T12:00:00Z nor a span such as 12h or 3d",
        ) from exc
    return time if time.tzinfo else time.replace(tzinfo=UTC)
