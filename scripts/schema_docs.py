"""Write docs/schema.md from the GraphQL schema: `python -m scripts.schema_docs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    ast_from_value,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
    print_ast,
)

from api.graphql.schema import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import GraphQLArgument, GraphQLField, GraphQLInputField

HEAD: Final = """\
# Schema

<!-- Generated: python -m scripts.schema_docs >docs/schema.md -->

Every type, field and argument of the API. `schema.graphql` in the repository has the same in
GraphQL's own language; [The API](api.md) explains it with examples.
"""
KINDS: Final = {
    "Objects": GraphQLObjectType,
    "Inputs": GraphQLInputObjectType,
    "Enums": GraphQLEnumType,
    "Interfaces": GraphQLInterfaceType,
    "Unions": GraphQLUnionType,
    "Scalars": GraphQLScalarType,
}


def main() -> None:
    """Print the page."""
    sys.stdout.write(page(schema._schema))  # noqa: SLF001  # graphql-core's


def page(shown: GraphQLSchema) -> str:
    """Return the text of docs/schema.md."""
    roots = {
        "Queries": shown.query_type,
        "Mutations": shown.mutation_type,
        "Subscriptions": shown.subscription_type,
    }
    parts = [HEAD]
    for title, root in roots.items():
        if root:
            parts += [f"\n## {title}\n\n", *fields_table(root.fields)]
    others = [
        each
        for name, each in sorted(shown.type_map.items())
        if each not in roots.values()
        and not is_introspection_type(each)
        and not is_specified_scalar_type(each)
    ]
    for title, kind in KINDS.items():
        parts.append(f"\n## {title}\n")
        for each in others:
            if isinstance(each, kind):
                parts += [f"\n### `{each.name}`\n\n{each.description}\n", *body(each, shown)]
    return "".join(parts)


def body(named: GraphQLNamedType, shown: GraphQLSchema) -> Iterator[str]:
    """Yield what follows the description of a type."""
    match named:
        case GraphQLObjectType() | GraphQLInterfaceType():
            yield "\n"
            yield from fields_table(named.fields)
        case GraphQLInputObjectType():
            yield "\n| Field | Type | Meaning |\n| --- | --- | --- |\n"
            for name, field in named.fields.items():
                yield f"| `{name}{default_of(field)}` | {link(field)} | {cell(field)} |\n"
        case GraphQLEnumType():
            yield "\n| Value | Meaning |\n| --- | --- |\n"
            for name, value in named.values.items():
                yield f"| `{name}` | {value.description or ''} |\n"
        case GraphQLUnionType():
            members = (f"[`{each.name}`](#{each.name.lower()})" for each in named.types)
            yield f"\nOne of {', '.join(members)}.\n"
    if isinstance(named, GraphQLInterfaceType):
        members = (
            f"[`{each.name}`](#{each.name.lower()})" for each in shown.get_possible_types(named)
        )
        yield f"\nImplemented by {', '.join(members)}.\n"


def fields_table(fields: dict[str, GraphQLField]) -> Iterator[str]:
    """Yield the lines of a table of fields and their arguments."""
    yield "| Field | Type | Meaning |\n| --- | --- | --- |\n"
    for name, field in fields.items():
        meaning = cell(field)
        for argument, each in field.args.items():
            meaning += f"<br>`{argument}: {each.type}{default_of(each)}`: {cell(each)}"
        yield f"| `{name}` | {link(field)} | {meaning} |\n"


def link(field: GraphQLField | GraphQLInputField) -> str:
    """Return a field's type, with a link to a type of this page."""
    named = get_named_type(field.type)
    if is_specified_scalar_type(named):
        return f"`{field.type}`"
    return f"[`{field.type}`](#{named.name.lower()})"


def default_of(given: GraphQLArgument | GraphQLInputField) -> str:
    """Return an argument's default as GraphQL writes it."""
    if given.default_value is Undefined:
        return ""
    value = ast_from_value(given.default_value, given.type)
    return f" = {print_ast(value)}" if value else ""


def cell(described: GraphQLField | GraphQLInputField | GraphQLArgument) -> str:
    """Return a description in one line, with a note if the element is deprecated."""
    text = " ".join((described.description or "").split())
    reason = described.deprecation_reason
    return f"{text} **Deprecated:** {reason}" if reason else text


if __name__ == "__main__":
    main()
