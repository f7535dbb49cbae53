"""The session cookie, and when it authenticates a request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from embedded.http.session import AuthenticateByCookie, SessionCookie

COOKIE = SessionCookie(None, "1a2b3c4d")
OWN = {"host": "labels.test", "origin": "http://labels.test"}
MINE = {"cookie": "theme=dark; labelling-1a2b3c4d=signed.by.us"}


def passed_on(scope: dict[str, Any], headers: dict[str, str]) -> list[str]:
    """Return the Authorization values of a request once it has passed the middleware."""
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.extend(value.decode() for name, value in scope["headers"] if name == b"authorization")

    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = AuthenticateByCookie(app, COOKIE)({**scope, "headers": sent}, None, None)  # type: ignore[arg-type]
    asyncio.run(request)
    return seen


POST = {"type": "http", "method": "POST"}
GET = {"type": "http", "method": "GET"}
SOCKET = {"type": "websocket"}


@pytest.mark.parametrize("scope", [POST, GET, SOCKET])
def test_cookie_of_an_own_page_authenticates(scope: dict[str, Any]) -> None:
    assert passed_on(scope, OWN | MINE) == ["Session signed.by.us"]


@pytest.mark.parametrize("scope", [POST, GET, SOCKET])
def test_cookie_with_a_foreign_origin_authenticates_nothing(scope: dict[str, Any]) -> None:
    assert passed_on(scope, OWN | MINE | {"origin": "http://evil.test"}) == []
    assert passed_on(scope, OWN | MINE | {"sec-fetch-site": "same-site"}) == []


@pytest.mark.parametrize("scope", [POST, GET, SOCKET])
def test_authorization_header_wins_over_the_cookie(scope: dict[str, Any]) -> None:
    headers = OWN | MINE | {"authorization": "Bearer lbl_1"}
    assert passed_on(scope, headers) == ["Bearer lbl_1"]


@pytest.mark.parametrize(
    "cookie",
    ["", "theme=dark", "labelling-1a2b3c4d=", "labelling-ffffffff=other", "labelling=x", ";;=;"],
)
def test_other_cookies_authenticate_nothing(cookie: str) -> None:
    """Neither do those of another service at the same host."""
    assert passed_on(POST, OWN | {"cookie": cookie}) == []


def test_cookie_header_may_come_in_parts() -> None:
    """As proxies pass them on from HTTP/2."""
    headers = [
        (b"host", b"labels.test"),
        (b"origin", b"http://labels.test"),
        (b"cookie", b"theme=dark"),
        (b"cookie", b"labelling-1a2b3c4d=signed"),
    ]
    seen: list[bytes] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.extend(value for name, value in scope["headers"] if name == b"authorization")

    asyncio.run(AuthenticateByCookie(app, COOKIE)({**POST, "headers": headers}, None, None))  # type: ignore[arg-type]
    assert seen == [b"Session signed"]


@pytest.mark.parametrize(
    ("public_url", "name", "attributes"),
    [
        (None, "labelling-1", "Path=/; Max-Age=60; HttpOnly; SameSite=Strict"),
        ("http://nas:8000", "labelling-1", "Path=/; Max-Age=60; HttpOnly; SameSite=Strict"),
        (
            "http://nas/labels",
            "labelling-1",
            "Path=/labels; Max-Age=60; HttpOnly; SameSite=Strict",
        ),
        (
            "https://labels.example",
            "__Host-labelling-1",
            "Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure",
        ),
        (
            "https://example.org/labels/",
            "__Secure-labelling-1",
            "Path=/labels; Max-Age=60; HttpOnly; SameSite=Strict; Secure",
        ),
    ],
)
def test_cookie_belongs_to_the_public_url(
    public_url: str | None, name: str, attributes: str
) -> None:
    header = SessionCookie(public_url, "1").set_header("v", 60)["set-cookie"]
    assert header == f"{name}=v; {attributes}"
    assert "Domain" not in header
