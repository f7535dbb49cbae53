"""Validation of documents: first their size, then the rules of the GraphQL specification."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    IntValueNode,
    NoFragmentCyclesRule,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    Visitor,
    specified_rules,
    validate,
    visit,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api.errors import Code
from api.graphql.execution.query_cost import CostAnalysis, Limits

if TYPE_CHECKING:
    from graphql import ASTValidationRule, DocumentNode, GraphQLSchema, Node

# Strawberry adds the last two to the specification's rules.
_RULES: Final = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
# Digits of a number. The largest of GraphQL has 309 before the point; Python reads no integer with
# more than 4300.
_MAX_DIGITS: Final = 1000
_LONG_NUMBER: Final = re.compile(rf"[0-9]{{{_MAX_DIGITS},}}")
MAX_SHOWN: Final = 10**9  # nested fragments can double a number a hundred times


@dataclass(frozen=True, slots=True)
class Validation:
    """The errors of a document, and the variables that decide how large its pages are."""

    errors: list[GraphQLError]
    page_size_variables: tuple[str, ...] = ()


class DocumentValidator:
    """Validates documents against a schema and limits."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, *, introspection: bool) -> None:
        self._schema = schema
        self._limits = limits
        self._rules: tuple[type[ASTValidationRule], ...] = _RULES
        if not introspection:
            self._rules = (*_RULES, NoSchemaIntrospectionCustomRule)

    def validate(self, document: DocumentNode) -> Validation:
        """Validate a document. Each error has a code in its extensions."""
        validation = self._validate(document)
        for error in validation.errors:
            if "code" not in (error.extensions or {}):
                error.extensions = {"code": Code.GRAPHQL_VALIDATION_FAILED}
        return validation

    def _validate(self, document: DocumentNode) -> Validation:
        if errors := _number_errors(document):
            return Validation(errors)
        # The size comes first: it bounds the work of the other rules.
        limits = self._limits
        definitions = sum(isinstance(node, FragmentDefinitionNode) for node in document.definitions)
        if definitions > limits.fragments:
            return Validation([limit_error("fragments", limits.fragments, definitions)])
        analysis = CostAnalysis(self._schema, document)
        for definition in document.definitions:  # unused fragments too: rules visit them
            if not isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
                continue  # a rule rejects it
            errors = self._size_errors(analysis, definition)
            if errors:
                return Validation(errors)
        rules = (NoFragmentCyclesRule,) if analysis.circular else self._rules
        return Validation(
            validate(self._schema, document, rules), tuple(sorted(analysis.page_size_variables))
        )

    def _size_errors(
        self,
        analysis: CostAnalysis,
        definition: OperationDefinitionNode | FragmentDefinitionNode,
    ) -> list[GraphQLError]:
        limits = self._limits
        try:
            size = analysis.of(definition)
        except RecursionError:
            return [limit_error("depth", limits.depth, None, definition)]
        return [
            limit_error(each.name, most, found, definition)
            for each in fields(limits)
            if each.name != "cost"  # it depends on the variables of a request
            and (found := getattr(size, each.name)) > (most := getattr(limits, each.name))
        ]


def _number_errors(document: DocumentNode) -> list[GraphQLError]:
    """Return an error for each number that is too long to be read."""
    source = document.loc.source.body if document.loc else ""
    if not _LONG_NUMBER.search(source):  # the usual case: no need to visit the document
        return []
    errors: list[GraphQLError] = []

    class Numbers(Visitor):
        def enter_int_value(self, node: IntValueNode, *_: Any) -> None:
            if len(node.value) > _MAX_DIGITS:
                message = f"A number has more than {_MAX_DIGITS} digits."
                errors.append(GraphQLError(message, node))

        enter_float_value = enter_int_value

    visit(document, Numbers())
    return errors


def limit_error(
    limit: str, most: int, found: int | None, definition: Node | None = None
) -> GraphQLError:
    """Return the error for an operation or fragment that exceeds a limit.

    `found` is how much it has; None when that can't be counted.
    """
    much = "more" if found is None else f"{min(found, MAX_SHOWN)}"
    words = {"depth": "levels", "cost": "points of cost"}.get(limit, limit.replace("_", " "))
    what = "fragment" if isinstance(definition, FragmentDefinitionNode) else "operation"
    return GraphQLError(
        f"The {what} has {much} {words}; at most {most} are taken.",
        definition,
        extensions={"code": Code.LIMIT_EXCEEDED, "limit": limit, "most": most},
    )
