"""Errors as clients see them: codes, HTTP statuses, messages."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from graphql import GraphQLError, GraphQLSyntaxError

from core.domain.errors import InvalidValue, LabellingError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

STORE_UNAVAILABLE: Final = "The store can't answer now. Try again in a moment."
MASKED: Final = "Internal error. The operator finds the cause in the log."


class Code(StrEnum):
    """Values of an error's `extensions.code`; the names are Apollo's where it has one."""

    # Errors of the operation: each has its location in the document or its path.
    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    OPERATION_RESOLUTION_FAILURE = "OPERATION_RESOLUTION_FAILURE"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    DOCUMENT_NOT_ALLOWED = "DOCUMENT_NOT_ALLOWED"
    NOT_FOUND = "NOT_FOUND"  # in subscriptions; queries return null
    NOT_CONFIGURED = "NOT_CONFIGURED"
    # Errors of the request.
    BAD_REQUEST = "BAD_REQUEST"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    # Errors of the service.
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    TIMEOUT = "TIMEOUT"


# HTTP status of a response without data, by the code of its first error; otherwise 400.
STATUS: Final[Mapping[str, int]] = {
    # As in Apollo Server: a client that sends the hash first makes no mistake.
    Code.PERSISTED_QUERY_NOT_FOUND: 200,
    Code.PERSISTED_QUERY_NOT_SUPPORTED: 200,
    Code.UNAUTHENTICATED: 401,
    Code.DOCUMENT_NOT_ALLOWED: 403,
    Code.FORBIDDEN: 403,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.NOT_ACCEPTABLE: 406,
    Code.TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.TOO_MANY_REQUESTS: 429,
    Code.INTERNAL_SERVER_ERROR: 500,
    Code.SERVICE_UNAVAILABLE: 503,
    Code.TIMEOUT: 504,
}
# Errors of a well-formed request, whose response has status 200 as `application/json`
# (GraphQL over HTTP, "application/json").
DOCUMENT_ERRORS: Final = frozenset(
    {
        Code.GRAPHQL_PARSE_FAILED,
        Code.GRAPHQL_VALIDATION_FAILED,
        Code.BAD_USER_INPUT,
        Code.LIMIT_EXCEEDED,
    }
)


class RequestError(LabellingError):
    """The request is not executed; the message says why and what to do.

    `headers` are for the HTTP response, `extensions` for the GraphQL error.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.headers = dict(headers or {})
        self.extensions = extensions


class Unauthenticated(RequestError):
    """The request has no valid API key or token; `reason` says why, where clients may know."""

    remedy = (
        "send one as 'Authorization: Bearer <key>'. "
        "The operator creates one with 'labelling keys create'."
    )

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(
            Code.UNAUTHENTICATED,
            f"{reason or 'A valid API key is needed'}: {self.remedy}",
            # RFC 6750, 3.1
            headers={"www-authenticate": 'Bearer error="invalid_token"' if reason else "Bearer"},
        )


class SessionEnded(Unauthenticated):
    """The session of a browser has ended, or its key was revoked or has expired."""

    remedy = "sign in again with an API key."

    def __init__(self) -> None:
        super().__init__("The session has ended")


class TooManyRequests(RequestError):
    """A client sends more requests than its limit; it may send the next in `seconds`."""

    def __init__(self, reason: str, seconds: int) -> None:
        super().__init__(
            Code.TOO_MANY_REQUESTS,
            f"{reason}: wait {seconds} s before the next.",
            headers={"retry-after": str(seconds)},  # RFC 6585, 4
            retryAfter=seconds,
        )


def timeout_error(seconds: float, request_id: str) -> RequestError:
    """Return the error of an operation that was stopped after `seconds`."""
    return RequestError(
        Code.TIMEOUT,
        f"The operation took longer than {seconds:g} s and was stopped. "
        "A mutation may have taken effect all the same.",
        requestId=request_id,
    )


def error_body(message: str, code: str, **extensions: Any) -> dict[str, Any]:
    """Return the body of a GraphQL response that holds one request error."""
    return {"errors": [{"message": message, "extensions": {"code": code, **extensions}}]}


def request_failure(
    error: Exception, request_id: str | None = None
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, headers and body of the response to a request that was not executed.

    The body hides an unexpected error; the caller logs it with the same `request_id`.
    """
    trace = {"requestId": request_id} if request_id else {}
    match error:
        case RequestError():
            body = error_body(str(error), error.code, **error.extensions)
            return STATUS.get(error.code, 400), error.headers, body
        case Unavailable():
            return 503, {}, error_body(STORE_UNAVAILABLE, Code.SERVICE_UNAVAILABLE, **trace)
    return 500, {}, error_body(MASKED, Code.INTERNAL_SERVER_ERROR, **trace)


def graphql_error(error: RequestError) -> GraphQLError:
    """Return a request error as an error of the operation."""
    return GraphQLError(str(error), extensions={"code": error.code, **error.extensions})


def mask_error(error: GraphQLError, request_id: str | None = None) -> GraphQLError:
    """Return an error as clients may see it: with a code, and without internal details.

    The details are logged. The error has the `request_id` of the log line.
    """
    trace = {"requestId": request_id} if request_id else {}
    message: str = error.message
    extensions: dict[str, Any] = dict(error.extensions or {})
    match error.original_error:
        case None | GraphQLError():
            if "code" in extensions:
                return error
            syntax = isinstance(error, GraphQLSyntaxError)
            extensions["code"] = Code.GRAPHQL_PARSE_FAILED if syntax else Code.BAD_USER_INPUT
        case InvalidValue() as cause:
            message = str(cause)
            extensions = {"code": Code.BAD_USER_INPUT, "argument": cause.field}
        case RequestError() as cause:
            message, extensions = str(cause), {"code": cause.code, **cause.extensions}
        case UnicodeEncodeError():
            # JSON can hold a lone surrogate; no store can.
            message = "The text of an argument is not Unicode: it contains a lone surrogate."
            extensions = {"code": Code.BAD_USER_INPUT}
        case Unavailable() as cause:
            log.error("store unavailable", extra={"error": str(cause)})
            message, extensions = STORE_UNAVAILABLE, {"code": Code.SERVICE_UNAVAILABLE, **trace}
        case cause:
            log.error("unexpected error in a resolver", exc_info=cause)
            message, extensions = MASKED, {"code": Code.INTERNAL_SERVER_ERROR, **trace}
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
