"""The path of the public URL."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from embedded.http.public_path import PublicPath
from tests.support.app_client import AppClient


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
