"""The FastAPI application: health, CORS, /graphql and what is not served."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from api.auth.caller import Caller
from api.graphql.http.app import GraphQLApp
from api.rest.app import create_app
from tests.support.graphql_client import GraphQL
from tests.support.problems import read_problem
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

PAGE = "<!doctype html><title>a page</title>"
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
}


@pytest.fixture
def with_page(stores: EmbeddedStores) -> Iterator[AppClient]:
    page = stores.root / "index.html"
    page.write_text(PAGE)
    services = stores.services()
    app = create_app(services, graphql=GraphQLApp(services, page=page, page_headers=PAGE_HEADERS))
    with AppClient(app) as client:
        yield client


def ready(stores: EmbeddedStores, **checks: str | None) -> tuple[int, object]:
    with AppClient(create_app(stores.services(), readiness=lambda: checks)) as client:
        answer = client.get("/readyz")
    return answer.status_code, answer.json()


def test_health_needs_no_key(client: AppClient) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_routes_answer_head_as_get(client: AppClient, path: str) -> None:
    answer = client.request("HEAD", path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


def test_head_of_readiness_is_503_when_a_check_fails(stores: EmbeddedStores) -> None:
    app = create_app(stores.services(), readiness=lambda: {"store": "full"})
    with AppClient(app) as client:
        assert client.request("HEAD", "/readyz").status_code == 503


def test_readiness_is_200_when_every_check_passes(stores: EmbeddedStores) -> None:
    """The response names each check."""
    body = {"status": "ready", "checks": {"store": "ok", "workers": "ok"}}
    assert ready(stores, store=None, workers=None) == (200, body)
    assert ready(stores) == (200, {"status": "ready", "checks": {}})


def test_readiness_is_503_when_one_check_fails(stores: EmbeddedStores) -> None:
    """The response names the error, so that a load balancer sends requests elsewhere."""
    checks = {"store": "full", "workers": "ok"}
    body = {"status": "not ready", "checks": checks}
    assert ready(stores, store="full", workers=None) == (503, body)


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/graphql", "POST", "authorization,content-type"),
        ("/v1/blobs", "POST", "authorization,content-type"),
        ("/v1/blobs/x", "GET", "authorization"),
        ("/originals/anna/x", "PUT", "content-type,x-amz-checksum-sha256"),
        ("/originals/anna/x", "PUT", "cache-control,content-type,pragma,x-requested-with"),
        ("/originals/anna/x", "PUT", "content-type,x-amz-date,x-amz-user-agent,if-none-match"),
        ("/graphql", "POST", "authorization,content-type,x-requested-with,traceparent"),
    ],
)
def test_star_allows_pages_of_any_origin(
    client: AppClient, path: str, method: str, headers: str
) -> None:
    """A preflight needs no key; it allows every header, such as those that libraries add."""
    answer = client.request(
        "OPTIONS",
        path,
        headers={
            "origin": "https://app.example",
            "access-control-request-method": method,
            "access-control-request-headers": headers,
        },
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    allowed = answer.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    assert set(headers.split(",")) <= set(allowed)
    assert "access-control-allow-credentials" not in answer.headers


def test_pages_of_other_origins_are_not_allowed(stores: EmbeddedStores) -> None:
    """The preflight is rejected, and the browser does not show the response."""
    app = create_app(stores.services("local"), cors_origins=["https://app.example"])
    preflight = {"access-control-request-method": "POST"}
    with AppClient(app) as client:
        for origin, status in (("https://app.example", 200), ("https://evil.example", 400)):
            headers = {"origin": origin, **preflight}
            assert client.request("OPTIONS", "/graphql", headers=headers).status_code == status
            body = {"query": "{ __typename }"}
            answer = client.post("/graphql", json=body, headers={"origin": origin})
            shown = answer.headers.get("access-control-allow-origin")
            assert shown == (origin if status == 200 else None)


def test_error_responses_have_cors_headers(client: AppClient) -> None:
    """Without them the page could not read the error."""
    body = {"query": "{ __typename }"}
    answer = client.post("/graphql", json=body, headers={"origin": "https://app.example"})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "*"


def test_batch_of_operations_is_rejected(anna: GraphQL) -> None:
    batch = [{"query": "{ __typename }"}] * 2
    answer = anna.client.post("/graphql", json=batch, headers=anna.headers)
    assert answer.status_code == 400
    assert "__typename" not in answer.text


def test_query_can_be_sent_with_get(anna: GraphQL) -> None:
    params = {"query": "{ __typename }"}
    answer = anna.client.get("/graphql", params=params, headers=anna.headers)
    assert answer.json()["data"] == {"__typename": "Query"}


def test_mutation_with_get_is_rejected(stores: EmbeddedStores, anna: GraphQL) -> None:
    """A link must not change anything."""
    params = {"query": "mutation { createUpload(input: {contentType: JPEG}) { __typename } }"}
    answer = anna.client.get("/graphql", params=params, headers=anna.headers)
    assert answer.status_code in (400, 405)
    assert stores.blobs.changes.read_after(0, 1) == []


def test_form_post_is_rejected(anna: GraphQL) -> None:
    """A page of another site can send a form without a preflight (CSRF)."""
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        headers = {**anna.headers, "content-type": content_type}
        content = '{"query": "{ __typename }"}'
        answer = anna.client.post("/graphql", content=content, headers=headers)
        assert answer.status_code in (400, 415)
        assert "Query" not in answer.text


def test_browser_gets_the_page_without_a_key(with_page: AppClient) -> None:
    """With headers that restrict the page to its own origin."""
    answer = with_page.get("/graphql", headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 200
    assert answer.text == PAGE
    assert answer.headers["content-type"].startswith("text/html")
    assert PAGE_HEADERS.items() <= answer.headers.items()


def test_post_needs_a_key_whatever_it_accepts(with_page: AppClient) -> None:
    answer = with_page.post(
        "/graphql", json={"query": "{ __typename }"}, headers={"accept": "text/html"}
    )
    assert answer.status_code == 401


def test_browser_without_a_key_gets_401_when_there_is_no_page(client: AppClient) -> None:
    assert client.get("/graphql", headers={"accept": "text/html"}).status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/redoc", "/graphiql", "/../pyproject.toml", "/v2/blobs", "/v1"]
)
def test_unknown_path_is_a_problem(client: AppClient, path: str) -> None:
    read_problem(client.get(path), "NOT_FOUND")


@pytest.mark.parametrize("path", ["/v1/blobs", "/blobs/x", "/docs", "/openapi.json", "/healthz"])
def test_wrong_method_is_a_problem(client: AppClient, path: str) -> None:
    """The header `Allow` has the methods."""
    answer = client.request("DELETE", path)
    assert answer.headers["allow"] in read_problem(answer, "METHOD_NOT_ALLOWED")["detail"]


def test_internal_error_is_a_problem_with_the_id_of_its_log_line(
    stores: EmbeddedStores, caplog: pytest.LogCaptureFixture
) -> None:
    """It shows no internal detail."""

    async def authenticate(_: str | None) -> Caller:
        raise ZeroDivisionError("secret")

    app = create_app(replace(stores.services(), authenticate=authenticate))

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.get("/v1/blobs/x")

    answer = asyncio.run(get())
    request_id = read_problem(answer, "INTERNAL_SERVER_ERROR")["request_id"]
    assert "secret" not in answer.text
    (line,) = [each for each in caplog.records if each.message == "request failed"]
    assert line.__dict__["request_id"] == request_id
    assert "secret" in caplog.text


def test_new_build_of_the_page_is_served_without_a_restart(
    stores: EmbeddedStores, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("old")
    services = stores.services()
    with AppClient(create_app(services, graphql=GraphQLApp(services, page=page))) as client:
        accept = {"accept": "text/html"}
        assert client.get("/graphql", headers=accept).text == "old"
        page.write_text("newer")
        assert client.get("/graphql", headers=accept).text == "newer"


@pytest.mark.parametrize("path", ["/graphql", "/v1/blobs", "/blobs"])
def test_too_large_request_is_rejected_with_413(anna: GraphQL, path: str) -> None:
    headers = {**anna.headers, "content-type": "application/json"}
    answer = anna.client.post(path, content=b" " * 1_000_001, headers=headers)
    assert answer.status_code == 413
    if path != "/graphql":
        assert "1000000 bytes" in read_problem(answer, "TOO_LARGE")["detail"]
