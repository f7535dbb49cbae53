"""`/session`: pages sign in with an API key or token, and get a cookie that scripts can't read.

RFC 6265bis, "Cookies: HTTP State Management Mechanism".
"""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.auth.origins import is_own_page
from api.auth.sessions import SCHEME
from api.errors import Code, RequestError, SessionEnded, Unauthenticated
from core.domain.clock import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.auth.caller import Caller
    from api.auth.sessions import Sessions
    from api.services.dependencies import Services

NAME: Final = "labelling"


class SessionCookie:
    """The cookie of a service at `public_url`, or at an http URL of its own.

    `service_name` differs from that of other services at the same host.
    """

    def __init__(self, public_url: str | None, service_name: str) -> None:
        public = urlsplit(public_url or "")
        self._path = public.path.rstrip("/") or "/"
        is_secure = public.scheme == "https"
        prefix = ""
        if is_secure:
            prefix = "__Host-" if self._path == "/" else "__Secure-"
        self.name = f"{prefix}{NAME}-{service_name}"
        self._secure = "; Secure" if is_secure else ""
        self.public_origin = f"{public.scheme}://{public.netloc}" if public_url else None

    def set_header(self, value: str, seconds: int) -> dict[str, str]:
        """Return the header that stores a value for so many seconds; 0 removes the cookie."""
        attributes = f"Path={self._path}; Max-Age={seconds}; HttpOnly; SameSite=Strict"
        return {
            "set-cookie": f"{self.name}={value}; {attributes}{self._secure}",
            "cache-control": "no-store",
        }

    def value_in(self, headers: Mapping[str, str]) -> str | None:
        """Return the cookie's value among a request's headers, if it is there."""
        for part in headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == self.name:
                return value
        return None

    def is_own_page(self, method: str | None, headers: Mapping[str, str]) -> bool:
        """Tell whether a page of this service sends the request; see `is_own_page`."""
        return is_own_page(method, headers, self.public_origin)


class AuthenticateByCookie:
    """ASGI middleware: passes a session on as the Authorization header of its request.

    A request that has this header keeps it. A request that another origin's page may have sent is
    passed on without a session, so that it gets what a request without a key gets.
    """

    def __init__(self, app: ASGIApp, cookie: SessionCookie) -> None:
        self._app = app
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        value = self._session(scope)
        if value is None:
            await self._app(scope, receive, send)
            return
        header = (b"authorization", f"{SCHEME} {value}".encode("latin-1"))
        scope = {**scope, "headers": [*scope["headers"], header]}
        await self._app(scope, receive, _uncached(send))

    def _session(self, scope: Scope) -> str | None:
        if scope["type"] not in ("http", "websocket"):
            return None
        names = {name for name, _ in scope["headers"]}
        if b"cookie" not in names or b"authorization" in names:
            return None
        headers = _headers(scope)
        value = self._cookie.value_in(headers) or None
        return value if self._cookie.is_own_page(scope.get("method"), headers) else None


def _uncached(send: Send) -> Send:
    """Return `send` that keeps shared caches from storing a response that allows nothing else.

    They don't store responses to requests with an Authorization header (RFC 9111, 3.5), but they
    don't know what our cookie means.
    """

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("cache-control", "no-store")
        await send(message)

    return sending


def session_route(services: Services, sessions: Sessions, cookie: SessionCookie) -> Route:
    """Return `/session`: GET tells about the session, POST signs in, DELETE signs out."""

    async def tell(request: Request) -> Response:
        authorization = request.headers.get("authorization", "")
        headers = {"cache-control": "no-store"}
        if authorization.startswith(f"{SCHEME} "):
            with suppress(SessionEnded):
                caller = await services.authenticate(authorization)
                if caller.expires_at:  # it is the session's caller, not that without a key
                    return JSONResponse(_shown(caller, caller.expires_at), headers=headers)
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)

    async def sign_in(request: Request) -> Response:
        authorization = request.headers.get("authorization")
        if authorization is None or authorization.startswith(f"{SCHEME} "):
            raise Unauthenticated
        caller = await services.authenticate(authorization)
        credential = authorization.partition(" ")[2].strip()
        now = services.clock()
        value, session = sessions.issue(credential, caller, now)
        seconds = int((session.expires_at - now).total_seconds())
        return JSONResponse(
            _shown(caller, session.expires_at), headers=cookie.set_header(value, max(1, seconds))
        )

    async def answer(request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            return await tell(request)
        if not cookie.is_own_page(request.method, _headers(request.scope)):
            raise _foreign(request)
        if request.method == "POST":
            return await sign_in(request)
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=cookie.set_header("", 0))

    return Route("/session", answer, methods=["GET", "POST", "DELETE"])


def _foreign(request: Request) -> RequestError:
    origin = request.headers.get("origin", "none")
    host = request.headers.get("host", "")
    return RequestError(
        Code.FORBIDDEN,
        f"Only pages of this service may sign in or out. The request's Origin is {origin}, its "
        f"Host {host!r}. Behind a proxy, pass the Host header on or set --public-url.",
        missingScopes=[],
    )


def _shown(caller: Caller, end: datetime) -> dict[str, Any]:
    return {"owner": caller.owner, "scopes": sorted(caller.scopes), "expires_at": to_text(end)}


def _headers(scope: Scope) -> dict[str, str]:
    """Return a request's headers; those that occur several times are joined.

    Cookies may come in parts (RFC 9113, 8.2.3). No Origin or Host of two values equals any other.
    """
    joined: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        joined[key] = f"{joined[key]}; {text}" if key in joined else text
    return joined
