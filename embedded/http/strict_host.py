"""Middleware that rejects requests whose Host header two readers could understand differently.

A proxy in front may route by one reading, and this service act on another (RFC 9112, 3.2 and 11.2).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from api.errors import Code, RequestError
from embedded.http.rejections import rejection_response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

# RFC 3986, 3.2.2 and 3.2.3, without user info. Empty is allowed (RFC 9110, 7.2).
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?", re.ASCII)
_UNREPEATED: Final = (b"host", b"origin")


class StrictHost:
    """ASGI middleware: rejects a missing, repeated or malformed Host header with 400."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] in ("http", "websocket"):
            version = scope.get("http_version", "1.1")
            if reason := rejection(scope["headers"], needs_host=version != "1.0"):
                await reject(reason, scope, receive, send)
                return
        await self._app(scope, receive, send)


def rejection(headers: Iterable[tuple[bytes, bytes]], *, needs_host: bool) -> str | None:
    """Return why a request with these headers is rejected; None accepts it."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _UNREPEATED:
            if name in found:
                return f"Send one {name.decode().title()} header."
            found[name] = value
    host = found.get(b"host")
    if host is None:
        return "Send a Host header." if needs_host else None
    if not _HOST.fullmatch(host):
        return "The Host header must be a host and a port, without user info."
    return None


async def reject(reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 400, to a handshake of a WebSocket too where the server can."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get(
        "extensions", {}
    ):
        await send({"type": "websocket.close"})  # the response is 403
        return
    # Starlette turns the response into a denial of the handshake for a WebSocket.
    error = RequestError(Code.BAD_REQUEST, reason)
    await rejection_response(scope, error)(scope, receive, send)
