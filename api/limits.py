"""Limits of a request, in the embedded service and on AWS."""

from __future__ import annotations

from typing import Final

MAX_REQUEST: Final = 1_000_000  # bytes of a request body; images are uploaded to object storage
MAX_RESPONSE: Final = 5_500_000  # bytes of a response as a JSON string; Lambda returns 6 MB
MAX_DOCUMENT: Final = 50_000  # characters; lexing that many in a comment takes 5 ms
MAX_TOKENS: Final = 2000  # in one document; GraphiQL's longest has about 300
