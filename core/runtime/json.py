"""JSON read and written fast where orjson is at hand, which Lambdas do without."""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ModuleNotFoundError:  # pragma: no cover  # a Lambda
    orjson = None  # type: ignore[assignment]


def read_json(text: str | bytes) -> Any:
    """Read JSON, and what Python's own writes beside it: Infinity, half a surrogate pair."""
    if orjson is not None:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return json.loads(text)


def write_json(data: Any) -> bytes:
    """Write a value as JSON in UTF-8."""
    if orjson is not None:
        try:
            return orjson.dumps(data)
        except TypeError:  # half a surrogate pair, or a number beyond 64 bits
            pass
    return json.dumps(data).encode()
