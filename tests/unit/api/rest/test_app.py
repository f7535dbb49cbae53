"""The API as an ASGI application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.graphql.http import GraphQLApp
from api.rest.app import create_app
from tests.support.app_client import AppClient
from tests.support.embedded_stores import EmbeddedStores
from tests.support.graphql_client import GraphQL

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
    """It says that the process answers, and nothing else."""
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_when_nothing_is_wrong(stores: EmbeddedStores) -> None:
    """Each check is named."""
    body = {"status": "ready", "checks": {"store": "ok", "workers": "ok"}}
    assert ready(stores, store=None, workers=None) == (200, body)
    assert ready(stores) == (200, {"status": "ready", "checks": {}})


def test_not_ready_when_one_thing_is_wrong(stores: EmbeddedStores) -> None:
    """503, so that a load balancer looks elsewhere, and what it is."""
    checks = {"store": "full", "workers": "ok"}
    body = {"status": "not ready", "checks": checks}
    assert ready(stores, store="full", workers=None) == (503, body)


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/graphql", "POST", "authorization,content-type"),
        ("/blobs", "POST", "authorization,content-type"),
        ("/blobs/x", "GET", "authorization"),
        ("/originals/anna/x", "PUT", "content-type,x-amz-checksum-sha256"),
    ],
)
def test_pages_of_any_origin_may_call_and_upload(
    client: AppClient, path: str, method: str, headers: str
) -> None:
    """The preflight is answered without a key, for each header that a request needs."""
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
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert set(headers.split(",")) <= set(allowed)
    assert "access-control-allow-credentials" not in answer.headers


def test_only_named_origins_are_let_in(stores: EmbeddedStores) -> None:
    """Another page's preflight is refused, and its answer is not shown to it."""
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


def test_a_refusal_can_be_read_by_the_page_that_caused_it(client: AppClient) -> None:
    """CORS headers stand on errors too."""
    body = {"query": "{ __typename }"}
    answer = client.post("/graphql", json=body, headers={"origin": "https://app.example"})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "*"


def test_batching_is_off(anna: GraphQL) -> None:
    """A list of operations is refused as a whole."""
    batch = [{"query": "{ __typename }"}] * 2
    answer = anna.client.post("/graphql", json=batch, headers=anna.headers)
    assert answer.status_code == 400
    assert "__typename" not in answer.text


def test_a_query_may_be_sent_with_get(anna: GraphQL) -> None:
    """GraphQL over HTTP allows it."""
    params = {"query": "{ __typename }"}
    answer = anna.client.get("/graphql", params=params, headers=anna.headers)
    assert answer.json()["data"] == {"__typename": "Query"}


def test_a_mutation_may_not_be_sent_with_get(stores: EmbeddedStores, anna: GraphQL) -> None:
    """A link must not change anything."""
    params = {"query": "mutation { createUpload(input: {contentType: JPEG}) { __typename } }"}
    answer = anna.client.get("/graphql", params=params, headers=anna.headers)
    assert answer.status_code in (400, 405)
    assert stores.blobs.changes.read_after(0, 1) == []


def test_a_form_post_is_no_query(anna: GraphQL) -> None:
    """What a page can send elsewhere without a preflight is not taken (CSRF)."""
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        headers = {**anna.headers, "content-type": content_type}
        content = '{"query": "{ __typename }"}'
        answer = anna.client.post("/graphql", content=content, headers=headers)
        assert answer.status_code in (400, 415)
        assert "Query" not in answer.text


def test_a_browser_is_shown_the_page_without_a_key(with_page: AppClient) -> None:
    """With the headers that keep it to its own origin."""
    answer = with_page.get("/graphql", headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 200
    assert answer.text == PAGE
    assert answer.headers["content-type"].startswith("text/html")
    assert PAGE_HEADERS.items() <= answer.headers.items()


def test_a_post_is_never_the_page(with_page: AppClient) -> None:
    """Whatever it accepts, it needs a key."""
    answer = with_page.post(
        "/graphql", json={"query": "{ __typename }"}, headers={"accept": "text/html"}
    )
    assert answer.status_code == 401


def test_without_a_page_a_browser_is_a_client_like_any_other(client: AppClient) -> None:
    """401, as no key came."""
    assert client.get("/graphql", headers={"accept": "text/html"}).status_code == 401


def test_nothing_else_is_served(client: AppClient) -> None:
    """No documentation pages that load scripts from elsewhere."""
    for path in ("/", "/docs", "/redoc", "/graphiql", "/../pyproject.toml"):
        assert client.get(path).status_code == 404


def test_the_page_is_read_from_its_file(stores: EmbeddedStores, tmp_path: Path) -> None:
    """A build that comes later is shown without a restart."""
    page = tmp_path / "page.html"
    page.write_text("old")
    services = stores.services()
    with AppClient(create_app(services, graphql=GraphQLApp(services, page=page))) as client:
        accept = {"accept": "text/html"}
        assert client.get("/graphql", headers=accept).text == "old"
        page.write_text("newer")
        assert client.get("/graphql", headers=accept).text == "newer"


@pytest.mark.parametrize("path", ["/graphql", "/blobs"])
def test_a_request_that_is_too_large_is_refused(anna: GraphQL, path: str) -> None:
    """413: pictures go by their own way."""
    headers = {**anna.headers, "content-type": "application/json"}
    answer = anna.client.post(path, content=b" " * 1_000_001, headers=headers)
    assert answer.status_code == 413
