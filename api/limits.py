"""Bounds of a request, whoever serves it."""

from __future__ import annotations

from typing import Final

MAX_REQUEST: Final = 1_000_000  # bytes of a request's body; pictures go another way
MAX_DOCUMENT: Final = 50_000  # characters; reading as many of a comment takes 5 ms
MAX_TOKENS: Final = 2000  # of one document; the longest of GraphiQL's own has about 300
