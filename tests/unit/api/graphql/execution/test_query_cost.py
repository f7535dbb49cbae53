"""The size and cost of an operation, computed before it is executed."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

import pytest
from graphql import (
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_introspection_query,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from api.graphql.execution.query_cost import (
    INDEX_READS,
    USUAL_LIST,
    CostAnalysis,
    Limits,
    QuerySize,
    item_count,
)
from api.graphql.schema import schema
from tests.support.services.process import ROOT

SCHEMA: GraphQLSchema = schema._schema
README = re.findall(r"```graphql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
# GraphiQL's introspection query with all its options.
INTROSPECTION = get_introspection_query(
    descriptions=True,
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
)


def size_of(text: str, variables: dict[str, Any] | None = None) -> QuerySize:
    """Return the size of a document's first operation."""
    document = parse(text)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return CostAnalysis(SCHEMA, document, variables).of(operation)


def cost(text: str, **variables: Any) -> int:
    return size_of(text, variables).cost


def test_subscription_costs_its_selection_for_each_of_its_blobs() -> None:
    """They are sent at once. Without ids, each event is a response of its own."""
    document = """query Q { viewer { owner } }
    subscription ($filter: EventFilter, $ids: [ID!]) {
      a: blobEvents(filter: FILTER) { kind blob { status } }
    }"""

    def cost_with(text: str, **variables: Any) -> int:
        parsed = parse(document.replace("FILTER", text))
        operation = parsed.definitions[1]
        assert isinstance(operation, OperationDefinitionNode)
        return CostAnalysis(SCHEMA, parsed, variables).of(operation).cost

    one = cost_with("null")
    for text in ("{}", "{blobIds: null}", '{blobIds: ["1"]}', "$filter", "{blobIds: $ids}"):
        assert cost_with(text) == one
    assert cost_with("$filter", filter={"kinds": ["LABELLED"]}) == one
    assert cost_with("$filter", filter=None) == cost_with("{blobIds: $ids}", ids=None) == one
    many = cost_with('{blobIds: ["1", "2", "3"]}')
    assert many == cost_with("$filter", filter={"blobIds": ["1", "2", "3"]})
    assert many == cost_with("{blobIds: $ids}", ids=["1", "2", "3"])
    assert many - one == 2 * (one - 1)


def test_size_counts_fragments_and_directives_everywhere() -> None:
    size = size_of(
        """query ($a: ID! @b) @skip(if: true) { x: blob(id: $a) @c { id ... @d { y: id } ...F @e } }
        fragment F on Blob @f { labels { z: name } }"""
    )
    assert size == QuerySize(
        depth=3,
        root_fields=1,
        aliases=3,
        directives=6,
        fragments=1,
        fields=5,
        cost=4 + USUAL_LIST,
    )


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("{ blobs { nodes { id } } }", {}, 2 + 20),
        ("{ blobs(first: 7) { nodes { id } } }", {}, 2 + 7),
        ("{ blobs(first: 7) { nodes { id status } edges { cursor } } }", {}, 3 + 7 * 3),
        ("{ blobs(first: 7) { pageInfo { endCursor } } }", {}, 3),
        ("{ blobs(first: 7) { ... { nodes { id } } } }", {}, 2 + 7),
        ("{ blobs(first: 7) { nodes { labels { name } } } }", {}, 2 + 7 * (1 + USUAL_LIST)),
        ("{ blobs(first: 0) { nodes { id } } }", {}, 2),
        ("{ blobs(first: -5) { nodes { id } } }", {}, 2),
        ("{ blobs(first: 1000000) { nodes { id } } }", {}, 2 + 100),
        ("{ blobs(first: " + "9" * 5000 + ") { nodes { id } } }", {}, 2 + 100),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', {}, 1 + 3),
        ("{ nodes(ids: []) { id } }", {}, 1),
        ("query ($n: Int!) { blobs(first: $n) { nodes { id } } }", {"n": 7}, 2 + 7),
        ("query ($n: Int = 9) { blobs(first: $n) { nodes { id } } }", {}, 2 + 9),
        ("query ($n: Int = 9) { blobs(first: $n) { nodes { id } } }", {"n": 7}, 2 + 7),
        ("query ($n: Int) { blobs(first: $n) { nodes { id } } }", {}, 2 + 20),
        ("query ($n: Int!) { blobs(first: $n) { nodes { id } } }", {"n": "7"}, 2 + 100),
        ("query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": ["a"] * 4}, 1 + 4),
        ("query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": ["a"] * 10_000}, 1 + 100),
        ("{ blobs { nodes { nonsense { a b } } } }", {}, 2 + 20 * 3),
        ("{ a: labels(first: 3) { nodes { name } } b: labels { nodes { name } } }", {}, 5 + 22),
        ("{ disabledWebhookEndpoints { url } }", {}, 1 + 5),
        ('mutation { deleteBlobs(ids: ["1", "2"]) { __typename } }', {}, 1 + 1 + 2),
        (
            """mutation ($i: [ID!]!) {
                deleteBlobs(ids: $i) { ... on DeletedBlobs { outcomes { __typename } } }
            }""",
            {"i": ["a"] * 7},
            1 + 1 + 7 + 7,
        ),
    ],
)
def test_cost_is_the_expected_number_of_values(
    text: str, variables: dict[str, Any], expected: int
) -> None:
    """A page has the requested number of items, any other list the usual number."""
    assert cost(text, **variables) == expected


BATCHES = build_schema(
    """type Query { a: Int }
    type Mutation { change(inputs: [Int!]!): Changed! changes(inputs: [Int!]!): [Item!]! }
    type Changed { results: [Item!]! count: Int! }
    type Item { id: ID! }"""
)


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("mutation { change(inputs: [1, 2, 3]) { count results { id } } }", {}, 3 + 3 + 3),
        ("mutation { changes(inputs: [1, 2, 3]) { id } }", {}, 1 + 3),
        ("mutation ($i: [Int!]!) { changes(inputs: $i) { id } }", {"i": [1] * 7}, 1 + 7),
        ("mutation ($i: [Int!]!) { changes(inputs: $i) { id } }", None, 1 + 100),
    ],
)
def test_batch_costs_as_much_as_it_has_inputs(
    text: str, variables: dict[str, Any] | None, expected: int
) -> None:
    """In an object with a list of results, each input costs one even if no result is selected."""
    document = parse(text)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    assert CostAnalysis(BATCHES, document, variables).of(operation).cost == expected


def test_field_that_reads_an_index_costs_ten_values_more() -> None:
    """For each object of the page."""
    text = "{ labels(first: 50) { nodes { name %s } } }"
    plain = size_of(text % "blobCount").cost
    for name in ("aliases", "categories"):
        assert size_of(text % name).cost == plain + 50 * 10
    assert size_of(text % "cover { id }").cost == plain + 50 * 11
    for name in INDEX_READS:
        kind, _, field = name.partition(".")
        assert field in SCHEMA.type_map[kind].fields  # type: ignore[attr-defined]


def test_search_for_similar_blobs_costs_three_hundred_values_more() -> None:
    """For each object whose similar ones are searched."""
    text = "{ blobs(first: 10) { nodes { id similar(first: 5) { nodes { id } } } } }"
    assert size_of(text).cost == 2 + 10 * (1 + 1 + 300 + 1 + 5)


def test_unknown_page_size_counts_as_the_largest() -> None:
    """Without the variables of a request."""
    text = "query ($n: Int!) { blobs(first: $n) { nodes { id } } }"
    assert size_of(text).cost == 2 + 100
    assert size_of(text, {"n": 1}).cost == 2 + 1


def test_variables_of_page_sizes_are_collected() -> None:
    """Also those of ids, and in fragments."""
    document = parse(
        """query ($a: Int!, $b: [ID!]!, $c: ID!, $d: Int!)
        { blobs(first: $a) { nodes { id } } nodes(ids: $b) { id } blob(id: $c) { id } ...F }
        fragment F on Query { labels(first: $d) { nodes { name } } }"""
    )
    analysis = CostAnalysis(SCHEMA, document)
    for definition in document.definitions:
        analysis.of(definition)  # type: ignore[arg-type]
    assert analysis.page_size_variables == {"a", "b", "d"}


def test_cost_of_a_fragment_depends_on_the_page_around_it() -> None:
    text = (
        "{ a: blobs(first: 2) { ...F } b: blobs(first: 50) { ...F } } fragment F on BlobConnection"
    )
    assert cost(f"{text} {{ nodes {{ id }} }}") == 4 + 2 + 50


@pytest.mark.parametrize("text", [*README, INTROSPECTION])
def test_usual_operations_are_well_within_the_limits(text: str) -> None:
    """The README's operations, and GraphiQL's introspection."""
    size, limits = size_of(text), Limits()
    for name in ("depth", "root_fields", "aliases", "directives", "fragments", "fields", "cost"):
        assert getattr(size, name) <= getattr(limits, name) * 0.8, name


@pytest.mark.parametrize("value", [0, 1, 100])
def test_item_count_of_numbers_and_lists(value: int) -> None:
    """Up to the largest page."""
    assert item_count(value) == item_count([None] * value) == value


@given(st.randoms(use_true_random=False))
def test_fragments_count_as_if_inlined(source: random.Random) -> None:
    """Generated documents have the same size once their fragments are inlined by hand."""
    fragments = {f"F{n}": selection(source, n + 1) for n in range(FRAGMENTS)}
    written = f"{{ blob(id: 1) {{ {selection(source, 0)} }} }}"
    spread = written + "".join(
        f" fragment {name} on Blob {{ {inner} }}" for name, inner in fragments.items()
    )
    while match := re.search(r"\.\.\.(F\d)", written):
        inner = f"... on Blob {{ {fragments[match[1]]} }}"
        written = written[: match.start()] + inner + written[match.end() :]
    assert replace(size_of(spread), fragments=0) == size_of(written)


FRAGMENTS = 4


def selection(source: random.Random, first_fragment: int) -> str:
    """Choose fields of a blob, and spreads of later fragments."""
    choices = ["id", "a: status", "labels { name b: confidence @skip(if: true) }"]
    choices += ["failure { code }", "... @include(if: true) { callback { attempts { at } } }"]
    choices += [f"...F{n}" for n in range(first_fragment, FRAGMENTS)] * 2
    return " ".join(source.choices(choices, k=3))
