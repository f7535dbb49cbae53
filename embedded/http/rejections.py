"""Error responses of middleware, in the form that the path's clients expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from api.errors import request_failure
from api.rest.errors import request_problem

if TYPE_CHECKING:
    from starlette.types import Scope

    from api.errors import RequestError


def rejection_response(scope: Scope, error: RequestError, **members: Any) -> JSONResponse:
    """Return the response to a request that middleware rejects.

    It is a GraphQL response at /graphql, and problem details with `members` elsewhere.
    """
    if scope["path"] == "/graphql":
        status, headers, body = request_failure(error)
        return JSONResponse(body, status, headers)
    return request_problem(scope, error, **members)
