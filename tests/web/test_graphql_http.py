"""GraphQL over HTTP as real clients speak it, over uvicorn and through Mangum."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.node import require_node
from tests.support.waiting import PATIENCE

HERE = Path(__file__).parent
CHECKS = 61
JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"


def run_node(script: str, *arguments: str) -> str:
    """Run one of our scripts; return what it printed, and fail when it does."""
    ended = subprocess.run(
        ["node", str(HERE / script), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_every_check_of_the_audit_passes(api_url: str) -> None:
    """Those that a server MUST, SHOULD and MAY pass."""
    require_node(HERE / "node_modules" / "graphql-http")
    checks = [json.loads(line) for line in run_node("audit.mjs", f"{api_url}/graphql").splitlines()]
    assert len(checks) == CHECKS
    assert [check for check in checks if check["status"] != "ok"] == []


def asked_by_apollo(url: str) -> tuple[list[tuple[str, bool, bool, str | None]], list[Any]]:
    """Ask the same twice; return each request (method, query, hash, error), and the data."""
    require_node(HERE / "node_modules" / "graphql-http")
    told = [json.loads(line) for line in run_node("apollo.mjs", f"{url}/graphql").splitlines()]
    requests = [
        (line["method"], line["query"], line["hash"], line["error"])
        for line in told
        if "method" in line
    ]
    return requests, [line["labels"]["nodes"] for line in told if "labels" in line]


def test_apollo_client_sends_a_document_once_and_then_its_hash(
    serve_by_lambda: Callable[..., str],
) -> None:
    """Automatic persisted queries, with GET for the hash alone."""
    requests, data = asked_by_apollo(serve_by_lambda())
    assert requests == [
        ("GET", False, True, "PERSISTED_QUERY_NOT_FOUND"),
        ("POST", True, True, None),
        ("GET", False, True, None),
    ]
    assert data == [[], []]


def test_apollo_client_sends_no_more_hashes_where_none_are_taken(
    serve_by_lambda: Callable[..., str],
) -> None:
    """It learns so from the first answer."""
    requests, data = asked_by_apollo(serve_by_lambda(automatic=False))
    assert requests == [
        ("GET", False, True, "PERSISTED_QUERY_NOT_SUPPORTED"),
        ("POST", True, False, None),
        ("POST", True, False, None),
    ]
    assert data == [[], []]


TYPENAME = '{"query": "{ __typename }"}'
MUTATION = "mutation { createUpload(input: {contentType: JPEG}) { __typename } }"
TWO = "query A { __typename } query B { __typename }"


def post(body: object, **headers: str) -> dict[str, Any]:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return {"method": "POST", "content": content, "headers": {"content-type": JSON, **headers}}


def get(**params: str) -> dict[str, Any]:
    return {"method": "GET", "params": params}


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        *((post(body), 400, "BAD_REQUEST") for body in ('"x"', "1", "null", "[]", "true", "", "{")),
        (post("[" * 100_000), 400, "BAD_REQUEST"),
        (post('{"query":' * 100_000), 400, "BAD_REQUEST"),
        (post('{"query": "{ __typename }", "variables": {"a": NaN}}'), 400, "BAD_REQUEST"),
        (post('{"variables": {"a": ' + "1" * 5000 + "}}"), 400, "BAD_REQUEST"),
        (post(b'{"query": "\xff\xfe"}'), 400, "BAD_REQUEST"),
        (post([{"query": "{ __typename }"}] * 2), 400, "BAD_REQUEST"),
        (post({"query": TWO}), 400, "OPERATION_RESOLUTION_FAILURE"),
        (post({"query": TWO, "operationName": "C"}), 400, "OPERATION_RESOLUTION_FAILURE"),
        (
            post({"query": "fragment F on Query { __typename }"}),
            400,
            "OPERATION_RESOLUTION_FAILURE",
        ),
        (post({"query": "{" + "a {" * 1000}), 200, "GRAPHQL_PARSE_FAILED"),
        (post({"query": "{ x }"}, accept=GRAPHQL_JSON), 400, "GRAPHQL_VALIDATION_FAILED"),
        (post({"query": "#" * 50_001}), 413, "TOO_LARGE"),
        (post(" " * 1_000_001), 413, "TOO_LARGE"),
        (post("x" * 5_000_000), 413, "TOO_LARGE"),
        (post(TYPENAME, accept="text/html"), 406, "NOT_ACCEPTABLE"),
        *(
            (post(TYPENAME, **{"content-type": kind}), 415, "UNSUPPORTED_MEDIA_TYPE")
            for kind in (
                "",
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "application/graphql",
                "application/json; charset=latin-1",
            )
        ),
        (get(query=MUTATION), 405, "METHOD_NOT_ALLOWED"),
        (get(), 400, "BAD_REQUEST"),
        (get(query="{ __typename }", variables="[1]"), 400, "BAD_REQUEST"),
        (get(query="{ __typename }", variables="{"), 400, "BAD_REQUEST"),
        *(
            ({**post(TYPENAME), "method": method}, 405, "METHOD_NOT_ALLOWED")
            for method in ("PUT", "DELETE", "PATCH", "OPTIONS")
        ),
    ],
)
def test_what_is_no_proper_request_is_refused_in_graphqls_shape(
    api_url: str, request_: dict[str, Any], status: int, code: str
) -> None:
    """With the status that says why, and nothing of it executed."""
    answer = httpx.request(url=f"{api_url}/graphql", **request_)
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert "data" not in body
    assert body["errors"][0]["extensions"]["code"] == code
    allowed = {"GET": "POST"}.get(request_["method"], "GET, POST")
    assert answer.headers.get("allow") == (allowed if status == 405 else None)
    kind = GRAPHQL_JSON if request_.get("headers", {}).get("accept") == GRAPHQL_JSON else JSON
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"


def test_head_is_not_get(api_url: str) -> None:
    """405, and what is allowed."""
    answer = httpx.head(f"{api_url}/graphql", params={"query": "{ __typename }"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_of_two_operations_the_named_one_is_executed(api_url: str) -> None:
    """By POST and by GET."""
    query = "query A { a: __typename } query B { b: __typename }"
    asked = {"query": query, "operationName": "B"}
    for answer in (
        httpx.post(f"{api_url}/graphql", json=asked),
        httpx.get(f"{api_url}/graphql", params=asked),
    ):
        assert answer.json()["data"] == {"b": "Query"}


def test_a_body_without_end_is_given_up(service_url: str) -> None:
    """Whether or not its length is declared."""

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    answer = httpx.post(f"{service_url}/graphql", content=endless(), headers={"content-type": JSON})
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["extensions"]["code"] == "TOO_LARGE"
