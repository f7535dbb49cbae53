"""The web pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from urllib.parse import urljoin

import pytest

from api.graphql.http.app import GraphQLApp
from api.rest.app import create_app
from embedded.http.pages import GRAPHIQL_HEADERS, mount_pages
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

WEB = Path(str(resources.files("embedded"))) / "web"


@pytest.fixture
def browser(stores: EmbeddedStores) -> Iterator[AppClient]:
    page = WEB / "graphiql" / "index.html"
    services = stores.services()
    app = create_app(
        services, graphql=GraphQLApp(services, page=page, page_headers=GRAPHIQL_HEADERS)
    )
    mount_pages(app, WEB)
    with AppClient(app) as client:
        yield client


def test_graphiql_has_a_policy_that_keeps_it_to_its_origin(browser: AppClient) -> None:
    """The page needs no key, and may load from and send to its own origin only."""
    answer = browser.get("/graphql", headers={"accept": "text/html"})
    assert answer.status_code == 200
    assert "GraphiQL" in answer.text
    policy = answer.headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert directives["connect-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_all_files_of_the_page_are_served(browser: AppClient) -> None:
    """Scripts and styles with their types. None is inline, which the policy would block."""
    page = browser.get("/graphql", headers={"accept": "text/html"}).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert any(each.endswith(".js") for each in loaded)
    assert any(each.endswith(".css") for each in loaded)
    for each in loaded:
        assert each.startswith("./graphiql/assets/")  # a proxy may offer it below a path
        answer = browser.get(urljoin("/graphql", each))
        assert answer.status_code == 200
        if each.endswith(".js"):
            assert "javascript" in answer.headers["content-type"]
        if each.endswith(".css"):
            assert answer.headers["content-type"].startswith("text/css")
    assert re.search(r"<script(?![^>]*\bsrc=)", page) is None


def test_operators_page_is_served_with_its_files(browser: AppClient) -> None:
    """To everybody: it holds no data, and asks the API with the visitor's session."""
    page = browser.get("/admin")
    assert page.status_code == 200
    assert "require-trusted-types-for 'script'" in page.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {Path(each).suffix for each in loaded} == {".js", ".css", ".svg"}
    for each in loaded:
        assert each.startswith("./admin/assets/")  # a proxy may offer it below a path
        answer = browser.get(urljoin("/admin", each))
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["/graphiql/../../cli.py", "/graphiql/%2e%2e/%2e%2e/cli.py", "/graphiql/nothing.js"]
)
def test_other_paths_are_not_found(browser: AppClient, path: str) -> None:
    """No path leaves the folder."""
    assert browser.get(path).status_code == 404
