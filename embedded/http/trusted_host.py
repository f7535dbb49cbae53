"""Keeps a keyless service to this machine: no web page from elsewhere may use it.

A browser on this machine can reach a loopback address on behalf of any page it shows: by a form or
a simple request (seen by its Origin), or by a name that its owner makes resolve to 127.0.0.1 (DNS
rebinding; seen by its Host).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse

from api.auth.origins import may_use
from api.errors import error_body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class TrustedHost:
    """ASGI middleware: refuses a foreign Host or Origin with 403.

    `public_url`'s host and the listed CORS origins are no foreigners.
    """

    def __init__(
        self, app: ASGIApp, host: str, public_url: str | None, cors_origins: Sequence[str]
    ) -> None:
        self._app = app
        public = urlsplit(public_url or "")
        self._hosts = LOOPBACK_HOSTS | {host, public.hostname or host}
        self._origins = {*cors_origins, f"{public.scheme}://{public.netloc}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] in ("http", "websocket"):
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            if reason := self.refusal(headers.get(b"host", ""), headers.get(b"origin")):
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close"})  # answered with 403
                    return
                answer = JSONResponse(error_body(reason, "FORBIDDEN"), status_code=403)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def refusal(self, host: str, origin: str | None) -> str | None:
        """Tell why a request is refused; None lets it in."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if name not in self._hosts:
            return f"This service answers to its own address, not to {host!r}; see --public-url."
        if may_use(origin, host, self._origins):
            return None
        return f"Pages of {origin} may not use this service; see --cors-origins."
