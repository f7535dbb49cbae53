"""Middleware for redirects that are right behind every proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RelativeRedirects:
    """ASGI middleware: makes Starlette's redirects to the path with, or without, a slash relative.

    Only a proxy knows the scheme, the host and the path that clients see (RFC 9110, 10.2.2).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_relative(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if location := headers.get("location"):
                    headers["location"] = relative(location, scope["path"])
            await send(message)

        await self._app(scope, receive, send_relative if scope["type"] == "http" else send)


def relative(location: str, path: str) -> str:
    """Return a reference from `path` to `location`, which differs by slashes at its end."""
    target = urlsplit(location)
    name = target.path.rstrip("/").rpartition("/")[2]
    surplus = len(path) - len(path.rstrip("/"))
    reference = "../" * surplus + name if surplus else f"./{name}/"
    return f"{reference}?{target.query}" if target.query else reference
