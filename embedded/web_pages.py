"""The pages we serve, and the headers that keep them to our own origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.responses import Response

PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class _Hashed(StaticFiles):
    """Files whose names change with their content: a browser need never ask for one again."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def mount_pages(app: FastAPI, web: Path) -> None:
    """Serve the built files of `web`."""
    app.mount("/graphiql/assets", _Hashed(directory=web / "graphiql" / "assets"))
