"""The fields of an operation that need a scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    Node,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)

from api.auth.permissions import GUARDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode


def permission_roots(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> frozenset[str]:
    """Return the fields of a valid operation that need a scope.

    They are its root fields ("Query.blob") and the document's guarded fields at any depth
    ("Blob.labels"). Guarded fields of other operations in the document count too: that is stricter.
    """
    return frozenset(
        {*_root_fields(document, operation), *(GUARDED & _all_fields(schema, document))}
    )


def _all_fields(schema: GraphQLSchema, document: DocumentNode) -> set[str]:
    """Return every field that a valid document selects, as "Blob.labels"."""
    info = TypeInfo(schema)
    found: set[str] = set()

    class Names(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            if parent := info.get_parent_type():
                found.add(f"{parent.name}.{node.name.value}")

    visit(document, TypeInfoVisitor(info, Names()))
    return found


def _root_fields(document: DocumentNode, operation: OperationDefinitionNode) -> Iterator[str]:
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
                case FragmentSpreadNode():  # each fragment once; a valid document has no cycles
                    if fragment := fragments.pop(selection.name.value, None):
                        waiting.append(fragment)
                case _:
                    waiting.append(selection)
