"""Middleware that keeps web pages from elsewhere from using a service without keys.

A browser on this machine can reach a loopback address for any page that it shows: by a form or a
simple request, which its Origin header reveals, or by a name that the page's owner makes resolve to
127.0.0.1 (DNS rebinding), which the Host header reveals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from api.auth.origins import may_use
from api.errors import Code, RequestError
from embedded.http.rejections import rejection_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class TrustedHost:
    """ASGI middleware: rejects an untrusted Host or Origin with 403.

    It trusts loopback, `host`, the host of `public_url` and the listed CORS origins.
    """

    def __init__(
        self, app: ASGIApp, host: str, public_url: str | None, cors_origins: Sequence[str]
    ) -> None:
        self._app = app
        public = urlsplit(public_url or "")
        self._hosts = LOOPBACK_HOSTS | {host, public.hostname or host}
        self._origins = {*cors_origins, f"{public.scheme}://{public.netloc}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] in ("http", "websocket"):
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            if reason := self.rejection(headers.get(b"host", ""), headers.get(b"origin")):
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close"})  # the response is 403
                    return
                answer = rejection_response(
                    scope, RequestError(Code.FORBIDDEN, reason), missing_scopes=[]
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def rejection(self, host: str, origin: str | None) -> str | None:
        """Return why a request is rejected; None accepts it."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if name not in self._hosts:
            return f"The Host {host!r} is not this service's address; see --public-url."
        if may_use(origin, host, self._origins):
            return None
        return f"Pages of the origin {origin} may not use this service; see --cors-origins."
