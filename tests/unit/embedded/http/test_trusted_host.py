"""Which hosts and origins may use a service without keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Scope

from embedded.http.trusted_host import TrustedHost
from tests.support.problems import read_problem
from tests.support.services.app_client import AppClient


async def inner(_scope: object, _receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body"})  # type: ignore[operator]


def status(
    host: str,
    origin: str | None = None,
    *,
    public_url: str | None = None,
    cors: Sequence[str] = ("loopback",),
) -> int:
    app = TrustedHost(inner, "127.0.0.1", public_url, cors)  # type: ignore[arg-type]
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    with AppClient(app) as client:
        return client.post("/", headers=headers).status_code


@pytest.mark.parametrize(
    ("host", "origin", "let_in"),
    [
        ("localhost:8000", None, True),
        ("localhost:8000", "http://localhost:5173", True),
        ("localhost:8000", "https://evil.example", False),
        ("evil.example", "http://evil.example", False),
    ],
)
def test_websocket_of_an_untrusted_origin_is_rejected(
    host: str, origin: str | None, let_in: bool
) -> None:
    """Browsers open WebSockets to other sites without a preflight."""
    seen: list[str] = []

    async def app(scope: Scope, _receive: object, _send: object) -> None:
        seen.append(scope["type"])

    async def send(message: Message) -> None:
        seen.append(message["type"])

    headers = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
    guarded = TrustedHost(app, "127.0.0.1", None, ("loopback",))  # type: ignore[arg-type]
    scope = {"type": "websocket", "headers": headers}
    asyncio.run(guarded(scope, None, send))  # type: ignore[arg-type]
    assert seen == ["websocket" if let_in else "websocket.close"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_own_addresses_are_accepted(host: str) -> None:
    """By every name of this machine, on every port."""
    assert status(host) == 204
    assert status(host, f"http://{host}".lower()) == 204


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io", "", "[::1"],
)
def test_other_host_is_rejected(host: str) -> None:
    """Somebody may have made the name resolve to this machine (DNS rebinding)."""
    assert status(host) == 403
    assert status(host, f"http://{host}") == 403


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost.evil.example", "file://", "http://[", ""],
)
def test_other_origin_is_rejected(origin: str) -> None:
    """For every kind of request, also without a preflight."""
    assert status("localhost:8000", origin) == 403


def test_rejection_has_the_form_of_its_path() -> None:
    """A GraphQL error, or problem details."""
    with AppClient(TrustedHost(inner, "127.0.0.1", None, ())) as client:  # type: ignore[arg-type]
        headers = {"host": "evil.example"}
        (error,) = client.post("/graphql", headers=headers).json()["errors"]
        answer = client.post("/v1/blobs", headers=headers)
    assert error["extensions"] == {"code": "FORBIDDEN"}
    problem = read_problem(answer, "FORBIDDEN")
    assert problem == {"detail": error["message"], "missing_scopes": []}
    assert "--public-url" in error["message"]


def test_loopback_origin_is_accepted_if_listed(monkeypatch: object) -> None:
    """Such as a development server."""
    page = "http://localhost:5173"
    assert status("127.0.0.1:8000", page) == 204
    assert status("127.0.0.1:8000", page, cors=["https://app.example"]) == 403


def test_listed_origins_are_accepted() -> None:
    """One by one, or all."""
    assert status("localhost", "https://app.example", cors=["https://app.example"]) == 204
    assert status("localhost", "https://evil.example", cors=["https://app.example"]) == 403
    assert status("localhost", "https://any.example", cors=["*"]) == 204


def test_public_url_is_an_own_address() -> None:
    """Its pages are our pages."""
    public = "https://labels.example"
    assert status("labels.example", public_url=public) == 204
    assert status("labels.example", public, public_url=public) == 204
    assert status("evil.example", public, public_url=public) == 403
