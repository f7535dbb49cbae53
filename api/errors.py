"""How failures look to clients."""

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
MASKED: Final = "Something went wrong on our side."


class Code(StrEnum):
    """What `extensions.code` of an error says; names are Apollo's where it has one."""

    # The operation: told in `errors`, each with its place in the document or its path.
    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    OPERATION_RESOLUTION_FAILURE = "OPERATION_RESOLUTION_FAILURE"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    DOCUMENT_NOT_ALLOWED = "DOCUMENT_NOT_ALLOWED"
    NOT_FOUND = "NOT_FOUND"  # of a subscription: queries answer null
    # The request.
    BAD_REQUEST = "BAD_REQUEST"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    # Ours.
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    TIMEOUT = "TIMEOUT"


# The status of an answer without data, by the code of its first error; 400 where none is named.
STATUS: Final[Mapping[str, int]] = {
    # As Apollo Server has it: asking first for what may not be known yet is no mistake.
    Code.PERSISTED_QUERY_NOT_FOUND: 200,
    Code.PERSISTED_QUERY_NOT_SUPPORTED: 200,
    Code.UNAUTHENTICATED: 401,
    Code.DOCUMENT_NOT_ALLOWED: 403,
    Code.FORBIDDEN: 403,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.NOT_ACCEPTABLE: 406,
    Code.TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.INTERNAL_SERVER_ERROR: 500,
    Code.SERVICE_UNAVAILABLE: 503,
    Code.TIMEOUT: 504,
}
# Those of a well-formed request, which clients of `application/json` expect with 200
# (GraphQL over HTTP, "application/json").
OF_THE_DOCUMENT: Final = frozenset(
    {
        Code.GRAPHQL_PARSE_FAILED,
        Code.GRAPHQL_VALIDATION_FAILED,
        Code.BAD_USER_INPUT,
        Code.LIMIT_EXCEEDED,
    }
)


class RequestError(LabellingError):
    """A request that is not executed; the message says what to do.

    `headers` go with an HTTP answer, `facts` into the error's extensions.
    """

    def __init__(
        self, code: Code, message: str, *, headers: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        super().__init__(message)
        self.code = code
        self.headers = dict(headers or {})
        self.facts = facts


class Unauthenticated(RequestError):
    """The request carries no valid API key or token; `reason` says more, if it may be told."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(
            Code.UNAUTHENTICATED,
            f"{reason or 'A valid API key is needed'}: send one as 'Authorization: Bearer <key>'. "
            "The operator makes one with 'labelling keys create'.",
            # RFC 6750, 3.1
            headers={"www-authenticate": 'Bearer error="invalid_token"' if reason else "Bearer"},
        )


def timeout_error(seconds: float, request_id: str) -> RequestError:
    """Make the refusal of an operation that was given up after `seconds`."""
    return RequestError(
        Code.TIMEOUT,
        f"The operation took longer than {seconds:g} s and was given up. "
        "What a mutation had begun may be done all the same.",
        requestId=request_id,
    )


def error_body(message: str, code: str, **facts: Any) -> dict[str, Any]:
    """Write the body of a GraphQL answer that holds one request error."""
    return {"errors": [{"message": message, "extensions": {"code": code, **facts}}]}


def refusal(
    error: Exception, request_id: str | None = None
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, headers and body of the answer to a request that can't even be begun.

    What is hidden from the client is logged under `request_id` by whoever has one.
    """
    trace = {"requestId": request_id} if request_id else {}
    match error:
        case RequestError():
            body = error_body(str(error), error.code, **error.facts)
            return STATUS.get(error.code, 400), error.headers, body
        case Unavailable():
            return 503, {}, error_body(STORE_UNAVAILABLE, Code.SERVICE_UNAVAILABLE, **trace)
    return 500, {}, error_body(MASKED, Code.INTERNAL_SERVER_ERROR, **trace)


def refusal_error(refused: RequestError) -> GraphQLError:
    """Write a refusal as an error of the operation."""
    return GraphQLError(str(refused), extensions={"code": refused.code, **refused.facts})


def shape(error: GraphQLError, request_id: str | None = None) -> GraphQLError:
    """Return the error as clients may see it: with a code, and hiding what only the log may tell.

    That is logged, and the client told `request_id`, which the log line has too.
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
            message, extensions = str(cause), {"code": cause.code, **cause.facts}
        case UnicodeEncodeError():
            # JSON can carry half a surrogate pair; no store keeps such a text.
            message = "The text of an argument is not Unicode: it holds a lone surrogate."
            extensions = {"code": Code.BAD_USER_INPUT}
        case Unavailable() as cause:
            log.error("store unavailable", exc_info=cause)
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
