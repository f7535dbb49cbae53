"""The path of the public URL."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api.rest.app import create_app
from embedded.http.public_path import PublicPath
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores


async def path_seen(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.url.path} {request.scope['raw_path'].decode()}")


@pytest.mark.parametrize(
    ("public_url", "path", "seen"),
    [
        ("https://host.example/labels", "/labels/graphql", "/graphql"),
        ("https://host.example/labels", "/graphql", "/graphql"),
        ("https://host.example/labels", "/labels/", "/"),
        ("https://host.example/labels", "/labelset/a", "/labelset/a"),
        ("https://host.example/a/b", "/a/b/originals/x%2Fy", "/originals/x/y"),
        ("https://host.example", "/graphql", "/graphql"),
        (None, "/graphql", "/graphql"),
    ],
)
def test_path_of_the_public_url_is_removed_once(
    public_url: str | None, path: str, seen: str
) -> None:
    inner = Starlette(routes=[Route("/{rest:path}", path_seen)])
    with AppClient(PublicPath(inner, public_url)) as client:
        decoded, raw = client.get(path).text.split()
    assert decoded == seen
    assert raw.replace("%2F", "/") == seen


@pytest.mark.parametrize("path", ["/labels/v1/nothing", "/v1/nothing"])
def test_type_of_a_problem_is_below_the_path(stores: EmbeddedStores, path: str) -> None:
    """Whether or not the proxy removed it."""
    app = PublicPath(create_app(stores.services()), "https://host.example/labels")
    with AppClient(app) as client:
        assert client.get(path).json()["type"] == "/labels/docs#NOT_FOUND"
