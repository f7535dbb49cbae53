"""Compression of JSON responses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from embedded.http.compression import MIN_BYTES, CompressJson, accepts_gzip
from tests.support.services.app_client import AppClient

LARGE = b'"' + b"a" * MIN_BYTES + b'"'
PATH = "/{media_type:path}"


async def answer(request: Request) -> Response:
    size = int(request.query_params.get("size", len(LARGE)))
    kind = request.path_params["media_type"]
    return Response(LARGE[:size], headers={"vary": "Origin"}, media_type=kind)


async def stream(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for part in (LARGE, LARGE):
            yield part

    return StreamingResponse(parts(), media_type="application/json")


@pytest.fixture
def client() -> AppClient:
    return AppClient(
        CompressJson(Starlette(routes=[Route("/stream", stream), Route(PATH, answer)]))
    )


@pytest.mark.parametrize(
    "kind", ["application/json", "application/graphql-response+json; charset=utf-8"]
)
def test_large_json_is_compressed_for_clients_that_accept_gzip(
    client: AppClient, kind: str
) -> None:
    with client:
        response = client.get(f"/{kind}", headers={"accept-encoding": "br, gzip"})
    assert response.content == LARGE
    assert response.headers["content-encoding"] == "gzip"
    assert int(response.headers["content-length"]) < 100
    assert response.headers["vary"] == "Origin, Accept-Encoding"


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("/application/json", "identity"),
        ("/application/json", "gzip;q=0, br"),
        (f"/application/json?size={MIN_BYTES - 1}", "gzip"),
        ("/text/event-stream", "gzip"),
        ("/multipart/mixed", "gzip"),
        ("/stream", "gzip"),
    ],
)
def test_other_responses_stay_as_they_are(client: AppClient, path: str, accepted: str) -> None:
    with client:
        response = client.get(path, headers={"accept-encoding": accepted})
    assert "content-encoding" not in response.headers
    assert response.content.startswith(LARGE[:100])


@pytest.mark.parametrize(
    ("header", "accepts"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("x-gzip", True),
        ("gzip; q=0.001", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("br", False),
        ("*", False),
        ("", False),
        (None, False),
    ],
)
def test_weight_of_gzip_decides(header: str | None, accepts: bool) -> None:
    assert accepts_gzip(header) is accepts
