"""From errors to problem responses."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from api.errors import MASKED, STORE_UNAVAILABLE, Code, RequestError
from api.graphql.http.request import request_id_of
from api.rest.problems import PROBLEM_JSON, PUBLIC_PATH, problem
from api.services.uploads import InvalidUpload
from core.domain.clock import to_text
from core.domain.errors import (
    BlobNotFound,
    CallbackUrlRefused,
    ExternalIdTaken,
    InvalidValue,
    QuotaExceeded,
    StorageFull,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import Scope

    from core.domain.clock import Clock

log = logging.getLogger(__name__)

_CAPITAL: Final = re.compile("[A-Z]")


class ProblemResponse(JSONResponse):
    """A response with problem details."""

    media_type = PROBLEM_JSON


def problem_response(
    scope: Scope,
    code: str,
    detail: str,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> ProblemResponse:
    """Return the response to the request of `scope`; see `api.rest.problems.problem`."""
    public_path = scope.get(PUBLIC_PATH, "")
    body = problem(code, detail, public_path=public_path, status=status, **members)
    return ProblemResponse(body, body["status"], dict(headers or {}))


def request_problem(scope: Scope, error: RequestError, **members: Any) -> ProblemResponse:
    """Return the response to a request that is rejected; `members` are besides the error's own."""
    members |= {_snake_case(name): each for name, each in error.extensions.items()}
    return problem_response(scope, error.code, str(error), headers=error.headers, **members)


class Problems:
    """Turns the errors of routes into problem responses; `clock` is for Retry-After."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def __call__(  # noqa: PLR0911  # one for each kind
        self, request: Request, error: Exception
    ) -> ProblemResponse:
        """Return the response to a request that raised an error."""
        scope, detail = request.scope, str(error)
        match error:
            case RequestError():
                return request_problem(scope, error)
            case HTTPException():
                return _of_framework(scope, error)
            case BlobNotFound():
                return problem_response(scope, "BlobNotFound", detail, blob_id=error.blob_id)
            case CallbackUrlRefused():
                return problem_response(scope, "CallbackUrlRefused", detail, url=error.url)
            case ExternalIdTaken():
                return problem_response(scope, "ExternalIdTaken", detail, blob_id=error.blob_id)
            case InvalidUpload():
                return _invalid(scope, error.problems)
            case InvalidValue():
                return _invalid(scope, (error,))
            case QuotaExceeded():
                seconds = ceil((error.retry_at - self._clock()).total_seconds())
                return problem_response(
                    scope,
                    "QuotaExceeded",
                    detail,
                    headers={"retry-after": str(max(1, seconds))},  # RFC 9110, 10.2.3
                    retry_at=to_text(error.retry_at),
                )
            case StorageFull():
                return problem_response(scope, "StorageFull", detail)  # RFC 4918, 11.5
        return _of_service(scope, error)


def _of_framework(scope: Scope, error: HTTPException) -> ProblemResponse:
    """Return the response to an error that Starlette or FastAPI raised."""
    headers = error.headers or {}
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return problem_response(scope, Code.NOT_FOUND, f"There is nothing at {scope['path']}.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = headers.get("Allow", "")
            detail = f"{scope['path']} has no method {scope['method']}. Send one of: {allowed}."
            return problem_response(scope, Code.METHOD_NOT_ALLOWED, detail, headers=headers)
    return problem_response(
        scope, Code.BAD_REQUEST, str(error.detail), status=error.status_code, headers=headers
    )


def _of_service(scope: Scope, error: Exception) -> ProblemResponse:
    request_id = request_id_of(scope)
    if isinstance(error, Unavailable):  # no bug of ours: its message is all there is to know
        log.error("store unavailable", extra={"request_id": request_id, "error": str(error)})
        code, detail = Code.SERVICE_UNAVAILABLE, STORE_UNAVAILABLE
    else:
        log.error("request failed", exc_info=error, extra={"request_id": request_id})
        code, detail = Code.INTERNAL_SERVER_ERROR, MASKED
    return problem_response(scope, code, detail, request_id=request_id)


def _invalid(scope: Scope, found: Sequence[InvalidValue]) -> ProblemResponse:
    problems = [
        {
            "field": _snake_case(each.field),
            "path": [_snake_case(name) for name in each.path],
            "message": each.message,
        }
        for each in found
    ]
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in problems)
    return problem_response(scope, "InvalidInput", detail, problems=problems)


def _snake_case(name: str) -> str:
    """Return the name that a value of GraphQL has in REST: `retryAfter` is `retry_after`."""
    return _CAPITAL.sub(lambda letter: "_" + letter[0].lower(), name)
