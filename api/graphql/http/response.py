"""Writes GraphQL responses over HTTP (https://graphql.github.io/graphql-over-http/draft/)."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response
from strawberry.http import process_result

from api.errors import DOCUMENT_ERRORS, STATUS, RequestError, request_failure
from api.graphql.execution.response_size import is_too_large, too_large
from api.graphql.http.request import JSON
from core.runtime.json import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from strawberry.http import GraphQLHTTPResponse
    from strawberry.types import ExecutionResult

log = logging.getLogger(__name__)

GRAPHQL_JSON: Final = "application/graphql-response+json"


@lru_cache(maxsize=64)
def media_type(accept: str | None) -> str | None:
    """Choose a response's media type by the Accept header (RFC 9110, 12.5.1); None: not acceptable.

    Defaults to `application/json`.
    """
    if not accept:
        return JSON
    weights = {}
    for part in accept.lower().split(","):
        kind, *parameters = (each.strip() for each in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            weights[kind] = float(weight)
        except ValueError:
            weights[kind] = 0.0
    anything = weights.get("application/*", weights.get("*/*", 0.0))
    plain, graphql = weights.get(JSON, anything), weights.get(GRAPHQL_JSON, 0.0)
    if max(plain, graphql) <= 0:
        return None
    return GRAPHQL_JSON if graphql >= plain else JSON


def accepts_stream(accept: str | None) -> bool:
    """Tell whether an Accept header names a media type of subscriptions over HTTP."""
    return any(each in (accept or "").lower() for each in ("text/event-stream", "multipart/mixed"))


def response_body(result: ExecutionResult) -> GraphQLHTTPResponse:
    """Return the body of a response: without `data` when execution did not begin."""
    body = process_result(result)
    if result.data is None and not any(error.path for error in result.errors or ()):
        del body["data"]
    return body


def graphql_response(body: Any, kind: str) -> Response:
    """Return the response with a body and a media type; its status follows from the errors.

    In place of a body that exceeds the limit, an error is sent.
    """
    status = 200
    if "data" not in body:
        code = body["errors"][0].get("extensions", {}).get("code")
        if code not in DOCUMENT_ERRORS or kind == GRAPHQL_JSON:
            status = STATUS.get(code, 400)
    written = write_json(body)
    if is_too_large(written):
        written = write_json(too_large(body))
    return _response(written, status, kind)


def error_response(request: Request, error: Exception) -> Response:
    """Return the response to a request that could not be executed; log an unexpected error."""
    status, headers, body = request_failure(error, request.state.request_id)
    if not isinstance(error, RequestError):
        log.error("request failed", exc_info=error)
    kind = media_type(request.headers.get("accept")) or JSON
    return _response(json.dumps(body), status, kind, headers)


def _response(
    body: str | bytes, status: int, kind: str, headers: Mapping[str, str] | None = None
) -> Response:
    # A response holds one owner's data, true only at this moment.
    return Response(
        body,
        status,
        {"cache-control": "no-store", **(headers or {})},
        media_type=f"{kind}; charset=utf-8",
    )
