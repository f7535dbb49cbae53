"""Compiles a selection of plain fields into a function from an object to its part of the response.

A plain field is an attribute of its object, or a resolver that takes no `info`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from math import isfinite
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
    Undefined,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.values import get_argument_values
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from api.graphql.scalars import write_time

if TYPE_CHECKING:
    from graphql import GraphQLObjectType
    from graphql.execution.collect_fields import FieldDetailsList
    from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

# From an object, or a field's value, to its part of the response.
Compiled = Callable[[Any], Any]
_Read = Callable[[Any], Any]  # from an object to a field's value

_DEFINITION: Final = GraphQLCoreConverter.DEFINITION_BACKREF
_BEYOND_INT: Final = 2**31
# Conditions, as Python source, on values that are written as they are.
_AS_IT_IS: Final[dict[Any, str]] = {
    GraphQLString: "type({0}) is str",
    GraphQLID: "type({0}) is str",
    GraphQLBoolean: "type({0}) is bool",
    GraphQLFloat: "type({0}) is float and isfinite({0})",
    GraphQLInt: f"type({{0}}) is int and {-_BEYOND_INT} <= {{0}} < {_BEYOND_INT}",
}


class FallBack(Exception):
    """graphql-core must execute the selection."""


class SelectionCompiler:
    """Compiles selections of one operation, with the values of its variables."""

    def __init__(self, executor: StrawberryGraphQLCoreExecutionContext) -> None:
        self._executor = executor
        self._converter = executor.schema.extensions[_DEFINITION].schema_converter
        self.fields = 0

    def compile(
        self, parent: GraphQLObjectType, details: FieldDetailsList, *, resolved: bool
    ) -> Compiled | None:
        """Return the function of a field's object, or of its value once it is `resolved`.

        None when graphql-core must execute the field. `fields` counts what was compiled.
        """
        try:
            if resolved:
                definition = self._executor.schema.get_field(parent, details[0].node.name.value)
                return self._completion(definition and definition.type, details)
            read, complete = self._field(parent, details)
        except Exception:  # noqa: BLE001  # such as an invalid argument
            return None
        return lambda source: complete(read(source))

    def _field(
        self, parent: GraphQLObjectType, details: FieldDetailsList
    ) -> tuple[_Read, Compiled]:
        """Return the function that reads a field, and the one that completes its value."""
        self.fields += 1
        if details[0].node.name.value == "__typename":
            return lambda _source: parent.name, lambda name: name
        attribute, read = self._read(parent, details)
        complete = self._completion(parent.fields[details[0].node.name.value].type, details)
        return read or attrgetter(attribute), complete

    def _read(
        self, parent: GraphQLObjectType, details: FieldDetailsList
    ) -> tuple[str, _Read | None]:
        """Return the name of the attribute that holds a field, and its resolver if it has one."""
        node = details[0].node
        definition = parent.fields[node.name.value]
        field = definition.extensions.get(_DEFINITION)
        if not isinstance(field, StrawberryField) or field.extensions:
            raise FallBack
        resolver = field.base_resolver
        if resolver is None:
            return field.python_name, None
        reserved = {each.name for each in resolver.reserved_parameters.values() if each}
        at_root = self._executor.schema.get_root_type(self._executor.operation.operation) is parent
        if resolver.is_async or reserved != {"self"} or at_root:
            raise FallBack
        resolve: Any = resolver.wrapped_func
        arguments = convert_arguments(
            get_argument_values(definition, node, self._executor.variable_values),
            field.arguments,
            self._converter.scalar_registry,
            self._converter.config,
        )
        return field.python_name, partial(resolve, **arguments) if arguments else resolve

    def _completion(self, kind: Any, details: FieldDetailsList) -> Compiled:
        """Return the function that completes a value of a type."""
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
                raise FallBack
            return None

        return unless_null

    def _object(self, kind: GraphQLObjectType, details: FieldDetailsList) -> Compiled:
        """Return the function that completes an object, compiled from Python source.

        The source holds only names of the schema and of attributes, and those defined here. The
        response keys, which the client chooses, stand in it as string literals.
        """
        selected = self._executor.collect_subfields(kind, details).grouped_field_set
        definition = kind.extensions[_DEFINITION]
        classes = {definition.origin, definition.concrete_of and definition.concrete_of.origin}

        def check(value: Any) -> None:
            foreign = kind.is_type_of or isinstance(value, Exception) or hasattr(value, "__await__")
            if value is None or foreign:
                raise FallBack
            classes.add(type(value))

        names: dict[str, Any] = {
            "classes": classes,
            "check": check,
            "FallBack": FallBack,
            "isfinite": isfinite,
        }
        lines = ["def complete(v):", " if type(v) not in classes: check(v)"]
        for number, each in enumerate(selected.values()):
            lines += self._lines(kind, each, f"a{number}", names)
        pairs = (f"{key!r}: a{number}" for number, key in enumerate(selected))
        lines.append(f" return {{{', '.join(pairs)}}}")
        exec("\n".join(lines), names)  # see above  # noqa: S102
        complete: Compiled = names["complete"]
        return complete

    def _lines(
        self, parent: GraphQLObjectType, details: FieldDetailsList, to: str, names: dict[str, Any]
    ) -> list[str]:
        """Return source that completes one field of the object `v` into the variable `to`."""
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
        one = bare.of_type if of_list else kind  # what `_write` takes, compiled once
        names[f"{to}_write"] = self._written(one, details)
        as_it_is = _as_it_is(one.of_type if is_non_null_type(one) else one)
        if of_list:
            written = f"{to}_write(x)"
            if as_it_is:
                written = f"x if {as_it_is.format('x')} else {written}"
            elif not is_non_null_type(one) and not is_leaf_type(one):
                written = f"None if x is None else {written}"
            lines.append(
                f" if type({to}) is not list and type({to}) is not tuple and {to} is not None:"
                " raise FallBack"
            )
            written = f"[{written} for x in {to}]"
        elif as_it_is:
            return [*lines, f" if not ({as_it_is.format(to)}): {to} = {to}_write({to})"]
        elif is_leaf_type(bare):
            return [*lines, f" {to} = {to}_write({to})"]
        else:
            written = f"{to}_write({to})"
        if required:
            return [*lines, f" if {to} is None: raise FallBack", f" {to} = {written}"]
        return [*lines, f" if {to} is not None: {to} = {written}"]

    def _written(self, kind: Any, details: FieldDetailsList) -> Compiled:
        """Return the function that completes a value; it takes no null in place of an object."""
        bare = kind.of_type if is_non_null_type(kind) else kind
        if is_leaf_type(bare) or is_list_type(bare):
            return self._completion(kind, details)
        if is_abstract_type(bare):
            return self._abstract(bare, details)
        return self._object(bare, details)

    def _abstract(self, kind: Any, details: FieldDetailsList) -> Compiled:
        """Return the function that completes an object of an interface or union."""
        by_class = {
            each.extensions[_DEFINITION].origin: self._object(each, details)
            for each in self._executor.schema.get_possible_types(kind)
        }
        return lambda value: by_class[type(value)](value)


def _as_it_is(kind: Any) -> str | None:
    """Return the condition on values that are written as they are, for types that have one."""
    return _AS_IT_IS.get(kind) if is_leaf_type(kind) else None


def _leaf(kind: Any, *, required: bool) -> Compiled:
    coerce = kind.coerce_output_value

    def any_value(value: Any) -> Any:
        if value is None and not required:
            return None
        if value is None or value is Undefined or isinstance(value, Exception):
            raise FallBack
        written = coerce(value)
        if written is None or written is Undefined:
            raise FallBack
        return written

    if coerce is write_time:
        return lambda value: write_time(value) if type(value) is datetime else any_value(value)
    if isinstance(kind, CustomGraphQLEnumType):
        members: Any = kind.wrapped_cls
        names = {member: coerce(member) for member in members}
        return lambda value: names[value] if type(value) is members else any_value(value)
    return any_value


def _list(write: Compiled) -> Compiled:
    def complete(value: Any) -> list[Any]:
        if type(value) is not list and type(value) is not tuple:
            raise FallBack
        return [write(each) for each in value]

    return complete
