"""The deprecated elements of a schema, and those that an operation uses. Pure.

Elements have the names of schema coordinates: `Blob.detector`, `Query.blobs(first:)`,
`BlobFilter.sha256`, `BlobStatus.EXPIRED` (https://spec.graphql.org/draft/#sec-Schema-Coordinates).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    get_nullable_type,
    is_introspection_type,
    is_list_type,
    type_from_ast,
    visit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from graphql import (
        DocumentNode,
        EnumValueNode,
        FieldNode,
        GraphQLNamedType,
        GraphQLSchema,
        ObjectFieldNode,
        OperationDefinitionNode,
    )

_REMOVED_IN: Final = re.compile(r"Removed in (\d+)\.(\d+)\.(\d+)\.$")


def removed_in(reason: str) -> tuple[int, int, int] | None:
    """Return the version that removes an element, which ends its deprecation reason."""
    found = _REMOVED_IN.search(reason)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def deprecated_elements(schema: GraphQLSchema) -> dict[str, str]:
    """Return the deprecation reason of each deprecated element."""
    return {
        name: reason
        for kind in schema.type_map.values()
        if not is_introspection_type(kind)
        for name, reason in _elements(kind)
        if reason is not None
    }


def _elements(kind: GraphQLNamedType) -> Iterator[tuple[str, str | None]]:
    """Yield the elements of a type, each with its deprecation reason if it is deprecated."""
    match kind:
        case GraphQLObjectType() | GraphQLInterfaceType():
            for name, field in kind.fields.items():
                yield f"{kind.name}.{name}", field.deprecation_reason
                for argument, given in field.args.items():
                    yield f"{kind.name}.{name}({argument}:)", given.deprecation_reason
        case GraphQLInputObjectType():
            for name, input_field in kind.fields.items():
                yield f"{kind.name}.{name}", input_field.deprecation_reason
        case GraphQLEnumType():
            for name, value in kind.values.items():
                yield f"{kind.name}.{name}", value.deprecation_reason


class Deprecations:
    """Finds the deprecated elements that operations use."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._elements = frozenset(deprecated_elements(schema))
        self._inputs = _inputs_with(schema, self._elements) if self._elements else frozenset()

    def in_document(self, document: DocumentNode) -> frozenset[str]:
        """Return the deprecated elements that a valid document names, in any operation."""
        if not self._elements:
            return frozenset()
        info = TypeInfo(self._schema)
        found: set[str] = set()

        class Names(Visitor):
            def enter_field(self, node: FieldNode, *_: Any) -> None:
                field = f"{info.get_parent_type()}.{node.name.value}"
                found.add(field)
                found.update(f"{field}({each.name.value}:)" for each in node.arguments or ())

            def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> None:
                found.add(f"{get_named_type(info.get_parent_input_type())}.{node.name.value}")

            def enter_enum_value(self, node: EnumValueNode, *_: Any) -> None:
                found.add(f"{get_named_type(info.get_input_type())}.{node.value}")

        visit(document, TypeInfoVisitor(info, Names()))
        return self._elements & found

    def in_variables(
        self, operation: OperationDefinitionNode, variables: Mapping[str, Any]
    ) -> frozenset[str]:
        """Return the deprecated input fields and enum values in variables, not coerced yet."""
        found: set[str] = set()
        # The usual case: the schema has none.
        for each in (operation.variable_definitions or ()) if self._inputs else ():
            kind: Any = type_from_ast(self._schema, each.type)
            if get_named_type(kind).name in self._inputs:
                found.update(_names_in(variables.get(each.variable.name.value), kind))
        return self._elements & found


def _inputs_with(schema: GraphQLSchema, elements: frozenset[str]) -> frozenset[str]:
    """Return the input types and enums that contain some of the elements, at any depth."""
    named = {element.partition(".")[0] for element in elements}
    inputs = [each for each in schema.type_map.values() if isinstance(each, GraphQLInputObjectType)]
    found = {
        name
        for name, kind in schema.type_map.items()
        if name in named and isinstance(kind, GraphQLInputObjectType | GraphQLEnumType)
    }
    while more := {
        kind.name
        for kind in inputs
        if kind.name not in found
        and any(get_named_type(each.type).name in found for each in kind.fields.values())
    }:
        found |= more
    return frozenset(found)


def _names_in(value: Any, kind: Any) -> Iterator[str]:
    """Yield the input fields and enum values in a value, which may be invalid for its type."""
    kind = get_nullable_type(kind)
    if is_list_type(kind):
        for each in value if isinstance(value, list) else [value]:
            yield from _names_in(each, kind.of_type)
    elif isinstance(kind, GraphQLEnumType):
        yield f"{kind.name}.{value}"
    elif isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
        for name, each in value.items():
            if name in kind.fields:
                yield f"{kind.name}.{name}"
                yield from _names_in(each, kind.fields[name].type)
