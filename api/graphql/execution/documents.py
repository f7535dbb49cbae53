"""The document cache: each document is parsed, measured and validated once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from graphql import GraphQLError, GraphQLSyntaxError, OperationDefinitionNode, OperationType, parse

from api.errors import Code, RequestError
from api.graphql.execution.compiled_selections import CompiledSelections
from api.graphql.execution.deprecations import Deprecations
from api.graphql.execution.permission_roots import permission_roots
from api.graphql.execution.persisted import (
    allowed_text,
    document_not_allowed,
    hash_of,
    persisted_hash,
)
from api.graphql.execution.query_cost import CostAnalysis, Limits, item_count
from api.graphql.execution.validation import MAX_SHOWN, DocumentValidator, limit_error
from api.limits import MAX_DOCUMENT, MAX_TOKENS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import DocumentNode, GraphQLSchema

# Characters of all kept documents. A parsed one takes 100 bytes for each, at worst 300.
_MAX_KEPT: Final = 250_000
_ROOTS: Final = frozenset({"Query", "Mutation", "Subscription"})
_MAX_COSTS: Final = 200  # combinations of page sizes whose cost is kept, per document


@dataclass(slots=True)
class Document:
    """A parsed document with its validation errors; none means that it is valid."""

    text: str
    ast: DocumentNode
    errors: list[GraphQLError]
    operations: dict[str | None, OperationDefinitionNode]
    page_size_variables: tuple[str, ...] = ()
    deprecated: frozenset[str] = frozenset()  # the elements that it names
    costs: dict[tuple[object, ...], int] = field(default_factory=dict)
    permission_roots: dict[str | None, frozenset[str]] = field(default_factory=dict)
    labels: dict[str | None, str] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Return the operation of that name; the first one when the name is None."""
        if name is None:
            return next(iter(self.operations.values()), None)
        return self.operations.get(name)

    def operation_name(self, name: str | None) -> str | None:
        """Return `name`, or the name of the only operation when `name` is None."""
        if name is None and len(self.operations) == 1:
            (name,) = self.operations
        return name


class Documents:
    """The documents that one service executes.

    The most recently used ones are kept. Their texts may then be requested by SHA-256 alone
    (automatic persisted queries, where `automatic`). With `allowed` (a mapping from SHA-256 in
    lower-case hex to document) no other document is executed.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: Limits | None = None,
        *,
        introspection: bool = True,
        suggestions: bool = True,
        automatic: bool = True,
        allowed: Mapping[str, str] | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.compiled = CompiledSelections()
        self.suggestions = suggestions
        self._schema = schema
        self._validator = DocumentValidator(schema, self.limits, introspection=introspection)
        self._deprecations = Deprecations(schema)
        self._automatic = automatic
        self._allowed = allowed
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    def text(self, query: str | None, extensions: Mapping[str, Any] | None) -> str:
        """Return the document of a request, which may name it by its hash (`persisted`).

        Every transport calls this before it executes anything.

        Raises:
            RequestError: there is no document, it is too long, unknown or not allowed.

        """
        name = persisted_hash(extensions)
        if not query and not name:
            raise RequestError(Code.BAD_REQUEST, "No GraphQL document: send it as 'query'.")
        if self._allowed is not None:
            return allowed_text(self._allowed, query, name)
        if query:
            if name and name != hash_of(query):
                raise RequestError(Code.BAD_USER_INPUT, "provided sha does not match query")
            if len(query) > MAX_DOCUMENT:
                raise RequestError(
                    Code.TOO_LARGE, f"A document has at most {MAX_DOCUMENT} characters."
                )
            return query
        if not self._automatic:
            raise RequestError(Code.PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")
        found = self._kept.get(name or "")
        if found is None:
            raise RequestError(Code.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
        return found.text

    def find(self, text: str) -> Document | None:
        """Return a document if it is kept."""
        name = hash_of(text)
        found = self._kept.get(name)
        if found:
            self._kept.move_to_end(name)
        return found

    def kind(self, text: str, name: str | None) -> OperationType | None:
        """Return the type of a request's operation; None when it can't be determined."""
        document = self.find(text)
        if document is None:
            try:
                document = self.keep(text, parse(text, max_tokens=MAX_TOKENS))
            except GraphQLSyntaxError:
                return None
        operations = document.operations
        name = name or document.operation_name(None)
        return operations[name].operation if name in operations else None

    def keep(self, text: str, ast: DocumentNode) -> Document:
        """Measure and validate a document, and keep it until others displace it.

        Raises RequestError for a document that is not allowed (`text` checks requests only).
        """
        name = hash_of(text)
        if self._allowed is not None and name not in self._allowed:
            raise document_not_allowed()
        operations = {
            node.name.value if node.name else None: node
            for node in ast.definitions
            if isinstance(node, OperationDefinitionNode)
        }
        found = self._validator.validate(ast)
        document = Document(text, ast, found.errors, operations, found.page_size_variables)
        if not found.errors:
            document.deprecated = self._deprecations.in_document(ast)
        if name in self._kept:
            self._drop(name)
        self._kept[name] = document
        self._characters += len(text)
        while self._characters > _MAX_KEPT and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))
        return document

    def _drop(self, name: str) -> None:
        dropped = self._kept.pop(name)
        self._characters -= len(dropped.text)
        self.compiled.forget(dropped.operations.values())

    def check(
        self, document: Document, name: str | None, variables: Mapping[str, Any] | None
    ) -> tuple[int | None, list[GraphQLError]]:
        """Return an operation's cost, and the errors that prevent its execution.

        `name` is the request's operation name, if any; `variables` are not coerced yet.
        """
        if document.errors:
            return None, list(document.errors)
        name = document.operation_name(name)
        if name not in document.operations:
            message = "The document has several operations: say which by 'operationName'."
            error = GraphQLError(message, extensions={"code": Code.OPERATION_RESOLUTION_FAILURE})
            return None, [error]
        cost = self._cost(document, name, variables or {})
        if cost > self.limits.cost:
            operation = document.operations[name]
            return cost, [limit_error("cost", self.limits.cost, cost, operation)]
        return cost, []

    def permission_roots(self, document: Document, name: str | None) -> frozenset[str]:
        """Return the fields of an operation that need a scope; see `permission_roots`."""
        name = document.operation_name(name)
        found = document.permission_roots.get(name)
        if found is None:
            found = permission_roots(self._schema, document.ast, document.operations[name])
            document.permission_roots[name] = found
        return found

    def label(self, document: Document, name: str | None) -> str:
        """Return what metrics call an operation: its root field, "several" or "introspection".

        Clients choose the names of operations, so that these would be without bound.
        """
        name = document.operation_name(name)
        found = document.labels.get(name)
        if found is None:
            fields = (each.split(".") for each in self.permission_roots(document, name))
            roots = [field for parent, field in fields if parent in _ROOTS]
            found = roots[0] if len(roots) == 1 else "several"
            if all(each.startswith("__") for each in roots):
                found = "introspection"
            document.labels[name] = found
        return found

    def deprecated(
        self, document: Document, name: str | None, variables: Mapping[str, Any] | None
    ) -> frozenset[str]:
        """Return the deprecated elements that a valid operation uses; see `deprecations`.

        Those of other operations in the document count too.
        """
        operation = document.operations[document.operation_name(name)]
        return document.deprecated | self._deprecations.in_variables(operation, variables or {})

    def _cost(self, document: Document, name: str | None, variables: Mapping[str, Any]) -> int:
        # Computed once for each combination of page sizes: nothing else affects the cost.
        sizes = (
            item_count(variables[each]) if each in variables else None
            for each in document.page_size_variables
        )
        key = (name, *sizes)
        found = document.costs.get(key)
        if found is None:
            if len(document.costs) >= _MAX_COSTS:
                document.costs.clear()
            analysis = CostAnalysis(self._schema, document.ast, variables)
            found = min(analysis.of(document.operations[name]).cost, MAX_SHOWN)
            document.costs[key] = found
        return found
