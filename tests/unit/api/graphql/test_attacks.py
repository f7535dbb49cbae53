"""Hostile requests: each is rejected at little cost, and its response discloses nothing."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest

from api.rest.app import create_app
from core.domain.label import Label
from core.runtime.logging import AddLogContext
from tests.support.graphql_client import GraphQL
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.waiting import PATIENCE, wait_until
from tests.unit.api.conftest import Serve

T = TypeVar("T")


def bomb(size: int, inner: str = "nodes { id }") -> str:
    """Return fragments that each spread the next one twice, up to a number of characters."""
    text = "{ blobs { ...F0 } }"
    count = 0
    while len(text) < size - 120:
        text += f" fragment F{count} on BlobConnection {{ ...F{count + 1} ...F{count + 1} }}"
        count += 1
    return text + f" fragment F{count} on BlobConnection {{ {inner} }}"


def nested_bomb(size: int) -> str:
    """Return the same with fields: each level selects the next one twice."""
    text = "{ __schema { types { ...F0 } } }"
    count = 0
    while len(text) < size - 120:
        inner = f"a: ofType {{ ...F{count + 1} }} b: ofType {{ ...F{count + 1} }}"
        text += f" fragment F{count} on __Type {{ {inner} }}"
        count += 1
    return text + f" fragment F{count} on __Type {{ name }}"


def circle(length: int, inner: str = "id labels { name }") -> str:
    """Return fragments that spread each other in a circle."""
    return "{ blob(id: 1) { ...F0 } } " + " ".join(
        f"fragment F{each} on Blob {{ {inner} ...F{(each + 1) % length} }}"
        for each in range(length)
    )


OF_TYPE = "ofType { " * 30 + "name" + " }" * 30
FIELDS_OF_FIELDS = "fields { type { " * 8 + "name" + " } }" * 8
MANY_FIELDS = " ".join(["id"] * 500)

ATTACKS = {
    "depth": ("{ __schema { types { " + OF_TYPE + " } } }", "LIMIT_EXCEEDED", "depth"),
    "aliases": (
        "{ blob(id: 1) { " + " ".join(f"a{n}: id" for n in range(31)) + " } }",
        "LIMIT_EXCEEDED",
        "aliases",
    ),
    "root fields": ("{ " + "__typename " * 31 + "}", "LIMIT_EXCEEDED", "root_fields"),
    "repeated root fields": ("{ " + "__typename " * 500 + "}", "LIMIT_EXCEEDED", "root_fields"),
    "repeated fields": (f"{{ blob(id: 1) {{ id {MANY_FIELDS} }} }}", "LIMIT_EXCEEDED", "fields"),
    "as many fields as tokens": (
        "{ blob(id: 1) { " + "id " * 1900 + "} }",
        "LIMIT_EXCEEDED",
        "fields",
    ),
    "an unused fragment": (
        "{ __typename } fragment F on Blob { " + "id " * 1900 + "}",
        "LIMIT_EXCEEDED",
        "fields",
    ),
    "fragments of one name": (
        "{ __typename } fragment F on Blob { " + "id " * 1900 + "} fragment F on Blob { id }",
        "LIMIT_EXCEEDED",
        "fields",
    ),
    "operations of one name": (
        "query Q { blob(id: 1) { " + "id " * 1900 + "} } query Q { __typename }",
        "LIMIT_EXCEEDED",
        "fields",
    ),
    "as many operations as fit": (
        " ".join(f"query Q{n} {{ blob(id: 1) {{ {'id ' * 380} }} }}" for n in range(5)),
        "GRAPHQL_VALIDATION_FAILED",
        None,
    ),
    "tokens": ("{ " + "a " * 2000 + "}", "GRAPHQL_PARSE_FAILED", None),
    "directives": (
        "{ __typename " + "@skip(if: false) " * 51 + "}",
        "LIMIT_EXCEEDED",
        "directives",
    ),
    "unknown directives": ("{ __typename " + "@a " * 900 + "}", "LIMIT_EXCEEDED", "directives"),
    "directives of the operation": (
        "query " + "@a " * 900 + "{ __typename }",
        "LIMIT_EXCEEDED",
        "directives",
    ),
    "a page of pages": (
        """{ a: blobs(first: 100) { ...P } b: blobs(first: 100) { ...P }
          c: blobs(first: 100) { ...P } } fragment P on BlobConnection {
          nodes { labels { instances { boundingBox { left top width height } } } } }""",
        "LIMIT_EXCEEDED",
        "cost",
    ),
    "fragment bomb": (bomb(1000), "LIMIT_EXCEEDED", "fragments"),
    "larger fragment bomb": (bomb(6000), "LIMIT_EXCEEDED", "fragments"),
    "empty fragment bomb": (bomb(1000, "...None"), "LIMIT_EXCEEDED", "fragments"),
    "nested fragment bomb": (nested_bomb(1000), "LIMIT_EXCEEDED", "aliases"),
    "larger nested fragment bomb": (nested_bomb(6000), "LIMIT_EXCEEDED", "depth"),
    "many fragments": (
        "{ __typename } " + " ".join(f"fragment F{n} on Query {{ a }}" for n in range(240)),
        "LIMIT_EXCEEDED",
        "fragments",
    ),
    "chain of fragments": (
        "{ ...F0 } "
        + " ".join(
            f"fragment F{n} on Query {{ ... {{ ... {{ ... {{ ...F{n + 1} }} }} }} }}"
            for n in range(95)
        ),
        "GRAPHQL_VALIDATION_FAILED",
        None,
    ),
    "circular fragments": (circle(2), "GRAPHQL_VALIDATION_FAILED", None),
    "larger circular fragments": (circle(60), "GRAPHQL_VALIDATION_FAILED", None),
    "a fragment that spreads itself": (circle(1), "GRAPHQL_VALIDATION_FAILED", None),
    "circular introspection": (
        "{ __schema { types { " + FIELDS_OF_FIELDS + " } } }",
        "GRAPHQL_VALIDATION_FAILED",
        None,
    ),
    "shallow circular introspection": (
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
        "GRAPHQL_VALIDATION_FAILED",
        None,
    ),
    "deep document": ("{ a " * 400, "GRAPHQL_PARSE_FAILED", None),
    "deep value": ("{ blob(id: " + "[" * 900, "GRAPHQL_PARSE_FAILED", None),
    "a comment without end": ("{ __typename } #" + "x" * 49_000, None, None),
    "unknown fields": (
        "{ " + " ".join(f"blobs{n}" for n in range(30)) + " }",
        "GRAPHQL_VALIDATION_FAILED",
        None,
    ),
    "long names": (
        "{ " + " ".join("x" * 1500 + str(n) for n in range(30)) + " }",
        "GRAPHQL_VALIDATION_FAILED",
        None,
    ),
}


# Function calls, built-in ones too, in the thread that serves a request. A hundred thousand take
# some ten milliseconds.
STEPS_OF_SMALL = 100_000
STEPS_OF_LARGE = 2_000_000


def steps_of(client: AppClient, call: Callable[[], T]) -> tuple[int, T]:
    """Return how many functions the application calls in its own thread meanwhile."""
    steps = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal steps
        steps += event in ("call", "c_call")

    client._portal.call(sys.setprofile, note)
    try:
        answer = call()
    finally:
        client._portal.call(sys.setprofile, None)
    return steps, answer


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_document_is_rejected_at_little_cost(anna: GraphQL, name: str) -> None:
    """The way through HTTP included."""
    document, code, limit = ATTACKS[name]
    anna.ask("{ __typename }")  # the first request loads modules
    steps, answer = steps_of(anna.client, lambda: anna.post(document))
    body = answer.json()
    if code is None:
        assert "errors" not in body
    else:
        assert "data" not in body
        extensions = body["errors"][0]["extensions"]
        assert (extensions["code"], extensions.get("limit")) == (code, limit)
    assert steps < (STEPS_OF_SMALL if len(document) <= 1000 else STEPS_OF_LARGE)


def test_largest_allowed_page_takes_little_time(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The limit of cost bounds the execution over real records."""
    labels = [Label(f"Label {number}", 90.0 - number) for number in range(10)]
    for _ in range(100):
        stores.labelled("anna", *labels)
    query = """{ blobs(first: 100) { nodes { id status contentType sizeBytes width height createdAt
        labelledAt labels { name confidence parents aliases categories } } } }"""
    steps, answer = steps_of(anna.client, lambda: anna.post(query))
    assert len(answer.json()["data"]["blobs"]["nodes"]) == 100
    assert steps < STEPS_OF_LARGE


@pytest.mark.parametrize(
    "content", ["[" * 900_000, '{"a":' * 180_000, "1" * 900_000, '"' + "\\u0000" * 150_000]
)
def test_malformed_body_is_rejected_at_little_cost(anna: GraphQL, content: str) -> None:
    """At any depth."""
    headers = {**anna.headers, "content-type": "application/json"}
    post = partial(anna.client.post, "/graphql", content=content, headers=headers)
    steps, answer = steps_of(anna.client, post)
    assert answer.status_code == 400
    assert steps < STEPS_OF_SMALL


@pytest.mark.parametrize("depth", [100, 900, 5000])
def test_deeply_nested_variable_is_a_client_error(anna: GraphQL, depth: int) -> None:
    """Whether the JSON parser or GraphQL rejects it."""
    value = "[" * depth + "]" * depth
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    content = f'{{"query": "{query}", "variables": {{"ids": {value}}}}}'
    headers = {**anna.headers, "content-type": "application/json"}
    answer = anna.client.post("/graphql", content=content, headers=headers)
    assert answer.json()["errors"][0]["extensions"]["code"] in ("BAD_REQUEST", "BAD_USER_INPUT")


SCHEMA_ASKED = ("{ __schema { queryType { name } } }", '{ __type(name: "Blob") { name } }')


@pytest.mark.parametrize("query", SCHEMA_ASKED)
def test_introspection_can_be_disabled(serve: Serve, anna: GraphQL, query: str) -> None:
    """`__typename` still works."""
    assert anna.ask(query)
    closed = serve(introspection=False)
    error = closed.post(query).json()["errors"][0]
    assert "introspection has been disabled" in error["message"]
    assert closed.ask("{ __typename }") == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ blob(id: 1) { statu } }", {}),
        ("{ blobz { nodes { id } } }", {}),
        ("{ blobs(frist: 1) { nodes { id } } }", {}),
        ("{ blobs(filter: {status: LABELLD}) { nodes { id } } }", {}),
        ("{ blobs(filter: {statos: LABELLED}) { nodes { id } } }", {}),
        ("{ node(id: 1) { ... on Blop { id } } }", {}),
        ("{ node(id: 1) { status } }", {}),
        ("query ($a: BlobFiltr) { blobs(filter: $a) { nodes { id } } }", {}),
        (
            "query ($a: BlobFilter) { blobs(filter: $a) { nodes { id } } }",
            {"a": {"status": "LABELLD"}},
        ),
        (
            "query ($a: BlobFilter) { blobs(filter: $a) { nodes { id } } }",
            {"a": {"statos": "LABELLED"}},
        ),
    ],
)
def test_suggestions_can_be_disabled(
    serve: Serve, anna: GraphQL, query: str, variables: dict[str, Any]
) -> None:
    """They would disclose a hidden schema piece by piece."""
    assert "Did you mean" in anna.error(query, **variables)["message"]
    closed = serve(suggestions=False)
    message = closed.error(query, **variables)["message"]
    assert message
    assert "Did you mean" not in message


def test_operation_is_stopped_after_its_time_limit(
    serve: Serve,
    stores: EmbeddedStores,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The service goes on."""
    release = threading.Event()
    monkeypatch.setattr(type(stores.blobs), "find", lambda *_: release.wait(PATIENCE) or {})
    client = serve(seconds=0.1)
    with caplog.filtering(AddLogContext()):
        answer = client.post("{ a: blob(id: 1) { id } b: blob(id: 2) { id } }")
    release.set()
    assert answer.status_code == 504
    body = answer.json()
    (error,) = body["errors"]
    assert "data" not in body
    assert error["extensions"]["code"] == "TIMEOUT"
    (record,) = caplog.records
    assert vars(record)["request_id"] == error["extensions"]["requestId"]
    monkeypatch.undo()
    wait_until(lambda: client.post("{ __typename }").status_code == 200)


def test_response_contains_no_internal_details(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No text of an exception, no traceback, no file name."""

    def fail(*_: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(type(stores.blobs), "find", fail)
    text = anna.post("{ blob(id: 1) { id } }").text
    for part in ("hunter2", "RuntimeError", "Traceback", ".py", "stacktrace"):
        assert part not in text


def test_websocket_is_not_accepted(stores: EmbeddedStores) -> None:
    """This application serves none, for any origin."""
    sent: list[Any] = []

    async def shake() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"testserver"), (b"origin", b"https://evil.example")]
        scope = {
            "type": "websocket",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "subprotocols": ["graphql-transport-ws"],
            "scheme": "ws",
            "state": {},
        }
        await create_app(stores.services("anna"))(scope, receive, send)

    asyncio.run(shake())
    assert [message["type"] for message in sent] == ["websocket.close"]
