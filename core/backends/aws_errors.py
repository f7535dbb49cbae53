"""Translation of the errors of AWS clients."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def translated_errors(service: str) -> Iterator[None]:
    """Raise Unavailable for every error of botocore in the block. `service` is its name."""
    # The client has loaded botocore already; commands without a client must not load it.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except (BotoCoreError, ClientError) as exc:
        raise Unavailable(f"{service} can't answer: {exc}") from exc


def error_code(error: Any) -> str | None:
    """Return the code of a ClientError (ThrottlingException, ...); None for other errors."""
    response = getattr(error, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code
