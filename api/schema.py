"""The schema, and its export: `python -m api.schema` writes the SDL."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, cast

import strawberry
from graphql import DocumentNode, GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from api.errors import Refused, refusal_error, shape
from api.limits import MAX_TOKENS
from api.mutations import Mutation
from api.queries import Query
from api.scalars import SCALARS
from api.scopes import require
from api.subscriptions import Subscription

if TYPE_CHECKING:
    from api.documents import Document, Documents

_SUGGESTION: Final = r" Did you mean [^?]*\?"


class _WithinLimits(SchemaExtension):
    """Has each document parsed and validated once, and executes none beyond the limits."""

    _document: Document | None = None
    _cost: int | None = None

    def on_operation(self) -> Iterator[None]:
        """Look whether the document is known."""
        context = self.execution_context
        context.parse_options["max_tokens"] = MAX_TOKENS
        self._document = self._documents.find(context.query or "")
        if self._document:
            context.graphql_document = self._document.ast
        yield

    def on_validate(self) -> Iterator[None]:
        """Validate it if need be, and look what the operation costs."""
        context = self.execution_context
        parsed = cast("DocumentNode", context.graphql_document)  # it would not have come so far
        document = self._document or self._documents.keep(context.query or "", parsed)
        # Its public twin names the first operation when none was named.
        name = context._provided_operation_name  # noqa: SLF001
        self._cost, context.pre_execution_errors = self._documents.check(
            document, name, context.variables
        )
        if not context.pre_execution_errors:
            try:
                require(context.context.caller, self._documents.roots(document, name))
            except Refused as refused:
                context.pre_execution_errors = [refusal_error(refused)]
        yield

    def get_results(self) -> dict[str, Any]:
        """Return what is told beside the data."""
        if self._cost is None:
            return {}
        return {"cost": {"requested": self._cost, "limit": self._documents.limits.cost}}

    @property
    def _documents(self) -> Documents:
        documents: Documents = self.execution_context.context.documents
        return documents


class _Schema(strawberry.Schema):
    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Put what clients may see in the place of each error; log what is our fault."""
        context = execution_context.context if execution_context else None
        errors[:] = [shape(error, getattr(context, "request_id", None)) for error in errors]
        documents = getattr(context, "documents", None)
        if documents and not documents.suggestions:
            for error in errors:
                error.message = re.sub(_SUGGESTION, "", error.message)


schema = _Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[_WithinLimits],
    config=StrawberryConfig(scalar_map=SCALARS),
)


def sdl() -> str:
    """Return the schema in the schema definition language, as `schema.graphql` holds it."""
    return schema.as_str() + "\n"


if __name__ == "__main__":
    sys.stdout.write(sdl())
