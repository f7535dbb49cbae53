"""GraphQL over HTTP: what the audit in tests/web does not cover."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.graphql.http.request import JSON
from api.graphql.http.response import GRAPHQL_JSON, media_type
from tests.support.graphql_client import GraphQL


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (GRAPHQL_JSON.upper(), GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}; charset=utf-8", GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, {JSON};q=0.9", GRAPHQL_JSON),
        (f"{JSON}, {GRAPHQL_JSON}", GRAPHQL_JSON),
        (f"{JSON}, {GRAPHQL_JSON}; q=0.5", JSON),
        (f"{GRAPHQL_JSON}, */*", GRAPHQL_JSON),
        (f"{GRAPHQL_JSON};q=0, */*;q=0.1", JSON),
        (f"{JSON};q=0, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("text/html", None),
        ("*/*;q=0", None),
        (f"{JSON};q=much", None),
        (", ;q=, /", None),
    ],
)
def test_media_type_follows_the_accept_header(accept: str | None, kind: str | None) -> None:
    """GraphQL's own where it is named, otherwise JSON; by weight (RFC 9110, 12.5.1)."""
    assert media_type(accept) == kind


@pytest.mark.parametrize(
    ("query", "has_data", "status"),
    [
        ("{ __typename }", True, 200),
        ("{ blobs(first: 0) { nodes { id } } }", True, 200),
        ("{ blob(id: 1) { id } blobs(first: 0) { nodes { id } } }", True, 200),
        ("query ($id: ID!) { blob(id: $id) { id } }", False, 400),
        ("{ nonsense }", False, 400),
        ("{", False, 400),
    ],
)
def test_response_has_data_if_execution_began(
    anna: GraphQL, query: str, has_data: bool, status: int
) -> None:
    """Null if need be. Otherwise it has none, and its status is 400 for GraphQL's media type."""
    for accept in (JSON, GRAPHQL_JSON):
        answer = anna.client.post(
            "/graphql", json={"query": query}, headers={**anna.headers, "accept": accept}
        )
        assert ("data" in answer.json()) is has_data
        assert answer.status_code == (status if accept == GRAPHQL_JSON else 200)
        assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("operation_name", [None, "", "Only"])
def test_single_operation_needs_no_name(anna: GraphQL, operation_name: str | None) -> None:
    """An empty name counts as none, as forms send it."""
    body = {"query": "query Only { __typename }", "operationName": operation_name}
    answer = anna.client.post("/graphql", json=body, headers=anna.headers)
    assert answer.json()["data"] == {"__typename": "Query"}


def test_get_has_variables_in_the_url(anna: GraphQL) -> None:
    """As JSON; an empty parameter counts as none."""
    params = {
        "query": "query ($id: ID!) { blob(id: $id) { id } }",
        "variables": json.dumps({"id": "ä"}),
        "operationName": "",
        "extensions": "",
    }
    answer = anna.client.get("/graphql", params=params, headers=anna.headers)
    assert answer.json()["data"] == {"blob": None}


def test_subscription_without_a_stream_is_rejected(anna: GraphQL) -> None:
    """With POST and with GET."""
    body: dict[str, Any] = {"query": "subscription { __typename }"}
    for answer in (
        anna.client.post("/graphql", json=body, headers=anna.headers),
        anna.client.get("/graphql", params=body, headers=anna.headers),
    ):
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}


def test_key_is_checked_before_the_document(anna: GraphQL) -> None:
    """A client without a key learns nothing about errors of the document."""
    for content in ("{", '{"query": "{ nonsense }"}', '{"query": "{ blobs { nodes { id } } }"}'):
        headers = {"content-type": JSON}
        answer = anna.client.post("/graphql", content=content, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
QUERIES = st.sampled_from(
    (
        "query ($id: ID!) { blob(id: $id) { id } }",
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        "query ($first: Int!) { blobs(first: $first) { nodes { id } } }",
        "query ($filter: BlobFilter) { blobs(filter: $filter) { nodes { id } } }",
        "mutation ($input: CreateUploadInput!) { createUpload(input: $input) { __typename } }",
    )
)
VARIABLES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("id", "ids", "first", "filter", "input"), ANYTHING)
)
REQUESTS = ANYTHING | st.fixed_dictionaries(
    {},
    optional={
        "query": QUERIES | ANYTHING,
        "variables": VARIABLES | ANYTHING,
        "operationName": ANYTHING,
        "extensions": st.dictionaries(st.just("persistedQuery"), ANYTHING) | ANYTHING,
    },
)


@given(body=REQUESTS)
def test_no_json_body_causes_an_internal_error(anna: GraphQL, body: object) -> None:
    """Every response has GraphQL's form and reports a client error."""
    content = json.dumps(body)
    headers = {**anna.headers, "content-type": JSON}
    answer = anna.client.post("/graphql", content=content, headers=headers)
    assert answer.status_code in (200, 400)
    codes = [error["extensions"]["code"] for error in answer.json().get("errors", ())]
    assert "INTERNAL_SERVER_ERROR" not in codes
    assert codes or "data" in answer.json()
