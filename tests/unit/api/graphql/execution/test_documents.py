"""The document cache: limits, persisted documents, and allowed documents."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from graphql import parse

from api.auth.caller import Caller
from api.errors import Code, RequestError
from api.graphql.context import Context
from api.graphql.execution import validation
from api.graphql.execution.documents import Document, Documents
from api.graphql.execution.persisted import hash_of, read_manifest
from api.graphql.execution.query_cost import Limits
from api.graphql.schema import schema
from api.limits import MAX_DOCUMENT
from core.runtime.settings import BadSetting
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import EmbeddedStores
from tests.unit.api.conftest import Serve

QUERY = "query Typename { __typename }"
PAGE = "query ($first: Int!) { blobs(first: $first) { nodes { id status } } }"


def documents(**options: Any) -> Documents:
    return Documents(schema._schema, **options)


def kept(known: Documents, text: str) -> Document:
    return known.keep(text, parse(text))


def persisted(name: str, version: Any = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": name}}


def refused(known: Documents, query: str | None, extensions: Any) -> tuple[Code, str]:
    with pytest.raises(RequestError) as refusal:
        known.text(query, extensions)
    return refusal.value.code, str(refusal.value)


def test_document_is_parsed_and_validated_once(
    anna: GraphQL, boris: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For all callers and variables; each response is the caller's own."""
    validated: list[object] = []
    validate = validation.validate
    monkeypatch.setattr(
        validation, "validate", lambda *given: validated.append(given) or validate(*given)
    )
    for client in (anna, boris, anna):
        for first in (1, 2):
            assert client.ask(PAGE, first=first) == {"blobs": {"nodes": []}}
    assert len(validated) == 1
    for _ in range(2):
        assert anna.error("{ nonsense }")["locations"] == [{"line": 1, "column": 3}]
    assert len(validated) == 2


def test_cache_is_bounded() -> None:
    """The most recently used documents are kept; a long one displaces several."""
    known = documents()
    texts = [f"{{ __typename }} #{number:4}{'x' * 9000}" for number in range(30)]
    for text in texts:
        kept(known, text)
        assert known.find(texts[0]), "asked for again and again"
    found = [text for text in texts if known.find(text)]
    assert 20 < len(found) < len(texts)
    assert found == [texts[0], *texts[-len(found) + 1 :]]
    longest = f"{{ __typename }} #{'x' * 400_000}"
    kept(known, longest)
    assert [text for text in [*texts, longest] if known.find(text)] == [longest]


def test_document_kept_twice_counts_once() -> None:
    """As when two requests bring it at the same time."""
    known = documents()
    for _ in range(1000):
        kept(known, f"{QUERY} #{'x' * 1000}")
    kept(known, QUERY)
    assert known.find(f"{QUERY} #{'x' * 1000}")


@pytest.mark.parametrize("first", [1, 10, 100])
def test_every_response_has_cost_and_limit(anna: GraphQL, first: int) -> None:
    """For the page size of the request."""
    body = anna.post(PAGE, first=first).json()
    limit = Limits().cost
    assert body["extensions"] == {"cost": {"requested": 2 + 2 * first, "limit": limit}}


def test_operation_above_the_cost_limit_is_rejected(serve: Serve) -> None:
    """The same document is executed for a smaller page."""
    client = serve(limits=Limits(cost=50))
    assert client.ask(PAGE, first=24)
    answer = client.post(PAGE, first=25)
    body = answer.json()
    assert "data" not in body
    (error,) = body["errors"]
    assert error["message"] == "The operation has 52 points of cost; at most 50 are taken."
    assert error["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": "cost", "most": 50}
    assert error["locations"]
    assert body["extensions"] == {"cost": {"requested": 52, "limit": 50}}


def test_cost_is_that_of_the_executed_operation(serve: Serve) -> None:
    """Not of others in the document."""
    client = serve(limits=Limits(cost=50))
    document = "query A { blobs(first: 100) { nodes { id } } } query B { __typename }"
    body = {"query": document, "operationName": "B"}
    assert client.client.post("/graphql", json=body).json()["data"] == {"__typename": "Query"}
    body["operationName"] = "A"
    (error,) = client.client.post("/graphql", json=body).json()["errors"]
    assert error["extensions"]["limit"] == "cost"


def test_cached_costs_are_bounded() -> None:
    """Two variables have ten thousand combinations."""
    known = documents()
    text = """query ($a: Int!, $b: Int!) {
        blobs(first: $a) { nodes { id } } labels(first: $b) { nodes { name } } }"""
    document = kept(known, text)
    for a in range(100):
        for b in range(0, 100, 10):
            assert known.check(document, None, {"a": a, "b": b}) == (4 + a + b, [])
    assert len(document.costs) <= 200


def test_known_document_can_be_requested_by_its_hash() -> None:
    """In upper case too."""
    known = documents()
    name = hash_of(QUERY)
    found = refused(known, None, persisted(name))
    assert found == (Code.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
    assert known.text(QUERY, persisted(name)) == QUERY
    kept(known, QUERY)
    assert known.text(None, persisted(name)) == QUERY
    assert known.text("", persisted(name.upper())) == QUERY
    assert known.text(QUERY, None) == QUERY


def test_automatic_persisted_queries_can_be_disabled() -> None:
    """Clients then send the text; a hash beside it does no harm."""
    known = documents(automatic=False)
    kept(known, QUERY)
    found = refused(known, None, persisted(hash_of(QUERY)))
    assert found == (Code.PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")
    assert known.text(QUERY, persisted(hash_of(QUERY))) == QUERY


@pytest.mark.parametrize(
    ("query", "extensions", "code"),
    [
        (None, None, Code.BAD_REQUEST),
        ("", {}, Code.BAD_REQUEST),
        (QUERY, persisted(hash_of("{ a }")), Code.BAD_USER_INPUT),
        (None, persisted(hash_of(QUERY), version=2), Code.BAD_REQUEST),
        (None, persisted(hash_of(QUERY), version=None), Code.BAD_REQUEST),
        (None, {"persistedQuery": {"version": 1}}, Code.BAD_REQUEST),
        (None, {"persistedQuery": {"version": 1, "sha256Hash": 5}}, Code.BAD_REQUEST),
        (None, {"persistedQuery": hash_of(QUERY)}, Code.BAD_REQUEST),
        (None, persisted("no hash"), Code.PERSISTED_QUERY_NOT_FOUND),
        (" " * (MAX_DOCUMENT + 1), None, Code.TOO_LARGE),
    ],
)
def test_request_without_a_document_is_rejected(
    query: str | None, extensions: Any, code: Code
) -> None:
    """The code says why."""
    assert refused(documents(), query, extensions)[0] == code


def test_wrong_hash_registers_nothing(anna: GraphQL) -> None:
    """No client can make others execute another document."""
    name = hash_of("{ __typename }")
    body = {"query": PAGE, "extensions": persisted(name)}
    assert anna.client.post("/graphql", json=body, headers=anna.headers).status_code == 400
    body = {"extensions": persisted(name)}
    answer = anna.client.post("/graphql", json=body, headers=anna.headers)
    assert answer.status_code == 200, "as Apollo Server answers"
    (error,) = answer.json()["errors"]
    assert error["message"] == "PersistedQueryNotFound"


def test_persisted_query_needs_a_key(anna: GraphQL) -> None:
    anna.ask(QUERY)
    params = {"extensions": json.dumps(persisted(hash_of(QUERY)))}
    assert anna.client.get("/graphql", params=params).status_code == 401
    answer = anna.client.get("/graphql", params=params, headers=anna.headers)
    assert answer.json()["data"] == {"__typename": "Query"}


def test_persisted_mutation_with_get_is_rejected(anna: GraphQL) -> None:
    """A link must not change anything."""
    mutation = "mutation { renewUpload(blobId: 1) { __typename } }"
    anna.ask(mutation)
    params = {"extensions": json.dumps(persisted(hash_of(mutation)))}
    answer = anna.client.get("/graphql", params=params, headers=anna.headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_only_allowed_documents_are_executed(serve: Serve) -> None:
    """By hash or by text. Others are rejected with a reason, and not kept."""
    client = serve(allowed={hash_of(QUERY): QUERY})
    assert client.ask(QUERY) == {"__typename": "Query"}

    def ask(**body: Any) -> tuple[int, Any]:
        answer = client.client.post("/graphql", json=body)
        return answer.status_code, answer.json().get("data") or answer.json()["errors"][0]

    assert ask(extensions=persisted(hash_of(QUERY))) == (200, {"__typename": "Query"})
    for body in (
        {"query": "{ __typename }"},
        {"query": f"{QUERY} "},
        {"extensions": persisted(hash_of("{ __typename }"))},
        {"query": "{ __typename }", "extensions": persisted(hash_of("{ __typename }"))},
        {"query": "{ __typename }", "extensions": persisted(hash_of(QUERY))},
    ):
        status, error = ask(**body)
        assert (status, error["extensions"]) == (403, {"code": "DOCUMENT_NOT_ALLOWED"})
        assert "operator" in error["message"]


def test_execution_itself_rejects_documents_that_are_not_allowed(stores: EmbeddedStores) -> None:
    """For a transport that does not check the text."""
    context = Context(
        stores.services(), Caller("anna"), documents(allowed={hash_of(QUERY): QUERY}), "1"
    )
    assert asyncio.run(schema.execute(QUERY, context_value=context)).data
    result = asyncio.run(schema.execute("{ __typename }", context_value=context))
    assert result.data is None
    (error,) = result.errors or ()
    assert error.extensions == {"code": "DOCUMENT_NOT_ALLOWED"}


@pytest.mark.parametrize(
    "content",
    [
        {hash_of(QUERY): QUERY, hash_of(PAGE).upper(): PAGE},
        {
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [
                {"id": hash_of(QUERY), "name": "Typename", "type": "query", "body": QUERY},
                {"id": hash_of(PAGE), "name": "Page", "type": "query", "body": PAGE},
            ],
        },
    ],
    ids=["plain", "apollo"],
)
def test_manifest_is_read(tmp_path: Path, content: Any) -> None:
    """As Relay's compiler, GraphQL Code Generator or Apollo's generator writes it."""
    path = tmp_path / "documents.json"
    path.write_text(json.dumps(content))
    assert read_manifest(path) == {hash_of(QUERY): QUERY, hash_of(PAGE): PAGE}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        '"x"',
        "{",
        '{"a": 5}',
        '{"a": "{ __typename }"}',
        '{"operations": [{"id": "a"}]}',
        '{"operations": [5]}',
        "\xff",
        None,
    ],
)
def test_invalid_manifest_is_rejected_at_the_start(tmp_path: Path, content: str | None) -> None:
    """The message names the file."""
    path = tmp_path / "documents.json"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    with pytest.raises(BadSetting, match=r"documents\.json"):
        read_manifest(path)
