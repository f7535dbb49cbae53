"""Errors of the REST routes, as responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping


def error_response(
    code: str, message: str, *, status: int = 422, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the response to a request with an expected failure.

    `code` is the name that the failure has in GraphQL, such as BlobNotFound.
    """
    return JSONResponse({"code": code, "message": message}, status, dict(headers or {}))
