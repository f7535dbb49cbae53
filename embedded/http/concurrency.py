"""Middleware that limits how many requests and WebSockets are in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.auth.rate_limits import client_address
from api.errors import RequestError
from embedded.http.rejections import rejection_response
from embedded.limits.concurrency import current_slot

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from embedded.limits.concurrency import Concurrency

# A service that is busy is alive, and tells how busy it is.
UNLIMITED: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class LimitConcurrency:
    """ASGI middleware: refuses what is too much at a time, with 503 or 429 and Retry-After."""

    def __init__(self, app: ASGIApp, concurrency: Concurrency) -> None:
        self._app = app
        self._limits = {"http": concurrency.requests, "websocket": concurrency.sockets}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        limit = self._limits.get(scope["type"])
        if limit is None or scope["path"] in UNLIMITED:
            await self._app(scope, receive, send)
            return
        try:
            slot = limit.begin(client_address.get())
        except RequestError as error:
            await refuse(error, scope, receive, send)
            return
        current_slot.set(slot)
        try:
            await self._app(scope, receive, send)
        finally:
            slot.end()


async def refuse(error: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with an error, the handshake of a WebSocket too."""
    # Starlette turns the response into a denial of the handshake for a WebSocket.
    await rejection_response(scope, error)(scope, receive, send)
