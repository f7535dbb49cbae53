"""The size and cost of an operation, computed from its document and variables. Pure.

A fragment counts as often as it is spread, but is analysed once: its size is kept and added for
each spread. So fragments that spread each other, doubling each time, take linear time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInputObjectType,
    GraphQLNamedType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

from core.domain.pagination import MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import DocumentNode, GraphQLField, GraphQLSchema, SelectionSetNode

# The arguments that set the number of items: of a page, and of what a field does for each.
PAGE_SIZE: Final = "first"
LISTS: Final = ("ids", "inputs")
# The field of a filter that sets the number of events that a subscription begins with.
FILTER: Final = "filter"
FILTERED_IDS: Final = "blobIds"
# Items assumed in a list without such an argument: labels, attempts, introspection.
USUAL_LIST: Final = 5
# The greatest lengths of long texts in bytes, and how many bytes cost as much as one value.
LONG_TEXTS: Final = {"WebhookAttempt.responseBody": 4096}
BYTES_PER_VALUE: Final = 512
# Fields that read an index for each object, and how many values such a read costs as much as.
INDEX_READS: Final = {
    "VocabularyLabel.aliases": 10,
    "VocabularyLabel.categories": 10,
    "VocabularyLabel.parents": 10,
    "VocabularyLabel.cover": 10,
    "Blob.similar": 300,  # compares a picture with all others of its owner
    "Query.search": 600,  # encodes a text, and compares it with all pictures of its owner
}
_LONGEST_NUMBER: Final = 9  # digits; a longer number exceeds every limit


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest operation that is executed; a fragment counts as often as it is spread.

    The full introspection of GraphiQL has 15 levels and 229 fields (docs/decisions/0013).
    """

    depth: int = 20  # levels of nested fields
    root_fields: int = 30
    aliases: int = 30
    directives: int = 50
    fragments: int = 100  # spreads; also definitions
    fields: int = 400  # validation compares the fields of a selection in pairs
    cost: int = 30_000  # estimated number of values in the response


@dataclass(slots=True)
class QuerySize:
    """The size of a selection; a fragment counts as often as it is spread.

    `cost` estimates the number of values in its response. Lists directly inside the selection are
    counted apart, as `cost_per_item`: the field that encloses it decides how long they are.
    """

    depth: int = 0
    root_fields: int = 0
    aliases: int = 0
    directives: int = 0
    fragments: int = 0
    fields: int = 0
    cost: int = 0
    cost_per_item: int = 0

    def add(self, other: QuerySize) -> None:
        """Add a selection that stands beside this one."""
        self.root_fields += other.root_fields
        self.cost += other.cost
        self.cost_per_item += other.cost_per_item
        self._add_counts(other, levels=0)

    def add_inside(self, other: QuerySize) -> None:
        """Add the selection of one of its fields, except for the cost."""
        self._add_counts(other, levels=1)

    def _add_counts(self, other: QuerySize, levels: int) -> None:
        self.depth = max(self.depth, other.depth + levels)
        self.aliases += other.aliases
        self.directives += other.directives
        self.fragments += other.fragments
        self.fields += other.fields

    def cost_of(self, items: int) -> int:
        """Return the estimated cost where each list has that many items."""
        return self.cost + items * self.cost_per_item


class CostAnalysis:
    """Computes the sizes of one document's operations and fragments.

    `variables` are those of a request, not coerced yet. Without them (None), a page whose size is a
    variable counts as the largest page. `page_size_variables` collects the names of such variables;
    `circular` is set when a fragment spreads itself.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self.page_size_variables: set[str] = set()
        self.circular = False
        self._schema = schema
        self._variables = variables
        self._defaults: dict[str, ValueNode | None] = {}
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._measured: dict[str, QuerySize] = {}
        self._underway: set[str] = set()

    def of(self, definition: OperationDefinitionNode | FragmentDefinitionNode) -> QuerySize:
        """Return the size of an operation or of a single fragment.

        Raises RecursionError where the nesting is too deep.
        """
        if isinstance(definition, FragmentDefinitionNode):
            known = self._fragments[definition.name.value] is definition
            size = self._of_fragment(definition.name.value) if known else self._within(definition)
            return replace(size, root_fields=0)
        variables = definition.variable_definitions or ()
        if self._variables is not None:
            # Defaults belong to this operation, so the cost of its fragments does too.
            self._measured.clear()
            self._defaults = {each.variable.name.value: each.default_value for each in variables}
        root = self._schema.get_root_type(definition.operation)
        size = self._of_selections(definition.selection_set, root)
        size.directives += len(definition.directives or ())
        size.directives += sum(len(each.directives or ()) for each in variables)
        size.cost, size.cost_per_item = size.cost_of(USUAL_LIST), 0
        return size

    def _of_selections(
        self, selection_set: SelectionSetNode, parent: GraphQLNamedType | None
    ) -> QuerySize:
        size = QuerySize()
        for node in selection_set.selections:
            size.directives += len(node.directives or ())
            if isinstance(node, FieldNode):
                self._add_field(size, node, parent)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                kind = self._schema.get_type(condition.name.value) if condition else parent
                size.add(self._of_selections(node.selection_set, kind))
            elif isinstance(node, FragmentSpreadNode):
                size.fragments += 1
                size.add(self._of_fragment(node.name.value))
        return size

    def _of_fragment(self, name: str) -> QuerySize:
        if name in self._measured:
            return self._measured[name]
        fragment = self._fragments.get(name)
        if fragment is None:
            return QuerySize()
        if name in self._underway:
            self.circular = True
            return QuerySize()
        self._underway.add(name)
        size = self._measured[name] = self._within(fragment)
        self._underway.remove(name)
        return size

    def _within(self, fragment: FragmentDefinitionNode) -> QuerySize:
        kind = self._schema.get_type(fragment.type_condition.name.value)
        size = self._of_selections(fragment.selection_set, kind)
        size.directives += len(fragment.directives or ())
        return size

    def _add_field(self, size: QuerySize, node: FieldNode, parent: GraphQLNamedType | None) -> None:
        definition = None
        if is_composite_type(parent):
            definition = self._schema.get_field(parent, node.name.value)
        inner = QuerySize()
        if node.selection_set:
            kind = get_named_type(definition.type) if definition else None
            inner = self._of_selections(node.selection_set, kind)
        size.root_fields += 1
        size.fields += 1
        size.aliases += node.alias is not None
        size.add_inside(inner)
        if not node.selection_set:
            size.depth = max(size.depth, 1)
        size.cost += 1
        if parent is not None:
            name = f"{parent.name}.{node.name.value}"
            size.cost += LONG_TEXTS.get(name, 0) // BYTES_PER_VALUE
            size.cost += INDEX_READS.get(name, 0)
        is_list = definition is not None and is_list_type(get_nullable_type(definition.type))
        if definition is not None and (argument := _counting_argument(definition)):
            number = self._number(node, definition, argument)
            size.cost += number * inner.cost_of(USUAL_LIST) if is_list else inner.cost_of(number)
            if argument in LISTS and not is_list:
                size.cost += number  # each is a change, whatever of its outcome is selected
        elif definition is not None and _filters_ids(definition):
            number = self._number(node, definition, FILTER)
            size.cost += max(1, number) * inner.cost_of(USUAL_LIST)
        elif is_list:
            size.cost_per_item += inner.cost_of(USUAL_LIST)
        else:
            size.cost += inner.cost_of(USUAL_LIST)

    def _number(self, node: FieldNode, definition: GraphQLField, argument: str) -> int:
        """Return the number of items that an argument requests, at most the largest page."""
        given: ValueNode | None = next(
            (each.value for each in node.arguments or () if each.name.value == argument), None
        )
        default = definition.args[argument].default_value
        return item_count(self._value(given, None if default is Undefined else default))

    def _value(self, given: ValueNode | None, default: object) -> object:
        """Return what `item_count` counts: the value of a node, or else the default."""
        if isinstance(given, VariableNode):
            name = given.name.value
            self.page_size_variables.add(name)
            if self._variables is None:
                return MAX_PAGE
            if name in self._variables:
                return self._variables[name]
            given = self._defaults.get(name)
        if isinstance(given, IntValueNode):
            return int(given.value) if len(given.value) <= _LONGEST_NUMBER else MAX_PAGE
        if isinstance(given, ListValueNode):
            return given.values
        if isinstance(given, ObjectValueNode):
            named = (each.value for each in given.fields if each.name.value == FILTERED_IDS)
            return self._value(next(named, None), None)
        return default


def _counting_argument(definition: GraphQLField) -> str | None:
    """Return the argument of a field that sets the number of items, if there is one."""
    return next((each for each in (PAGE_SIZE, *LISTS) if each in definition.args), None)


def _filters_ids(definition: GraphQLField) -> bool:
    """Tell whether a field's filter may name the ids of its items."""
    argument = definition.args.get(FILTER)
    kind = get_nullable_type(argument.type) if argument else None
    return isinstance(kind, GraphQLInputObjectType) and FILTERED_IDS in kind.fields


def item_count(value: object) -> int:
    """Return the number of items that an argument requests, at most the largest page.

    That of a filter is the number of its ids, or 0.
    """
    if isinstance(value, dict):
        value = value.get(FILTERED_IDS)
    if value is None:  # coercion rejects it where a number is needed
        return 0
    if isinstance(value, list | tuple):
        value = len(value)
    # Coercion rejects a value of another type before the cost matters.
    wanted = value if isinstance(value, int) else MAX_PAGE
    return max(0, min(wanted, MAX_PAGE))
