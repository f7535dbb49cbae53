"""Error responses of middleware, in the form that the path's clients expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from api.errors import STATUS, Code, error_body
from api.rest.errors import problem_response

if TYPE_CHECKING:
    from starlette.types import Scope


def rejection_response(scope: Scope, code: Code, reason: str, **members: Any) -> JSONResponse:
    """Return the response to a request that middleware rejects.

    It is a GraphQL response at /graphql, and problem details with `members` elsewhere.
    """
    if scope["path"] == "/graphql":
        return JSONResponse(error_body(reason, code), STATUS.get(code, 400))
    return problem_response(scope, code, reason, **members)
