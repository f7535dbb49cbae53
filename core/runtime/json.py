"""JSON, read and written by orjson where it is installed. The Lambda functions do without it."""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ModuleNotFoundError:  # pragma: no cover  # a Lambda
    orjson = None  # type: ignore[assignment]


def read_json(text: str | bytes) -> Any:
    """Parse JSON, including Infinity and lone surrogates, which Python's json module writes."""
    if orjson is not None:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return json.loads(text)


def write_json(data: Any) -> bytes:
    """Return a value as JSON in UTF-8."""
    if orjson is not None:
        try:
            return orjson.dumps(data)
        except TypeError:  # a lone surrogate, or a number beyond 64 bits
            pass
    return json.dumps(data).encode()
