"""The schema, and its export: `python -m api.graphql.schema` prints the SDL."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

import strawberry
from graphql import DocumentNode, GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.name_converter import NameConverter
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.utils.str_converters import to_camel_case

from api.auth.permissions import require
from api.errors import RequestError, graphql_error, mask_error
from api.graphql.execution.compiled_executor import execute
from api.graphql.execution.event_executor import EventExecutor
from api.graphql.media_types import with_image_type
from api.graphql.mutations import Mutation
from api.graphql.queries import Query
from api.graphql.scalars import SCALARS
from api.graphql.subscriptions import Subscription
from api.limits import MAX_TOKENS

if TYPE_CHECKING:
    from api.graphql.execution.documents import Document, Documents

_SUGGESTION: Final = r" Did you mean [^?]*\?"


class _Names(NameConverter):
    """Strawberry's names, each made once: it asks for those of arguments with each request."""

    apply_naming_config = staticmethod(cache(to_camel_case))


class _DocumentLimits(SchemaExtension):
    """Parses and validates each document once, and rejects operations that exceed the limits."""

    _document: Document | None = None
    _cost: int | None = None

    def on_operation(self) -> Iterator[None]:
        """Use the parsed document if it is kept."""
        context = self.execution_context
        context.parse_options["max_tokens"] = MAX_TOKENS
        self._document = self._documents.find(context.query or "")
        if self._document:
            context.graphql_document = self._document.ast
        yield

    def on_validate(self) -> Iterator[None]:
        """Validate the document unless it is kept, and check the operation."""
        context = self.execution_context
        parsed = cast("DocumentNode", context.graphql_document)  # parsed by now
        document = self._document or self._documents.keep(context.query or "", parsed)
        # The public attribute names the first operation when the request names none.
        name = context._provided_operation_name  # noqa: SLF001
        self._cost, context.pre_execution_errors = _check(
            context.context, document, name, context.variables
        )
        yield

    def get_results(self) -> dict[str, Any]:
        """Return the extensions of the response."""
        return _response_extensions(self._documents, self._cost)

    @property
    def _documents(self) -> Documents:
        documents: Documents = self.execution_context.context.documents
        return documents


class _Schema(strawberry.Schema):
    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Execute an operation, compiled if its document was executed before.

        Raises CannotGetOperationTypeError or InvalidOperationTypeError, as Strawberry does.
        """
        documents: Documents | None = getattr(context_value, "documents", None)
        document = documents.find(query or "") if documents else None
        if documents is None or document is None or document.errors:
            return await super().execute(
                query,
                variable_values,
                context_value,
                root_value,
                operation_name,
                allowed_operation_types,
                operation_extensions,
            )
        operation = document.operation(operation_name)
        if operation is None:
            raise CannotGetOperationTypeError(operation_name)
        kind = OperationType(operation.operation.value)
        if allowed_operation_types is not None and kind not in allowed_operation_types:
            raise InvalidOperationTypeError(kind)
        cost, errors = _check(context_value, document, operation_name, variable_values)
        data = None
        if not errors:
            data, errors = await execute(
                self._schema,
                document.ast,
                documents.compiled,
                root_value,
                context_value,
                variable_values,
                operation_name,
                operation_extensions=operation_extensions,
            )
        _mask(errors, context_value)
        return ExecutionResult(data, errors or None, _response_extensions(documents, cost))

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Replace each error by what clients may see; log the service's own faults."""
        _mask(errors, execution_context.context if execution_context else None)


def _check(
    context: Any, document: Document, name: str | None, variables: dict[str, Any] | None
) -> tuple[int | None, list[GraphQLError]]:
    """Return an operation's cost, and the errors that prevent its execution: limits or scopes.

    Uses of deprecated elements are counted.
    """
    documents: Documents = context.documents
    cost, errors = documents.check(document, name, variables)
    if not errors:
        context.operation = documents.label(document, name)
        try:
            require(context.caller, documents.permission_roots(document, name))
        except RequestError as error:
            return cost, [graphql_error(error)]
        if used := documents.deprecated(document, name, variables):
            context.services.deprecated_uses.add(context.caller, used)
    return cost, errors


def _mask(errors: list[GraphQLError], context: Any) -> None:
    """Replace each error by what clients may see; log the service's own faults."""
    for error in errors:
        error.message = with_image_type(error.message)
    errors[:] = [mask_error(error, getattr(context, "request_id", None)) for error in errors]
    documents = getattr(context, "documents", None)
    if documents and not documents.suggestions:
        for error in errors:
            error.message = re.sub(_SUGGESTION, "", error.message)


def _response_extensions(documents: Documents, cost: int | None) -> dict[str, Any]:
    """Return the extensions of a response: the operation's cost and its limit."""
    if cost is None:
        return {}
    return {"cost": {"requested": cost, "limit": documents.limits.cost}}


schema = _Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[_DocumentLimits],
    execution_context_class=EventExecutor,
    config=StrawberryConfig(scalar_map=SCALARS, name_converter=_Names()),
)


def sdl() -> str:
    """Return the schema in the schema definition language, as `schema.graphql` holds it."""
    return schema.as_str() + "\n"


if __name__ == "__main__":
    sys.stdout.write(sdl())
