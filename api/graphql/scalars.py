"""The GraphQL scalars of this schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from core.domain.clock import to_millisecond, to_text

Url = NewType("Url", str)


def _read_time(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as exc:
        raise GraphQLError(f"Not an RFC 3339 date and time: {value!r}") from exc
    if moment.tzinfo is None:
        raise GraphQLError(f"The date and time has no offset: write {value}Z for UTC")
    try:
        return to_millisecond(moment.astimezone(UTC))
    except OverflowError as exc:
        raise GraphQLError(f"Not between the years 1 and 9999 in UTC: {value!r}") from exc


def _read_url(value: Any) -> Url:
    if not isinstance(value, str):
        raise GraphQLError(f"Not a URL: {value!r}")
    return Url(value)


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="Timestamp in RFC 3339, UTC, with milliseconds; an input may have any offset. "
        "Example: `2026-01-31T12:00:00.000Z`.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=to_text,
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
