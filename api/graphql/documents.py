"""Documents as clients send them: found by their text or its hash, measured and validated once."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    Node,
    NoFragmentCyclesRule,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    parse,
    specified_rules,
    validate,
    visit,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api.auth.permissions import GUARDED
from api.errors import Code, RequestError
from api.graphql.query_cost import Limits, Sizes, count_of
from api.limits import MAX_DOCUMENT, MAX_TOKENS
from core.runtime.settings import BadSetting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from graphql import ASTValidationRule, DocumentNode, GraphQLSchema

    from api.graphql.compiled_selections import CompiledSelections

# What Strawberry checks beside the specification's own.
_RULES: Final = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
# Characters of all documents kept. Parsed, one takes 100 bytes for each, at the worst 300.
_MAX_KEPT: Final = 250_000
_MAX_COSTS: Final = 200  # kept for one document: of as many combinations of page sizes
_MAX_SHOWN: Final = 10**9  # fragments can double the largest number of them a hundred times


@dataclass(slots=True)
class Document:
    """A document that was parsed, and what was found wrong with it (nothing: [])."""

    text: str
    ast: DocumentNode
    errors: list[GraphQLError]
    operations: dict[str | None, OperationDefinitionNode]
    sized_by: tuple[str, ...] = ()
    costs: dict[tuple[object, ...], int] = field(default_factory=dict)
    roots: dict[str | None, frozenset[str]] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Return the operation of that name; the first one when none is given."""
        if name is None:
            return next(iter(self.operations.values()), None)
        return self.operations.get(name)


class Documents:
    """The documents that one service executes.

    Those asked for last are kept, so that a text is parsed and validated once, and can be asked
    for by its SHA-256 alone (automatic persisted queries, unless not `automatic`). With `allowed`
    (documents by SHA-256, in lower-case hex) no other is executed.
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
        self.suggestions = suggestions
        self._schema = schema
        self._rules: tuple[type[ASTValidationRule], ...] = _RULES
        if not introspection:
            self._rules = (*_RULES, NoSchemaIntrospectionCustomRule)
        self._automatic = automatic
        self._allowed = allowed
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    @cached_property
    def compiled(self) -> CompiledSelections:
        """The compiled selections of operations that were executed before."""
        from api.graphql.compiled_selections import CompiledSelections  # noqa: PLC0415

        return CompiledSelections()

    def text(self, query: str | None, extensions: Mapping[str, Any] | None) -> str:
        """Return the text that a request means, which it may name by its hash.

        To be asked before anything is executed, whatever the transport. The extension
        `persistedQuery` is as Apollo's clients send it ("Automatic Persisted Queries").

        Raises:
            Refused: there is none, it is not known, or not allowed.

        """
        persisted = (extensions or {}).get("persistedQuery")
        named = None if persisted is None else _hash_in(persisted)
        if not query and not named:
            raise RequestError(Code.BAD_REQUEST, "No GraphQL document: send it as 'query'.")
        if self._allowed is not None:
            return _allowed_text(self._allowed, query, named)
        if query:
            if named and named != hash_of(query):
                raise RequestError(Code.BAD_USER_INPUT, "provided sha does not match query")
            if len(query) > MAX_DOCUMENT:
                raise RequestError(
                    Code.TOO_LARGE, f"A document has at most {MAX_DOCUMENT} characters."
                )
            return query
        if not self._automatic:
            raise RequestError(Code.PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")
        found = self._kept.get(named or "")
        if found is None:
            raise RequestError(Code.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
        return found.text

    def find(self, text: str) -> Document | None:
        """Return a document that is known already."""
        name = hash_of(text)
        found = self._kept.get(name)
        if found:
            self._kept.move_to_end(name)
        return found

    def kind(self, text: str, name: str | None) -> OperationType | None:
        """Tell what kind of operation a request means; None when the document doesn't say."""
        document = self.find(text)
        if document is None:
            try:
                document = self.keep(text, parse(text, max_tokens=MAX_TOKENS))
            except GraphQLSyntaxError:
                return None
        operations = document.operations
        named = name if name or len(operations) > 1 else next(iter(operations), None)
        return operations[named].operation if named in operations else None

    def keep(self, text: str, ast: DocumentNode) -> Document:
        """Measure and validate a document, and keep it until others need its place.

        Raises Refused when it is none of those allowed, should nobody have asked for its `text`.
        """
        name = hash_of(text)
        if self._allowed is not None and name not in self._allowed:
            raise _not_allowed()
        operations = {
            node.name.value if node.name else None: node
            for node in ast.definitions
            if isinstance(node, OperationDefinitionNode)
        }
        document = Document(text, ast, [], operations)
        document.errors = self._examine(document)
        for error in document.errors:
            if "code" not in (error.extensions or {}):
                error.extensions = {"code": Code.GRAPHQL_VALIDATION_FAILED}
        if name in self._kept:
            self._drop(name)
        self._kept[name] = document
        self._characters += len(text)
        while self._characters > _MAX_KEPT and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))
        return document

    def _drop(self, name: str) -> None:
        gone = self._kept.pop(name)
        self._characters -= len(gone.text)
        if "compiled" in vars(self):  # some were made
            self.compiled.forget(gone.operations.values())

    def _examine(self, document: Document) -> list[GraphQLError]:
        # First what bounds the work of all that comes after.
        ast, limits = document.ast, self.limits
        definitions = sum(isinstance(node, FragmentDefinitionNode) for node in ast.definitions)
        if definitions > limits.fragments:
            return [_exceeded("fragments", limits.fragments, definitions)]
        sizes = Sizes(self._schema, ast)
        for definition in ast.definitions:  # unused fragments too: they are validated as well
            if not isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
                continue  # validation refuses it
            try:
                size = sizes.of(definition)
            except RecursionError:
                return [_exceeded("depth", limits.depth, None, definition)]
            errors = [
                _exceeded(name, most, found, definition)
                for name, most in _structure(limits).items()
                if (found := getattr(size, name)) > most
            ]
            if errors:
                return errors
        document.sized_by = tuple(sorted(sizes.sized_by))
        rules = (NoFragmentCyclesRule,) if sizes.circular else self._rules
        return validate(self._schema, ast, rules)

    def check(
        self, document: Document, name: str | None, variables: Mapping[str, Any] | None
    ) -> tuple[int | None, list[GraphQLError]]:
        """Return what an operation of a document costs, and why it is not executed (else []).

        `name` is the request's, if any; `variables` are not yet coerced.
        """
        if document.errors:
            return None, list(document.errors)
        operations = document.operations
        if name is None and len(operations) == 1:
            (name,) = operations
        if name not in operations:
            message = "The document has several operations: say which by 'operationName'."
            return None, [_error(message, Code.OPERATION_RESOLUTION_FAILURE)]
        cost = self._cost(document, name, variables or {})
        if cost > self.limits.cost:
            return cost, [_exceeded("cost", self.limits.cost, cost, operations[name])]
        return cost, []

    def roots(self, document: Document, name: str | None) -> frozenset[str]:
        """Name what an operation of a valid document asks for that needs a scope.

        Root fields ("Query.blob"), and guarded ones wherever they stand ("Blob.labels").
        """
        operations = document.operations
        if name is None and len(operations) == 1:
            (name,) = operations
        found = document.roots.get(name)
        if found is None:
            roots = set(_roots(document.ast, operations[name]))
            # Of the whole document, whichever operation it is in: that is only stricter.
            roots |= GUARDED & _inner(self._schema, document.ast)
            found = document.roots[name] = frozenset(roots)
        return found

    def _cost(self, document: Document, name: str | None, variables: Mapping[str, Any]) -> int:
        # Once for each combination of page sizes: they are few, and all that it depends on.
        key = (name, *(_count_in(variables, each) for each in document.sized_by))
        found = document.costs.get(key)
        if found is None:
            if len(document.costs) >= _MAX_COSTS:
                document.costs.clear()
            sizes = Sizes(self._schema, document.ast, variables)
            found = min(sizes.of(document.operations[name]).cost, _MAX_SHOWN)
            document.costs[key] = found
        return found


def hash_of(text: str) -> str:
    """Return the SHA-256 that a document is named by, in lower-case hex."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def read_manifest(path: Path) -> dict[str, str]:
    """Read the documents that are allowed: JSON of SHA-256 (hex) to text.

    Apollo's `apollo-persisted-query-manifest` is understood too. Raises BadSetting.
    """
    try:
        content = json.loads(path.read_bytes())
        if isinstance(content.get("operations"), list):
            content = {each["id"]: each["body"] for each in content["operations"]}
        documents = {name.lower(): text for name, text in content.items()}
        odd = [name for name, text in documents.items() if hash_of(text) != name]
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as exc:
        raise BadSetting(
            f"The allowed documents can't be read from {path}: {exc!r}. "
            "It must be JSON: an object of documents by their SHA-256."
        ) from exc
    if odd:
        raise BadSetting(f"{path}: {odd[0]!r} is not the SHA-256 of its document.")
    return documents


def _allowed_text(allowed: Mapping[str, str], query: str | None, named: str | None) -> str:
    found = allowed.get(named or hash_of(query or ""))
    if found is None or (query and query != found):
        raise _not_allowed()
    return found


def _not_allowed() -> RequestError:
    return RequestError(
        Code.DOCUMENT_NOT_ALLOWED,
        "This service executes only documents its operator has listed, and this is none.",
    )


def _inner(schema: GraphQLSchema, document: DocumentNode) -> set[str]:
    """Name every field that a valid document selects of an object: "Blob.labels"."""
    info = TypeInfo(schema)
    found: set[str] = set()

    class Names(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            if parent := info.get_parent_type():
                found.add(f"{parent.name}.{node.name.value}")

    visit(document, TypeInfoVisitor(info, Names()))
    return found


def _roots(document: DocumentNode, operation: OperationDefinitionNode) -> Iterator[str]:
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    root = operation.operation.value.capitalize()
    waiting: list[Node] = [operation]
    while waiting:
        holder = waiting.pop()
        for selection in holder.selection_set.selections:  # type: ignore[attr-defined]
            match selection:
                case FieldNode():
                    yield f"{root}.{selection.name.value}"
                case FragmentSpreadNode():  # each once; and there are no cycles
                    if fragment := fragments.pop(selection.name.value, None):
                        waiting.append(fragment)
                case _:
                    waiting.append(selection)


def _hash_in(persisted: object) -> str:
    match persisted:
        case {"version": 1, "sha256Hash": str(name)}:
            return name.lower()
        case {"version": int()}:
            raise RequestError(Code.BAD_REQUEST, "Unsupported persisted query version")
    raise RequestError(Code.BAD_REQUEST, "persistedQuery must have a version (1) and a sha256Hash.")


def _count_in(variables: Mapping[str, Any], name: str) -> int | None:
    return count_of(variables[name]) if name in variables else None


def _structure(limits: Limits) -> dict[str, int]:
    """Return the limits that variables have no part in."""
    return {each.name: getattr(limits, each.name) for each in fields(limits) if each.name != "cost"}


def _exceeded(
    limit: str, most: int, found: int | None, definition: Node | None = None
) -> GraphQLError:
    much = "more" if found is None else f"{min(found, _MAX_SHOWN)}"
    words = {"depth": "levels", "cost": "points of cost"}.get(limit, limit.replace("_", " "))
    what = "fragment" if isinstance(definition, FragmentDefinitionNode) else "operation"
    message = f"The {what} has {much} {words}; at most {most} are taken."
    error = _error(message, Code.LIMIT_EXCEEDED, definition)
    error.extensions = {**(error.extensions or {}), "limit": limit, "most": most}
    return error


def _error(message: str, code: Code, definition: Node | None = None) -> GraphQLError:
    return GraphQLError(message, definition, extensions={"code": code})
