"""The limit of a response's size, the same for every transport here and on AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.errors import Code
from api.limits import MAX_RESPONSE

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_PER_CHARACTER: Final = 4  # bytes of UTF-8


def is_too_large(written: bytes | str) -> bool:
    """Tell whether a response, as JSON, exceeds the limit.

    Lambda returns a response as a JSON string, in which quotes and backslashes take two bytes.
    """
    if len(written) <= MAX_RESPONSE // _MOST_PER_CHARACTER:  # whatever it contains
        return False
    if isinstance(written, str):
        written = written.encode(errors="surrogatepass")
    return len(written) + written.count(b'"') + written.count(b"\\") > MAX_RESPONSE


def too_large(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is sent in place of a response that exceeds the limit.

    It has `data`, because the operation was executed; `extensions` are those of `body`.
    """
    message = (
        f"The response has more than {MAX_RESPONSE / 1e6:g} MB. Request fewer fields or smaller "
        "pages (a smaller 'first'). If it was a mutation, it has taken effect."
    )
    extensions = {"code": Code.LIMIT_EXCEEDED, "limit": "response_bytes", "most": MAX_RESPONSE}
    error = {"message": message, "extensions": extensions}
    kept = {"extensions": body["extensions"]} if "extensions" in body else {}
    return {"data": None, "errors": [error], **kept}
