"""The schema: as committed, and as promised."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    is_specified_scalar_type,
    parse_value,
    print_ast,
    validate_schema,
)
from graphql.utilities import validate_input_literal

from api.graphql.schema import schema, sdl

ROOT = Path(__file__).parents[4]
PROMISED = Path(__file__).with_name("promised.graphql")


def facts(of: GraphQLSchema) -> Iterator[str]:
    """Return everything that clients rely on, one a line: names, types, nullability, defaults."""
    for name, kind in of.type_map.items():
        if not name.startswith("__"):
            yield from (f"{name}{fact}" for fact in facts_of_type(kind))


def facts_of_type(kind: GraphQLNamedType) -> Iterator[str]:
    match kind:
        case GraphQLObjectType() | GraphQLInterfaceType():
            yield from (f" implements {interface.name}" for interface in kind.interfaces)
            for name, field in kind.fields.items():
                yield f".{name}: {field.type}"
                yield from (f".{name}({given(each, on)})" for each, on in field.args.items())
        case GraphQLInputObjectType():
            yield from (f".{given(name, field)}" for name, field in kind.fields.items())
        case GraphQLEnumType():
            yield from (f" may be {value}" for value in kind.values)
        case GraphQLUnionType():
            yield from (f" may be {member.name}" for member in kind.types)
        case GraphQLScalarType():
            yield f" is {kind.specified_by_url}"


def given(name: str, value: GraphQLArgument | GraphQLInputField) -> str:
    default = value.ast_node.default_value if value.ast_node else None
    return f"{name}: {value.type}" + (f" = {print_ast(default)}" if default else "")


def test_schema_contains_the_promised_one() -> None:
    """Types, fields, arguments, nullability and defaults."""
    promised = set(facts(build_schema(PROMISED.read_text())))
    assert len(promised) > 100
    assert sorted(promised - set(facts(build_schema(sdl())))) == []


def test_schema_is_valid() -> None:
    """By graphql-core's rules."""
    assert validate_schema(schema._schema) == []


def test_committed_schema_is_up_to_date() -> None:
    """schema.graphql is the output of `python -m api.graphql.schema`."""
    assert (ROOT / "schema.graphql").read_text() == sdl()


@pytest.mark.slow
def test_export_prints_the_schema() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "api.graphql.schema"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert printed.stdout == sdl()
    assert printed.stderr == ""


def test_every_element_has_a_description() -> None:
    """Types, fields, arguments and input fields: the schema is the documentation."""
    bare = []
    for name, kind in schema._schema.type_map.items():
        if name.startswith("__"):
            continue
        if not kind.description:
            bare.append(name)
        for field, shown in getattr(kind, "fields", {}).items():
            if not shown.description:
                bare.append(f"{name}.{field}")
            arguments = getattr(shown, "args", {}).items()
            bare += [f"{name}.{field}({each})" for each, on in arguments if not on.description]
    assert bare == []


BUILT = [
    kind
    for name, kind in schema._schema.type_map.items()
    if isinstance(kind, GraphQLInputObjectType | GraphQLScalarType)
    and not name.startswith("__")
    and not is_specified_scalar_type(kind)
]


def faults_of_example(kind: GraphQLInputType, description: str) -> list[str]:
    """Return why a description has no valid example of its type, written as `Example: `...``."""
    found = re.findall(r"Example: `([^`]+)`\.", description)
    if len(found) != 1:
        return [f"it has {len(found)} examples"]
    text = found[0] if isinstance(kind, GraphQLInputObjectType) else f'"{found[0]}"'
    faults: list[str] = []
    validate_input_literal(parse_value(text), kind, lambda error, _: faults.append(error.message))
    return faults


@pytest.mark.parametrize("kind", BUILT, ids=str)
def test_what_clients_build_has_a_valid_example(kind: GraphQLInputType) -> None:
    """Every input type and every scalar of ours, in its description."""
    assert faults_of_example(kind, kind.description or "") == []


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("BlobFilter", "Which blobs to list."),
        ("BlobFilter", "Which blobs to list. Example: `{status: LABELED}`."),
        ("BlobFilter", "Which blobs to list. Example: `{state: [LABELLED]}`."),
        ("DateTime", "Timestamp. Example: `2026-01-31`."),
    ],
)
def test_missing_or_invalid_example_is_found(name: str, description: str) -> None:
    (kind,) = (each for each in BUILT if each.name == name)
    assert faults_of_example(kind, description)


def test_mutations_take_ids_first_and_options_in_input() -> None:
    """So that a client guesses the arguments, and options can be added."""
    mutations = schema._schema.mutation_type
    assert mutations is not None
    for name, field in mutations.fields.items():
        named = [each for each in field.args if each != "input"]
        assert list(field.args) == [*named, *(["input"] if "input" in field.args else [])], name
        subjects = ("ids", "url", "labels", "names")
        assert all(each in subjects or each.endswith("Id") for each in named), name
