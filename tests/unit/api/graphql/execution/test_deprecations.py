"""Deprecated elements of the schema: their reasons, and the operations that use them."""

from __future__ import annotations

import logging
from typing import Any
from unittest.mock import patch

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse

from api.graphql.execution import deprecations
from api.graphql.execution.deprecations import Deprecations, deprecated_elements, removed_in
from api.graphql.schema import schema
from core.domain.scope import Scope
from core.runtime.build import VERSION
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import EmbeddedStores

EXAMPLE = build_schema("""
interface Named { name: String @deprecated(reason: "Use title. Removed in 1.0.0.") title: String }
type Query implements Named {
  name: String
  title: String
  old: Int @deprecated(reason: "Use new. Removed in 1.0.0.")
  new(first: Int, size: Int @deprecated(reason: "Use first. Removed in 1.0.0."), in: Order): Int
  find(filter: Filter, all: [Outer!]): Named
}
input Outer { filters: [[Filter]] plain: Plain }
input Filter { a: Int b: Int @deprecated(reason: "Use a. Removed in 1.0.0.") again: Filter }
input Plain { a: Int }
enum Order { NAME OLD @deprecated(reason: "Use NAME. Removed in 1.0.0.") }
""")
FOUND = Deprecations(EXAMPLE)
CURRENT = tuple(int(part) for part in VERSION.partition(".dev")[0].split("."))


def faults(of: GraphQLSchema, current: tuple[int, ...] = CURRENT) -> list[str]:
    """Return the deprecated elements whose reason names no later version that removes them."""
    return [
        element
        for element, reason in deprecated_elements(of).items()
        if (removed_in(reason) or (0,)) <= current
    ]


def test_each_deprecation_names_the_version_that_removes_it() -> None:
    """As the last sentence of its reason; a release of that version needs the removal first."""
    assert faults(schema._schema) == []


def test_deprecation_without_a_later_version_is_found() -> None:
    reasons = (
        "Use x.",
        "Use x. Removed in 1.0.",
        "Use x. Removed in 0.1.0.",
        "Removed in 1.0.0. Or not.",
    )
    fields = " ".join(f'f{n}: Int @deprecated(reason: "{each}")' for n, each in enumerate(reasons))
    last = 'last: Int @deprecated(reason: "Use x. Removed in 0.2.0.") bare: Int @deprecated'
    of = build_schema(f"type Query {{ {fields} {last} }}")
    assert faults(of, (0, 1, 0)) == ["Query.f0", "Query.f1", "Query.f2", "Query.f3", "Query.bare"]


def test_elements_have_the_names_of_schema_coordinates() -> None:
    """Fields, arguments, input fields and values of enums."""
    assert set(deprecated_elements(EXAMPLE)) == {
        *("Named.name", "Query.old", "Query.new(size:)", "Filter.b", "Order.OLD"),
    }


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("{ new(first: 1, in: NAME) name title }", set()),
        ("{ x: old y: old }", {"Query.old"}),
        ("{ new(size: 1) }", {"Query.new(size:)"}),
        ("query ($n: Int) { new(size: $n) }", {"Query.new(size:)"}),
        ("{ new(in: OLD) }", {"Order.OLD"}),
        ("query ($in: Order = OLD) { new(in: $in) }", {"Order.OLD"}),
        ("{ find(filter: {a: 1}) { title } }", set()),
        ("{ find(filter: {again: {b: 1}}) { title } }", {"Filter.b"}),
        ("{ find(all: [{filters: [[{b: 1}]]}]) { title } }", {"Filter.b"}),
        ("{ find { ...F } } fragment F on Named { name }", {"Named.name"}),
        ("{ find { ... on Query { old } } }", {"Query.old"}),
    ],
)
def test_used_elements_of_a_document_are_found(text: str, used: set[str]) -> None:
    assert FOUND.in_document(parse(text)) == used


@pytest.mark.parametrize(
    ("value", "used"),
    [
        ([{"plain": {"a": 1}}], set()),
        ([{"filters": [[{"a": 1}]]}], set()),
        ([{"filters": [[{"a": 1}, None], [{"again": {"b": 1}}]]}], {"Filter.b"}),
        ({"filters": {"b": None}}, {"Filter.b"}),
        ([{"filters": "b", "b": 1}, 5], set()),
        (None, set()),
    ],
)
def test_used_elements_of_variables_are_found(value: Any, used: set[str]) -> None:
    """Also in values that their coercion rejects afterwards."""
    (operation,) = parse("query ($all: [Outer!]) { find(all: $all) { title } }").definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert FOUND.in_variables(operation, {"all": value}) == used
    assert FOUND.in_variables(operation, {}) == set()


def test_enum_value_in_a_variable_is_found() -> None:
    (operation,) = parse("query ($in: Order!, $p: Int) { new(in: $in, first: $p) }").definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert FOUND.in_variables(operation, {"in": "OLD", "p": 1}) == {"Order.OLD"}
    assert FOUND.in_variables(operation, {"in": "NAME"}) == set()
    assert FOUND.in_variables(operation, {"in": {"x": 1}}) == set()


def test_schema_without_deprecations_is_not_searched() -> None:
    none = Deprecations(build_schema("type Query { a: Int }"))
    with patch.object(deprecations, "visit", side_effect=AssertionError):
        assert none.in_document(parse("{ a }")) == set()


@pytest.fixture
def deprecated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two elements of the real schema are deprecated."""
    of = schema._schema
    reason = "Use another. Removed in 9.0.0."
    monkeypatch.setattr(of.type_map["Blob"].fields["width"], "deprecation_reason", reason)  # type: ignore[attr-defined]
    monkeypatch.setattr(of.type_map["BlobFilter"].fields["sha256"], "deprecation_reason", reason)  # type: ignore[attr-defined]


OPERATION = """
query ($filter: BlobFilter) { blobs(filter: $filter) { nodes { width } } }
"""


@pytest.mark.usefixtures("deprecated")
def test_uses_are_counted_by_key_and_searched_once_a_document(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each key and element; rejected operations do not count."""
    with patch.object(deprecations, "visit", side_effect=deprecations.visit) as visit:
        for _ in range(3):
            anna.ask(OPERATION, filter={"status": ["LABELLED"]})
        boris.ask(OPERATION, filter={"sha256": "A" * 43 + "="})
        anna.ask("{ blobs { nodes { height } } }")
        anna.error("{ blobs { nodes { width wide } } }")
    assert visit.call_count == 2
    lines = [each for each in caplog.records if each.levelno == logging.WARNING]
    keys = [f"key:{key.hash[:12]}" for key in stores.owners.list_keys()]
    told = [(each.owner, each.element, each.uses) for each in lines]  # type: ignore[attr-defined]
    assert told == [
        ("anna", "Blob.width", 1),
        ("boris", "Blob.width", 1),
        ("boris", "BlobFilter.sha256", 1),
    ]
    assert {each.caller for each in lines} <= set(keys)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("deprecated")
def test_operation_without_its_scope_is_not_counted(
    stores: EmbeddedStores, anna: GraphQL, caplog: pytest.LogCaptureFixture
) -> None:
    uploader = GraphQL(anna.client, stores.key_for("anna", scopes=frozenset({Scope.UPLOAD})))
    assert uploader.error(OPERATION)["extensions"]["code"] == "FORBIDDEN"
    assert caplog.records == []
