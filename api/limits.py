"""Bounds of a request, whoever serves it."""

from __future__ import annotations

from typing import Final

MAX_REQUEST: Final = 1_000_000  # bytes of a request's body; pictures go another way
