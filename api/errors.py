"""How failures look to clients."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from graphql import GraphQLError
from strawberry.extensions import SchemaExtension

from catalogue.errors import CatalogueError, InvalidValue, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

STORE_UNAVAILABLE: Final = "The store can't answer now. Try again in a moment."
MASKED: Final = "Something went wrong on our side."


class Unauthenticated(CatalogueError):
    """The request carries no valid API key."""

    def __init__(self) -> None:
        super().__init__(
            "A valid API key is needed: send it as 'Authorization: Bearer <key>'. "
            "The operator makes one with 'labelling keys create'."
        )


def error_body(message: str, code: str) -> dict[str, Any]:
    """Write the body of a GraphQL answer that holds one request error."""
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


def refusal(error: Exception) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, headers and body of the answer to a request that can't even be begun."""
    match error:
        case Unauthenticated():
            body = error_body(str(error), "UNAUTHENTICATED")
            return 401, {"www-authenticate": "Bearer"}, body
        case Unavailable():
            return 503, {}, error_body(STORE_UNAVAILABLE, "SERVICE_UNAVAILABLE")
    return 500, {}, error_body(MASKED, "INTERNAL_SERVER_ERROR")


class ShapeErrors(SchemaExtension):
    """Gives expected errors a code, and hides what only the log should tell."""

    def on_operation(self) -> Iterator[None]:
        """Look through the errors of an operation once it is done."""
        yield
        result = self.execution_context.result
        errors: list[GraphQLError] | None = getattr(result, "errors", None)
        if result is not None and errors:
            result.errors = [shape(error) for error in errors]


def shape(error: GraphQLError) -> GraphQLError:
    """Return the error as clients may see it."""
    match error.original_error:
        case None | GraphQLError():
            return error
        case InvalidValue() as cause:
            extensions = {"code": "BAD_USER_INPUT", "argument": cause.field}
            return _with(error, str(cause), extensions)
        case UnicodeEncodeError():
            # JSON can carry half a surrogate pair; no store keeps such a text.
            message = "The text of an argument is not Unicode: it holds a lone surrogate."
            return _with(error, message, {"code": "BAD_USER_INPUT"})
        case Unavailable() as cause:
            log.error("store unavailable", exc_info=cause)
            return _with(error, STORE_UNAVAILABLE, {"code": "SERVICE_UNAVAILABLE"})
        case cause:
            log.error("unexpected error in a resolver", exc_info=cause)
            return _with(error, MASKED, {"code": "INTERNAL_SERVER_ERROR"})


def _with(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
