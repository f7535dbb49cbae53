"""The API as an ASGI application on Lambda: errors have the same form as elsewhere."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from api.auth.caller import Caller
from api.bootstrap import App
from api.errors import Unauthenticated
from core.domain.errors import Unavailable
from tests.support.problems import read_problem
from tests.support.services.embedded_stores import EmbeddedStores


@dataclass(frozen=True)
class Invocation:
    """Lambda's context, as far as the application reads it."""

    aws_request_id: str = "af9c3624-8f5f-4e3d-9b9e-8d6f6e3c5a01"


def ask(stores: EmbeddedStores, error: Exception, path: str = "/graphql") -> httpx.Response:
    """Send a request while the store of keys raises `error`."""

    async def authenticate(_: str | None) -> Caller:
        raise error

    services = replace(stores.services(), authenticate=authenticate)

    async def post() -> httpx.Response:
        app = App(services)

        async def invoked(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "aws.context": Invocation()}, receive, send)

        transport = httpx.ASGITransport(invoked, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            return await client.post(path, json={"query": "{ __typename }"})

    return asyncio.run(post())


@pytest.mark.parametrize("path", ["/graphql", "/v1/blobs"])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unauthenticated(), 401, "UNAUTHENTICATED"),
        (Unavailable("DynamoDB"), 503, "SERVICE_UNAVAILABLE"),
        (ZeroDivisionError("secret"), 500, "INTERNAL_SERVER_ERROR"),
    ],
)
def test_authentication_error_has_the_form_of_its_route(
    stores: EmbeddedStores,
    path: str,
    error: Exception,
    status: int,
    code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It shows no internal detail. Lambda's id of the request leads to the log line."""
    answer = ask(stores, error, path)
    assert answer.status_code == status
    assert "secret" not in answer.text
    if path == "/graphql":
        body: dict[str, Any] = json.loads(answer.text)
        extensions = body["errors"][0]["extensions"]
        assert extensions["code"] == code
        request_id = extensions.get("requestId")
    else:
        request_id = read_problem(answer, code).get("request_id")
    assert request_id == (Invocation().aws_request_id if status >= 500 else None)
    assert ("ZeroDivisionError" in caplog.text) is (status == 500)
