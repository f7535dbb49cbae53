"""The scalar DateTime: what its specification accepts, and nothing else.

https://scalars.graphql.org/andimarek/date-time
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from graphql import GraphQLError, GraphQLScalarType

from api.graphql.schema import schema

DATE_TIME = schema._schema.type_map["DateTime"]
assert isinstance(DATE_TIME, GraphQLScalarType)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        # The examples of the specification.
        ("2011-08-30T13:22:53.108Z", datetime(2011, 8, 30, 13, 22, 53, 108_000, UTC)),
        ("2011-08-30T13:22:53.108+00:00", datetime(2011, 8, 30, 13, 22, 53, 108_000, UTC)),
        ("2011-08-30t13:22:53.108z", datetime(2011, 8, 30, 13, 22, 53, 108_000, UTC)),
        ("2011-08-30T13:22:53.108-03:00", datetime(2011, 8, 30, 16, 22, 53, 108_000, UTC)),
        ("2011-08-30T13:22:53.108+03:30", datetime(2011, 8, 30, 9, 52, 53, 108_000, UTC)),
        # And others.
        ("0001-01-01T00:00:00.000Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)),
        ("2024-02-29T00:00:00.000-23:59", datetime(2024, 2, 29, 23, 59, tzinfo=UTC)),
        # Leap seconds (RFC 3339, 5.8).
        ("1990-12-31T23:59:60.000Z", datetime(1991, 1, 1, tzinfo=UTC)),
        ("1990-12-31T15:59:60.500-08:00", datetime(1991, 1, 1, 0, 0, 0, 500_000, UTC)),
    ],
)
def test_date_time_is_read(text: str, moment: datetime) -> None:
    read = DATE_TIME.parse_value(text)
    assert read == moment
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        # The examples of the specification.
        "2011-08-30T13:22:53.108-03",
        "2011-08-30T13:22:53.108912Z",
        "2011-08-30T24:22:53Z",
        "2011-08-30T13:22:53.108",
        "2011-08-30",
        "2011-08-30T13:22:53.108-00:00",
        "2011-08-30T13:22:53.108+03:30:15",
        "2011-08-30T24:22:53.108Z",
        "2010-02-30T21:22:53.108Z",
        "2010-02-11T21:22:53.108Z+25:11",
        # Other forms of ISO 8601.
        "2011-W35-2T13:22:53.108Z",
        "2011-242T13:22:53.108Z",
        "20110830T132253.108Z",
        "2011-08-30T132253.108Z",
        "2011-08-30T13:22:53,108Z",
        "2011-08-30 13:22:53.108Z",
        "2011-08-30T13:22.108Z",
        "2011-08-30T13Z",
        "2011-08-30T13:22:53Z",
        "2011-08-30T13:22:53.1Z",
        "2011-08-30T13:22:53.Z",
        "2011-08-30T13:22:53.108+0330",
        "+2011-08-30T13:22:53.108Z",
        "-2011-08-30T13:22:53.108Z",
        # Out of range.
        "2011-13-01T00:00:00.000Z",
        "2011-00-01T00:00:00.000Z",
        "2011-08-32T00:00:00.000Z",
        "2023-02-29T00:00:00.000Z",
        "2011-08-30T13:60:53.108Z",
        "2011-08-30T13:22:61.108Z",
        "2011-08-30T13:22:60.108Z",
        "2011-08-30T13:22:53.108+24:00",
        "2011-08-30T13:22:53.108+03:60",
        "0000-01-01T00:00:00.000Z",
        "0001-01-01T00:00:00.000+00:01",
        "9999-12-31T23:59:59.999-00:01",
        "9999-12-31T23:59:60.000Z",
        # Not the characters, or not a text.
        "\u0662\u0660\u0661\u0661-08-30T13:22:53.108Z",
        " 2011-08-30T13:22:53.108Z",
        "2011-08-30T13:22:53.108Z\n",
        "",
        1314710573,
        True,
        None,
        ["2011-08-30T13:22:53.108Z"],
    ],
)
def test_other_value_is_rejected(value: object) -> None:
    with pytest.raises(GraphQLError):
        DATE_TIME.parse_value(value)


def test_message_shows_the_form() -> None:
    with pytest.raises(GraphQLError, match=r"Write it as 2026-01-31T12:00:00\.000Z"):
        DATE_TIME.parse_value("2011-08-30T13:22:53Z")
