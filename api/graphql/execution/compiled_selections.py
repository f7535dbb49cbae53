"""The compiled selections of recent operations, for each combination of relevant variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from graphql import FieldNode, FragmentSpreadNode, Node, Undefined, VariableNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from graphql import OperationDefinitionNode
    from graphql.execution.collect_fields import FragmentDetails

    from api.graphql.execution.selection_compiler import Compiled

# By a field's parent type and nodes; None where a selection can't be compiled.
Selections = dict[Any, "Compiled | None"]
_Entry = tuple[Node, tuple[str, ...], dict[tuple[object, ...], Selections | None]]

# Compiled fields and combinations of variables that are kept, over all documents. One takes up to
# a kilobyte.
_MAX_KEPT: Final = 20_000
# Characters of a text among those values. A request may have a megabyte of them.
_MAX_TEXT: Final = 100


class CompiledSelections:
    """Keeps what was compiled for one service's operations."""

    def __init__(self) -> None:
        # By the operation's id: the entry holds the operation, so no other gets that id.
        self._kept: dict[int, _Entry] = {}
        self._count = 0

    def of(
        self,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variables: Mapping[str, Any],
    ) -> Selections | None:
        """Return an operation's compiled selections, a dictionary that the caller adds to.

        There is one for each combination of values of those variables that decide what is selected
        or that plain fields take as arguments. None means that compiling does not pay: it takes
        longer than one execution by graphql-core, and some clients send another value with each
        request. So every combination but the first is compiled from its second use on.
        """
        entry = self._kept.get(id(operation))
        if entry is None:
            names = set(_variables(operation, fragments, set(), at_root=True))
            entry = self._kept[id(operation)] = operation, tuple(sorted(names)), {}
        _, names_in_order, combinations = entry
        values = tuple(variables.get(name, Undefined) for name in names_in_order)
        if any(isinstance(each, str) and len(each) > _MAX_TEXT for each in values):
            return None
        try:
            known = values in combinations
        except TypeError:  # a list or an object
            return None
        if known:
            found = combinations[values]
            if found is None:
                found = combinations[values] = {}
            return found
        found = combinations[values] = None if combinations else {}
        self.count(1)  # a combination takes memory even if none of its fields is executed
        return found

    def forget(self, operations: Iterable[OperationDefinitionNode]) -> None:
        """Drop the selections of a document that is no longer kept."""
        for operation in operations:
            self._kept.pop(id(operation), None)

    def count(self, fields: int) -> None:
        """Add to the number of compiled fields; drop all selections once there are too many."""
        self._count += fields
        if self._count > _MAX_KEPT:
            self._count = 0
            self._kept.clear()


def _variables(
    node: Any, fragments: dict[str, FragmentDetails], seen: set[str], *, at_root: bool
) -> Iterator[str]:
    """Name the variables used in a selection, except in arguments of root fields."""
    for selection in node.selection_set.selections:
        yield from _variables_in(selection.directives)
        if isinstance(selection, FragmentSpreadNode):
            name = selection.name.value
            if name not in seen:
                seen.add(name)
                yield from _variables(fragments[name].definition, fragments, seen, at_root=at_root)
        elif not isinstance(selection, FieldNode):
            yield from _variables(selection, fragments, seen, at_root=at_root)
        else:
            if not at_root:
                yield from _variables_in(selection.arguments)
            if selection.selection_set:
                yield from _variables(selection, fragments, seen, at_root=False)


def _variables_in(nodes: Iterable[Node] | None) -> Iterator[str]:
    for node in nodes or ():
        if isinstance(node, VariableNode):
            yield node.name.value
        for key in node.keys:
            child = getattr(node, key)
            if isinstance(child, Node):
                yield from _variables_in([child])
            elif isinstance(child, tuple | list):
                yield from _variables_in(child)
