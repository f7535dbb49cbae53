"""Bounds of a request, whoever serves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_REQUEST: Final = 1_000_000  # bytes of a request's body; pictures go another way
MAX_DOCUMENT: Final = 50_000  # characters; reading as many of a comment takes 5 ms
MAX_TOKENS: Final = 2000  # of one document; the longest of GraphiQL's own has about 300


@dataclass(frozen=True, slots=True)
class Limits:
    """How large an operation may be, its fragments written out wherever they are spread.

    The full introspection of GraphiQL has 15 levels and 229 fields (docs/decisions/0013).
    """

    depth: int = 20  # fields inside fields
    root_fields: int = 30
    aliases: int = 30
    directives: int = 50
    fragments: int = 100  # spreads; definitions as well
    fields: int = 400  # validation compares those of one selection in pairs
    cost: int = 30_000  # values in the answer, as estimated by api.sizes
