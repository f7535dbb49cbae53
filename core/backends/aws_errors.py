"""Failures of AWS clients in the catalogue's words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def translated_errors(service: str) -> Iterator[None]:
    """Raise Unavailable for whatever goes wrong in a call of that service."""
    # Loaded by whoever made the client; not at import, for commands and Lambdas that never call.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except (BotoCoreError, ClientError) as exc:
        raise Unavailable(f"{service} can't answer: {exc}") from exc


def error_code(error: Any) -> str | None:
    """Return the service's code of a ClientError (ThrottlingException, ...), None for others."""
    response = getattr(error, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code
