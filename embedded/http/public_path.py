"""Middleware for a service that clients reach below a path, such as `/labels` of a host."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from api.rest.problems import PUBLIC_PATH

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class PublicPath:
    """ASGI middleware: removes the path of `public_url` from requests if the proxy kept it."""

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._path = urlsplit(public_url or "").path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if self._path:
            scope = {**scope, PUBLIC_PATH: self._path}
        if self._path and scope.get("path", "").startswith(f"{self._path}/"):
            raw = scope.get("raw_path") or b""
            scope = {
                **scope,
                "path": scope["path"].removeprefix(self._path),
                "raw_path": raw.removeprefix(self._path.encode()),
            }
        await self._app(scope, receive, send)
