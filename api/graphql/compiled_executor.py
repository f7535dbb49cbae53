"""Selections compiled once, in place of graphql-core's look at every value of every answer.

Most fields are plain: an attribute of the object they are of, or a resolver that is given no
`info` and hence reaches no store. A selection that holds nothing else becomes a function from an
object to its part of the answer. What such a function can't complete (an exception, a null where
none may be, a value of an unforeseen class) is done by graphql-core, which alone makes errors: as
plain fields change nothing, they may be asked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import isfinite
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
    Node,
    Undefined,
    VariableNode,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.values import get_argument_values
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

if TYPE_CHECKING:
    from graphql import (
        DocumentNode,
        GraphQLObjectType,
        GraphQLSchema,
        OperationDefinitionNode,
    )
    from graphql.execution.collect_fields import FieldDetailsList, FragmentDetails

Plan = Callable[[Any], Any]
_Kept = tuple[Node, tuple[str, ...], dict[tuple[object, ...], dict[Any, "Plan | None"] | None]]

_DEFINITION: Final = GraphQLCoreConverter.DEFINITION_BACKREF
# Fields compiled and combinations of variables kept, of all documents together; one takes up to
# a kilobyte.
_MAX_KEPT: Final = 20_000
_BEYOND_INT: Final = 2**31
# What a value of these classes is written as is the value itself.
_EXACT: Final[dict[Any, type]] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}


class _Unplanned(Exception):
    """Something that graphql-core must do."""


class Plans:
    """The plans of one service's operations."""

    def __init__(self) -> None:
        # By its address, which no other gets while an operation is kept with it.
        self._kept: dict[int, _Kept] = {}
        self._count = 0

    def of(self, executor: PlannedExecutor) -> dict[Any, Plan | None] | None:
        """Return an operation's plans, to be added to; None: it is not worth making any.

        There are others for each combination of those variables that say what is selected, or are
        given to plain fields. A further combination has some from its second time on: compiling
        takes longer than graphql-core does once, and some clients send another value each time.
        """
        operation = executor.operation
        kept = self._kept.get(id(operation))
        if kept is None:
            names = set(_variables(operation, executor.fragments, set(), at_root=True))
            kept = self._kept[id(operation)] = operation, tuple(sorted(names)), {}
        _, names_in_order, combinations = kept
        given = executor.variable_values.coerced
        values = tuple(given.get(name, Undefined) for name in names_in_order)
        try:
            met = values in combinations
        except TypeError:  # a list or an object
            return None
        if met:
            found = combinations[values]
            if found is None:
                found = combinations[values] = {}
            return found
        found = combinations[values] = None if combinations else {}
        self.count(1)  # a combination takes room even if nothing of it is executed
        return found

    def forget(self, operations: Iterable[OperationDefinitionNode]) -> None:
        """Drop the plans of a document that is kept no longer."""
        for operation in operations:
            self._kept.pop(id(operation), None)

    def count(self, fields: int) -> None:
        """Note how many fields were compiled; forget all plans when there are too many."""
        self._count += fields
        if self._count > _MAX_KEPT:
            self._count = 0
            self._kept.clear()


async def execute(
    schema: GraphQLSchema,
    document: DocumentNode,
    plans: Plans,
    *arguments: Any,
    **options: Any,
) -> tuple[dict[str, Any] | None, list[GraphQLError]]:
    """Execute a valid document's operation; return its data and errors, as graphql-core would.

    `arguments` and `options` are those of graphql-core's `execute`, from the root value on.
    """
    try:
        options["is_awaitable"] = optimized_is_awaitable
        executor = PlannedExecutor.build(schema, document, *arguments, plans=plans, **options)
        if isinstance(executor, list):
            return None, executor
        # Awaitable or not; and nothing is delivered in parts, as there is no @defer.
        result: Any = executor.execute_operation()
        result = await result if executor.is_awaitable(result) else result
    except Exception as error:  # noqa: BLE001  # as Strawberry takes it
        return None, [GraphQLError(str(error), original_error=error)]
    return result.data, result.errors or []


class PlannedExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, which follows plans where it can."""

    def __init__(self, *args: Any, plans: Plans, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans = plans
        kept = plans.of(self)
        self._kept = {} if kept is None else kept
        self._looked_up: dict[tuple[int, bool], tuple[FieldDetailsList, Plan | None]] = {}
        self._given_up = kept is None

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: FieldDetailsList,
        path: Any,
        position_context: Any,
    ) -> Any:
        """Resolve and complete a field of an object."""
        plan = self._plan(parent_type, field_details_list, resolved=False)
        if plan:
            try:
                return plan(source)
            except Exception:  # noqa: BLE001  # graphql-core meets it again, and tells
                self._given_up = True
        return super().execute_field(
            parent_type, source, field_details_list, path, position_context
        )

    def complete_value(
        self,
        return_type: Any,
        field_details_list: FieldDetailsList,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Write what a resolver returned as the answer has it."""
        if return_type is info.return_type:  # the field's, and no part of it
            plan = self._plan(info.parent_type, field_details_list, resolved=True)
            if plan:
                try:
                    return plan(result)
                except Exception:  # noqa: BLE001  # as above
                    self._given_up = True
        return super().complete_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _plan(
        self, parent: GraphQLObjectType, details: FieldDetailsList, *, resolved: bool
    ) -> Plan | None:
        """Return the plan of a field, from its object on or once it is `resolved`; None: none."""
        if self._given_up:
            return None
        # A list of details is of this execution alone, and its nodes are the document's.
        found = self._looked_up.get((id(details), resolved))
        if found:
            return found[1]
        key = (parent.name, resolved, *(id(each.node) for each in details))
        if key in self._kept:
            plan = self._kept[key]
        else:
            compiler = _Compiler(self)
            plan = self._kept[key] = compiler.plan(parent, details, resolved=resolved)
            self._plans.count(compiler.fields)
        self._looked_up[id(details), resolved] = details, plan
        return plan


class _Compiler:
    """Makes plans of what one operation selects, its variables having the values they have."""

    def __init__(self, executor: PlannedExecutor) -> None:
        self._executor = executor
        self._converter = executor.schema.extensions[_DEFINITION].schema_converter
        self.fields = 0

    def plan(
        self, parent: GraphQLObjectType, details: FieldDetailsList, *, resolved: bool
    ) -> Plan | None:
        """Return a field's plan; None when there is none."""
        try:
            if resolved:
                definition = self._executor.schema.get_field(parent, details[0].node.name.value)
                return self._completion(definition and definition.type, details)
            read, complete = self._field(parent, details)
        except Exception:  # noqa: BLE001  # such as an argument that can't be read
            return None
        return lambda source: complete(read(source))

    def _field(self, parent: GraphQLObjectType, details: FieldDetailsList) -> tuple[Plan, Plan]:
        """Return how a field is read off its object, and how what was read is written."""
        self.fields += 1
        if details[0].node.name.value == "__typename":
            return lambda _source: parent.name, lambda name: name
        attribute, read = self._read(parent, details)
        complete = self._completion(parent.fields[details[0].node.name.value].type, details)
        return read or attrgetter(attribute), complete

    def _read(
        self, parent: GraphQLObjectType, details: FieldDetailsList
    ) -> tuple[str, Plan | None]:
        """Return how a field is read: by its attribute's name, or by a function if there is one."""
        node = details[0].node
        definition = parent.fields[node.name.value]
        field = definition.extensions.get(_DEFINITION)
        if not isinstance(field, StrawberryField) or field.extensions:
            raise _Unplanned
        resolver = field.base_resolver
        if resolver is None:
            return field.python_name, None
        reserved = {each.name for each in resolver.reserved_parameters.values() if each}
        at_root = self._executor.schema.get_root_type(self._executor.operation.operation) is parent
        if resolver.is_async or reserved != {"self"} or at_root:
            raise _Unplanned
        resolve: Any = resolver.wrapped_func
        arguments = convert_arguments(
            get_argument_values(definition, node, self._executor.variable_values),
            field.arguments,
            self._converter.scalar_registry,
            self._converter.config,
        )
        return field.python_name, partial(resolve, **arguments) if arguments else resolve

    def _completion(self, kind: Any, details: FieldDetailsList) -> Plan:
        """Return how a value of a type is written."""
        required = is_non_null_type(kind)
        if required:
            kind = kind.of_type
        if is_leaf_type(kind):
            return _leaf(kind, required=required)
        if is_list_type(kind):
            complete = _list(self._completion(kind.of_type, details))
        elif is_abstract_type(kind):
            complete = self._abstract(kind, details)
        else:
            complete = self._object(kind, details)

        def unless_null(value: Any) -> Any:
            if value is not None:
                return complete(value)
            if required:
                raise _Unplanned
            return None

        return unless_null

    def _object(self, kind: GraphQLObjectType, details: FieldDetailsList) -> Plan:
        """Return how an object is written: a function whose source is made here, and compiled.

        In it there are only names of the schema's, of attributes, and those given here; what the
        client chose, the keys, stands there as texts.
        """
        selected = self._executor.collect_subfields(kind, details).grouped_field_set
        definition = kind.extensions[_DEFINITION]
        classes = {definition.origin, definition.concrete_of and definition.concrete_of.origin}

        def check(value: Any) -> None:
            foreign = kind.is_type_of or isinstance(value, Exception) or hasattr(value, "__await__")
            if value is None or foreign:
                raise _Unplanned
            classes.add(type(value))

        names: dict[str, Any] = {"classes": classes, "check": check, "Unplanned": _Unplanned}
        lines = ["def complete(v):", " if type(v) not in classes: check(v)"]
        for number, each in enumerate(selected.values()):
            lines += self._lines(kind, each, f"a{number}", names)
        pairs = (f"{key!r}: a{number}" for number, key in enumerate(selected))
        lines.append(f" return {{{', '.join(pairs)}}}")
        exec("\n".join(lines), names)  # see above  # noqa: S102
        complete: Plan = names["complete"]
        return complete

    def _lines(
        self, parent: GraphQLObjectType, details: FieldDetailsList, to: str, names: dict[str, Any]
    ) -> list[str]:
        """Write how one field is read off `v` and put into the variable `to`."""
        self.fields += 1
        name = details[0].node.name.value
        if name == "__typename":
            return [f" {to} = {parent.name!r}"]
        kind = parent.fields[name].type
        attribute, read = self._read(parent, details)
        if read:
            names[f"{to}_read"] = read
        lines = [f" {to} = {f'{to}_read(v)' if read else f'v.{attribute}'}"]
        required = is_non_null_type(kind)
        bare = kind.of_type if required else kind
        of_list = is_list_type(bare)
        one = bare.of_type if of_list else kind  # what `_write` writes, compiled but once
        names[f"{to}_write"] = self._written(one, details)
        if exact := _exactly(one.of_type if is_non_null_type(one) else one):
            names[f"{to}_class"] = exact
        if of_list:
            written = f"{to}_write(x)"
            if exact:
                written = f"x if type(x) is {to}_class else {written}"
            elif not is_non_null_type(one) and not is_leaf_type(one):
                written = f"None if x is None else {written}"
            lines.append(
                f" if type({to}) is not list and type({to}) is not tuple and {to} is not None:"
                " raise Unplanned"
            )
            written = f"[{written} for x in {to}]"
        elif exact:
            return [*lines, f" if type({to}) is not {to}_class: {to} = {to}_write({to})"]
        elif is_leaf_type(bare):
            return [*lines, f" {to} = {to}_write({to})"]
        else:
            written = f"{to}_write({to})"
        if required:
            return [*lines, f" if {to} is None: raise Unplanned", f" {to} = {written}"]
        return [*lines, f" if {to} is not None: {to} = {written}"]

    def _written(self, kind: Any, details: FieldDetailsList) -> Plan:
        """Return how a value is written, which is not null if it is an object."""
        bare = kind.of_type if is_non_null_type(kind) else kind
        if is_leaf_type(bare) or is_list_type(bare):
            return self._completion(kind, details)
        if is_abstract_type(bare):
            return self._abstract(bare, details)
        return self._object(bare, details)

    def _abstract(self, kind: Any, details: FieldDetailsList) -> Plan:
        by_class = {
            each.extensions[_DEFINITION].origin: self._object(each, details)
            for each in self._executor.schema.get_possible_types(kind)
        }
        return lambda value: by_class[type(value)](value)


def _exactly(kind: Any) -> type | None:
    """Return the class whose values are written as they are, if a type has one."""
    return _EXACT.get(kind) if is_leaf_type(kind) else None


def _leaf(kind: Any, *, required: bool) -> Plan:
    coerce = kind.coerce_output_value

    def any_value(value: Any) -> Any:
        if value is None and not required:
            return None
        if value is None or value is Undefined or isinstance(value, Exception):
            raise _Unplanned
        written = coerce(value)
        if written is None or written is Undefined:
            raise _Unplanned
        return written

    if kind in _EXACT:
        exact = _EXACT[kind]
        return lambda value: value if type(value) is exact else any_value(value)
    if kind is GraphQLFloat:
        return lambda value: value if type(value) is float and isfinite(value) else any_value(value)
    if kind is GraphQLInt:
        return lambda value: (
            value
            if type(value) is int and -_BEYOND_INT <= value < _BEYOND_INT
            else any_value(value)
        )
    if isinstance(kind, CustomGraphQLEnumType):
        members: Any = kind.wrapped_cls
        names = {member: coerce(member) for member in members}
        return lambda value: names[value] if type(value) is members else any_value(value)
    return any_value


def _list(write: Plan) -> Plan:
    def complete(value: Any) -> list[Any]:
        if type(value) is not list and type(value) is not tuple:
            raise _Unplanned
        return [write(each) for each in value]

    return complete


def _variables(
    node: Any, fragments: dict[str, FragmentDetails], seen: set[str], *, at_root: bool
) -> Iterator[str]:
    """Name the variables in a selection, but for those in arguments of root fields."""
    for selection in node.selection_set.selections:
        yield from _named(selection.directives)
        if isinstance(selection, FragmentSpreadNode):
            name = selection.name.value
            if name not in seen:
                seen.add(name)
                yield from _variables(fragments[name].definition, fragments, seen, at_root=at_root)
        elif not isinstance(selection, FieldNode):
            yield from _variables(selection, fragments, seen, at_root=at_root)
        else:
            if not at_root:
                yield from _named(selection.arguments)
            if selection.selection_set:
                yield from _variables(selection, fragments, seen, at_root=False)


def _named(nodes: Iterable[Node] | None) -> Iterator[str]:
    for node in nodes or ():
        if isinstance(node, VariableNode):
            yield node.name.value
        for key in node.keys:
            child = getattr(node, key)
            if isinstance(child, Node):
                yield from _named([child])
            elif isinstance(child, tuple | list):
                yield from _named(child)
