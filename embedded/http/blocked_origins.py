"""Middleware that logs the web pages that may not use the service.

A browser hides the service's response from such a page, which only learns "Failed to fetch".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from api.auth.origins import may_use

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

MAX_LOGGED: Final = 100  # origins, so that no page can fill the log
_MAX_LENGTH: Final = 200  # characters of an origin in the log


class LogBlockedOrigins:
    """ASGI middleware: logs each origin that is not among `origins` once, and passes all on."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = origins
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log the request's origin if its pages may not use the service."""
        if scope["type"] in ("http", "websocket"):
            headers = dict(scope["headers"])
            if (sent := headers.get(b"origin")) is not None:
                self._check(sent.decode("latin-1"), headers.get(b"host", b"").decode("latin-1"))
        await self._app(scope, receive, send)

    def _check(self, origin: str, host: str) -> None:
        if may_use(origin, host, self._origins):
            return
        shown = origin[:_MAX_LENGTH]
        if shown in self._logged or len(self._logged) >= MAX_LOGGED:
            return
        self._logged.add(shown)
        log.warning(
            "a page of another origin was blocked; list the origin in --cors-origins to allow it",
            extra={"origin": shown},
        )
