"""Compiled execution returns the same as graphql-core: data, errors, locations, extensions.

Documents are generated from the schema, with aliases, fragments, directives and variables, valid or
not, over stores that hold usual values and values that no response can show.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest
import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLScalarType,
    execute,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    parse,
)
from hypothesis import event, given, settings
from hypothesis import strategies as st

from api.auth.caller import Caller
from api.graphql.context import Context
from api.graphql.execution import compiled_executor, compiled_selections
from api.graphql.execution.compiled_selections import CompiledSelections
from api.graphql.execution.documents import Documents
from api.graphql.schema import schema
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict, delivery_id
from core.domain.facts import Facts, metadata_of
from core.domain.label import BoundingBox, Instance, Label
from tests.conftest import SettableClock
from tests.support.services.embedded_stores import EmbeddedStores

CORE = schema._schema
UNKNOWN = "01KYAPP62SWHJ3Z8EFVNKPPWB6"
HOOK = "https://example.org/hook"


class World:
    """Stores with images in every state, some of which no response can show completely."""

    def __init__(self, root: Path) -> None:
        clock = SettableClock()
        stores = self.stores = EmbeddedStores(root, clock)  # type: ignore[arg-type]
        box = BoundingBox(0.25, 0.5, 0.125, 1.0)
        cat = Label("Cat", 97.5, ("Animal",), (Instance(box, 88.25),), ("Kitty",), ("Animals",))
        facts = Facts("cat.jpg", "7", metadata_of([("album", "Winter"), ("year", "2026")]))
        whole = stores.labelled("anna", cat, Label("Sofa", 61.0), callback_url=HOOK, facts=facts)
        now = clock()
        delivery = Delivery(
            delivery_id(whole.id, whole.version), whole.id, "anna", HOOK, b"", now, now
        )
        stores.deliveries.add(delivery)
        claim = stores.deliveries.claim(delivery.id, now, timedelta(seconds=30))
        assert claim
        tried = Attempt(1, now, now, status=500, response=b"\xff no", address="203.0.113.7")
        due = Verdict(DeliveryState.PENDING, now + timedelta(hours=1))
        assert stores.deliveries.finish(claim, tried, due)
        stores.labelled("anna")
        stores.awaiting("anna", callback_url=HOOK)
        stores.failed("anna")
        stores.expired("anna")
        # A number beyond GraphQL's Int, and one that JSON can't express.
        odd = stores.labelled("anna", Label("Cat", float("inf")))
        stores.saved(replace(odd, version=odd.version + 1, size=2**31))
        self.ids = [whole.id, odd.id, UNKNOWN, delivery.id, self.label_id()]
        self.cursor = self.first_cursor()

    def label_id(self) -> str:
        text = '{ label(name: "cat") { id } }'
        found: str = self.both(text, {})[0]["data"]["label"]["id"]
        return found

    def first_cursor(self) -> str:
        text = "{ blobs(first: 2) { pageInfo { endCursor } } }"
        cursor: str = self.both(text, {})[0]["data"]["blobs"]["pageInfo"]["endCursor"]
        return cursor

    def both(self, text: str, variables: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Execute compiled, twice with the same selections, and as Strawberry does alone."""
        services = self.stores.services("anna")
        documents = Documents(CORE)

        async def run(execute: Any) -> dict[str, Any]:
            context = Context(services, Caller("anna"), documents, "request-1")
            result = await execute(text, variable_values=dict(variables), context_value=context)
            return {
                "data": result.data,
                # Their order is that in which the stores answered.
                "errors": sorted((each.formatted for each in result.errors or ()), key=json.dumps),
                "extensions": result.extensions,
            }

        async def all_three() -> tuple[dict[str, Any], dict[str, Any]]:
            alone = await run(super(type(schema), schema).execute)
            first, second = await run(schema.execute), await run(schema.execute)
            assert first == second
            # When a field fails, graphql-core finishes its siblings in the background.
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others, return_exceptions=True)
            return first, alone

        return asyncio.run(all_three())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("compiled"))
    yield made
    made.stores.close()


class Writer:
    """Generates one document, drawing from Hypothesis."""

    def __init__(self, draw: Any, world: World) -> None:
        self.draw = draw
        self.world = world
        self.declared: list[str] = []
        self.variables: dict[str, Any] = {}
        self.fragments: list[str] = []
        self.left = 40  # fields
        # Otherwise one of many fields would make nearly every document invalid.
        self.sound = self.chance(0.75)

    def document(self) -> str:
        body = self.selection(CORE.query_type, 0)
        head = f"query Q({', '.join(self.declared)})" if self.declared else "query Q"
        return f"{head} {body} {' '.join(self.fragments)}"

    def selection(self, kind: Any, depth: int) -> str:
        parts = ["__typename"] if self.chance(0.3) else []
        fields = list(getattr(kind, "fields", ()))  # a union has none
        for _ in range(self.draw(st.integers(1, 4))):
            if self.left <= 0:
                break
            choice = self.draw(st.integers(0, 9))
            if choice <= 1 and depth < 5:
                parts.append(self.inline(kind, depth))
            elif choice == 2 and depth < 5:
                parts.append(self.named(kind, depth))
            elif fields:
                name = self.draw(st.sampled_from(fields))
                parts.append(self.field(name, kind.fields[name], depth))
        return "{ " + " ".join(parts or ["__typename"]) + " }"

    def inline(self, kind: Any, depth: int) -> str:
        on = self.condition(kind)
        of = f"... on {on.name}" if on is not kind or self.chance(0.5) else "..."
        return f"{of} {self.directive()} {self.selection(on, depth + 1)}"

    def named(self, kind: Any, depth: int) -> str:
        on = self.condition(kind)
        name = f"F{len(self.fragments)}"
        self.fragments.append("")  # reserves the index
        place = len(self.fragments) - 1
        self.fragments[place] = f"fragment {name} on {on.name} {self.selection(on, depth + 1)}"
        return " ".join(
            f"...{name} {self.directive()}" for _ in range(self.draw(st.integers(1, 2)))
        )

    def condition(self, kind: Any) -> Any:
        if is_abstract_type(kind):
            return self.draw(st.sampled_from([kind, *CORE.get_possible_types(kind)]))
        return kind

    def field(self, name: str, of: Any, depth: int) -> str:
        self.left -= 1
        named = get_named_type(of.type)
        if is_composite_type(named) and depth > 6:
            return "__typename"
        given = [
            f"{arg}: {self.value(arg, each)}"
            for arg, each in of.args.items()
            if is_required_argument(each) or self.chance(self.given(arg))
        ]
        # Fields with other arguments, or of other types, must not have the same response name.
        unlike = bool(of.args) or name in ("edges", "nodes", "node")
        alias = f"a{self.left}: " if unlike or self.chance(0.2) else ""
        passed = f"({', '.join(given)})" if given else ""
        inner = self.selection(named, depth + 1) if is_composite_type(named) else ""
        return f"{alias}{name}{passed} {self.directive()} {inner}"

    def given(self, argument: str) -> float:
        """Return how often an optional argument is given; a cursor belongs to one list."""
        if argument != "after":
            return 0.5
        return 0 if self.sound else 0.05

    def directive(self) -> str:
        if not self.chance(0.15):
            return ""
        name = self.draw(st.sampled_from(["include", "skip"]))
        if self.chance(0.5):
            return f"@{name}(if: {json.dumps(self.draw(st.booleans()))})"
        variable = f"v{len(self.declared)}"
        self.declared.append(f"${variable}: Boolean!")
        odd = [] if self.sound else [None, "no"]
        self.variables[variable] = self.draw(st.sampled_from([*[True, False] * 30, *odd]))
        return f"@{name}(if: ${variable})"

    def value(self, name: str, of: Any) -> str:
        value = self.drawn(name, of.type)
        if not self.chance(0.4):
            return literal(value)
        variable = f"v{len(self.declared)}"
        self.declared.append(f"${variable}: {of.type}")
        if self.sound or not self.chance(0.1):
            self.variables[variable] = plain(value)
        return f"${variable}"

    def drawn(self, name: str, kind: Any) -> Any:
        if is_non_null_type(kind):
            kind = kind.of_type
        elif self.chance(0.1):
            return None
        if is_list_type(kind):
            return [self.drawn(name, kind.of_type) for _ in range(self.draw(st.integers(0, 3)))]
        if isinstance(kind, GraphQLEnumType):
            return Enum(self.draw(st.sampled_from(list(kind.values))))
        if isinstance(kind, GraphQLInputObjectType):
            return {
                each: self.drawn(each, field.type)
                for each, field in kind.fields.items()
                if self.chance(0.5)
            }
        assert isinstance(kind, GraphQLScalarType)
        return self.draw(st.sampled_from(self.scalars(name, kind.name)))

    def scalars(self, name: str, kind: str) -> list[Any]:
        usual = {
            "ID": self.world.ids,
            "Int": [1, 2, 3, 20, 100],
            "Float": [0, 60, 90.5, 100],
            "Boolean": [True, False],
            "DateTime": ["2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00.125Z"],
            "String": [self.world.cursor] if name == "after" else ["cat", "Cat", "C", "Sofa", "?"],
        }
        odd = {"Int": [0, 101], "DateTime": ["soon"], "String": ["nonsense"]}
        unusual = kind in odd and not self.sound and self.chance(0.03)
        return odd[kind] if unusual else usual[kind]

    def chance(self, of: float) -> bool:
        return bool(self.draw(st.integers(0, 99)) < of * 100)


class Enum(str):
    """A name, not a string."""

    __slots__ = ()


def literal(value: Any) -> str:
    match value:
        case Enum():
            return str(value)
        case list():
            return "[" + ", ".join(map(literal, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{name}: {literal(each)}" for name, each in value.items()) + "}"
    return json.dumps(value)


def plain(value: Any) -> Any:
    match value:
        case Enum():
            return str(value)
        case list():
            return [plain(each) for each in value]
        case dict():
            return {name: plain(each) for name, each in value.items()}
    return value


@given(data=st.data())
@settings(max_examples=2 * settings.default.max_examples)
def test_response_equals_that_of_graphql_core(world: World, data: st.DataObject) -> None:
    """Of generated documents, the whole response."""
    writer = Writer(data.draw, world)
    text = writer.document()
    ours, alone = world.both(text, writer.variables)
    codes = {error["extensions"]["code"] for error in alone["errors"]}
    event("data" if alone["data"] else "no data")
    event(f"errors: {', '.join(sorted(codes)) or 'none'}")
    assert ours == alone, text


NULLS = """
query ($first: Int! = 10) {
  blobs(first: $first) {
    edges { cursor node { id ...Picture } }
    nodes { sizeBytes confidences: labels { confidence } }
    pageInfo { hasNextPage }
  }
}
fragment Picture on Node { id ... on Blob { status labels(minConfidence: 60) { name parents } } }
"""


def test_errors_and_nulls_equal_those_of_graphql_core(world: World) -> None:
    """With their paths, and null up to the nearest nullable field."""
    ours, alone = world.both(NULLS, {})
    assert ours == alone
    paths = [error["path"] for error in alone["errors"]]
    assert ["blobs", "nodes", 0, "sizeBytes"] in paths
    assert ["blobs", "nodes", 0, "confidences", 0, "confidence"] in paths


FIELDS = [
    *("id", "status", "contentType", "sizeBytes", "width", "height", "createdAt", "labelledAt"),
    *(
        f"labels {{ {name} }}"
        for name in ("name", "confidence", "parents", "aliases", "categories")
    ),
    "labels { instances { confidence } }",
    "labels { instances { boundingBox { left top width height } } }",
    "labels(minConfidence: 90) { name }",
    "labels(minConfidence: 100.5) { name }",
    "detector { name version }",
    "failure { code }",
    "failure { message }",
    "callback { url status attempts { at error } }",
    "__typename",
]


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_alone_equals_that_of_graphql_core(world: World, field: str) -> None:
    """For blobs in every state: another field's error would make graphql-core execute all."""
    ours, alone = world.both(f"{{ blobs {{ nodes {{ {field} }} }} }}", {})
    assert alone["data"]
    assert ours == alone


def test_plain_selections_are_executed_compiled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the tests above prove nothing.

    Only the root field of a page is resolved by graphql-core.
    """
    resolved: list[str] = []
    resolve = compiled_executor.StrawberryGraphQLCoreExecutionContext.execute_field

    def noted(self: Any, parent: Any, source: Any, details: Any, *rest: Any) -> Any:
        resolved.append(f"{parent.name}.{details[0].node.name.value}")
        return resolve(self, parent, source, details, *rest)

    monkeypatch.setattr(
        compiled_executor.StrawberryGraphQLCoreExecutionContext, "execute_field", noted
    )
    text = "{ blobs(first: 4) { edges { cursor node { id status labels { name } } } } }"
    services = world.stores.services("anna")
    documents = Documents(CORE)
    documents.kind(text, None)
    context = Context(services, Caller("anna"), documents, "request-1")
    result = asyncio.run(schema.execute(text, context_value=context))
    assert result.data
    assert len(result.data["blobs"]["edges"]) == 4
    assert resolved == ["Query.blobs"]


def test_compiled_selections_are_dropped_with_their_document(world: World) -> None:
    """Even if nothing of it is executed; otherwise every document would take memory for ever."""
    services, documents = world.stores.services("anna"), Documents(CORE)

    async def run() -> None:
        for number in range(400):
            padding = "#" * 3000
            text = f"query Q{number} {{ __typename @skip(if: true) }} {padding}"
            documents.kind(text, None)
            context = Context(services, Caller("anna"), documents, "request-1")
            assert (await schema.execute(text, context_value=context)).errors is None

    asyncio.run(run())
    assert 0 < len(documents._kept) < 100
    assert set(documents.compiled._kept) == {
        id(operation) for each in documents._kept.values() for operation in each.operations.values()
    }


def test_variables_that_differ_each_time_are_not_compiled(world: World) -> None:
    """Otherwise clients that send another value each time would pay for compiling."""
    services, documents = world.stores.services("anna"), Documents(CORE)
    documents.kind(VARIED, None)

    async def run(least: float) -> int:
        context = Context(services, Caller("anna"), documents, "request-1")
        given = {"least": least}
        result = await schema.execute(VARIED, variable_values=given, context_value=context)
        assert result.errors is None
        return documents.compiled._count

    first = asyncio.run(run(0))
    assert first > 1
    assert [asyncio.run(run(least)) for least in (1, 2, 3)] == [first + 1, first + 2, first + 3]
    assert asyncio.run(run(3)) > first + 4


def test_combinations_of_variables_are_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if no field was compiled for them."""
    monkeypatch.setattr(compiled_selections, "_MAX_KEPT", 50)
    services, documents = world.stores.services("anna"), Documents(CORE)
    text = """query ($x: Float!) {
      __typename @skip(if: true)
      blobs @skip(if: true) { nodes { labels(minConfidence: $x) { name } } }
    }"""
    documents.kind(text, None)

    async def run() -> None:
        for number in range(200):
            context = Context(services, Caller("anna"), documents, "request-1")
            given = {"x": number / 10}
            result = await schema.execute(text, variable_values=given, context_value=context)
            assert result.errors is None

    asyncio.run(run())
    assert sum(len(found) for _, _, found in documents.compiled._kept.values()) <= 50


def test_long_texts_of_variables_are_not_kept(world: World) -> None:
    """Otherwise clients could fill the memory: a request may have a megabyte of texts."""
    services, documents = world.stores.services("anna"), Documents(CORE)
    text = """query ($after: String) {
      blobs { nodes { similar(kind: SIMILAR, after: $after) { nodes { id } } } }
    }"""
    documents.kind(text, None)

    async def run() -> None:
        for number in range(3):
            context = Context(services, Caller("anna"), documents, "request-1")
            given = {"after": f"{number}" * 10_000}
            await schema.execute(text, variable_values=given, context_value=context)

    asyncio.run(run())
    assert [found for _, _, found in documents.compiled._kept.values()] == [{}]


REFUSALS = [
    "deleteBlob(blobId: $unknown)",
    "renewUpload(blobId: $labelled)",
    "relabelBlob(blobId: $unknown)",
    "redeliverWebhook(deliveryId: $unknown)",
    "createUpload(input: {contentType: PNG, sizeBytes: -1, maxLabels: 0})",
]
SHOWN = {
    "BlobNotFound": ["message", "told: message __typename"],
    "WrongState": ["message status"],
    "InvalidInput": ["problems { field message }", "...Problems"],
    "Error": ["message", "kind: __typename text: message", "...Told @include(if: $told)"],
}
FRAGMENTS = {
    "Problems": "fragment Problems on InvalidInput { message problems { field } }",
    "Told": "fragment Told on Error { __typename told: message }",
}


@given(data=st.data())
def test_members_of_unions_equal_those_of_graphql_core(world: World, data: st.DataObject) -> None:
    """Of mutations that fail: they change nothing, so they can be repeated."""
    fields = []
    for refusal in data.draw(st.lists(st.sampled_from(REFUSALS), min_size=1, max_size=4)):
        union = get_named_type(CORE.mutation_type.fields[refusal.partition("(")[0]].type)
        members = {each.name for each in CORE.get_possible_types(union)} | {"Error"}
        parts = [
            f"... on {name} {{ {shown} }}"
            for name in SHOWN
            if name in members
            for shown in data.draw(st.lists(st.sampled_from(SHOWN[name]), max_size=2))
        ]
        typename = ["__typename"] if not parts or data.draw(st.booleans()) else []
        fields.append(f"m{len(fields)}: {refusal} {{ {' '.join(typename + parts)} }}")
    body = " ".join(fields)
    declared = {"unknown": "ID!", "labelled": "ID!", "told": "Boolean!"}
    used = [each for name, each in FRAGMENTS.items() if f"...{name}" in body]
    text = " ".join([body, *used])
    heads = ", ".join(f"${name}: {kind}" for name, kind in declared.items() if f"${name}" in text)
    text = f"mutation {f'({heads})' if heads else ''} {{ {body} }} {' '.join(used)}"
    given = {"unknown": UNKNOWN, "labelled": world.ids[0], "told": data.draw(st.booleans())}
    ours, alone = world.both(text, given)
    assert alone["data"], alone
    assert ours == alone, text


VARIED = """
query ($least: Float! = 0, $told: Boolean! = true) {
  blobs {
    nodes {
      labels(minConfidence: $least) { name }
      status @include(if: $told)
      ...Size @skip(if: $told)
    }
  }
}
fragment Size on Blob { width }
"""


def test_response_depends_on_the_variables_of_each_request(world: World) -> None:
    """Not on those of the first request."""
    services, documents = world.stores.services("anna"), Documents(CORE)
    documents.kind(VARIED, None)

    async def run(execute: Any, given: dict[str, Any]) -> Any:
        context = Context(services, Caller("anna"), documents, "request-1")
        result = await execute(VARIED, variable_values=given, context_value=context)
        return result.data, result.errors

    shown = []
    for least in (0, 90, 100, 90.0, 90, 100):  # compiled from their second use on
        for told in ({}, {"told": False}, {"told": True}):
            given = {"least": least, **told}
            ours = asyncio.run(run(schema.execute, given))
            assert ours == asyncio.run(run(super(type(schema), schema).execute, given))
            shown.append(json.dumps(ours[0]))
    assert len(set(shown)) > 4


@strawberry.type
class Odd:
    """Returns the value it was given from every field, whatever the field's type."""

    given: strawberry.Private[Any]

    @strawberry.field
    def needed(self) -> str:
        return self._value()

    @strawberry.field
    def wanted(self) -> str | None:
        return self._value()

    @strawberry.field
    def needed_list(self) -> list[str]:
        return self._value()

    @strawberry.field
    def wanted_list(self) -> list[str | None] | None:
        return self._value()

    @strawberry.field
    def nested_list(self) -> list[list[str]]:
        return self._value()

    @strawberry.field
    def odd_list(self) -> list[Odd | None]:
        return self._value()

    @strawberry.field
    def needed_odd(self) -> Odd:
        return self._value()

    @strawberry.field
    def wanted_odd(self) -> Odd | None:
        return self._value()

    def _value(self) -> Any:
        if isinstance(self.given, ArithmeticError):
            raise self.given
        return self.given


@strawberry.type
class OddQuery:
    @strawberry.field
    async def odd(self, info: strawberry.Info) -> Odd:
        return Odd(given=info.context)

    @strawberry.field
    async def odds(self, info: strawberry.Info) -> list[Odd | None]:
        return [Odd(given="plain"), Odd(given=info.context), None]


ODD = strawberry.Schema(OddQuery)._schema
INNER = " { __typename wanted }"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        7,
        7.5,
        True,
        [],
        ["text", None],
        ("text",),
        {"text"},
        [["text"]],
        [["text"], None],
        [Odd(given="inner"), None],
        object,
        ArithmeticError("raised"),
        ValueError("returned"),
        [ValueError("within")],
        Odd(given="inner"),
        [Odd(given=None)],
        float("nan"),
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "field",
    [
        *("needed", "wanted", "neededList", "wantedList", "nestedList"),
        *("oddList", "neededOdd", "wantedOdd"),
    ],
)
def test_any_value_of_a_field_is_completed_as_by_graphql_core(field: str, value: Any) -> None:
    """A null in a non-null field, a wrong class, an exception raised or returned."""
    selection = field + (INNER if "odd" in field.lower() else "")
    text = f"{{ odd {{ wanted {selection} }} odds {{ {selection} wanted }} }}"
    document, compiled = parse(text), CompiledSelections()

    async def run() -> None:
        result: Any = execute(ODD, document, context_value=value)
        core = await result if isawaitable(result) else result
        for _ in range(2):
            data, errors = await compiled_executor.execute(ODD, document, compiled, None, value)
            assert data == core.data
            told = [(e.message, e.path, e.locations) for e in errors]
            assert told == [(e.message, e.path, e.locations) for e in core.errors or ()]

    asyncio.run(run())
