"""The web pages, and the headers that keep them to our own origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

_COMMON_POLICY: Final = (
    "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; "
)
_COMMON: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
# GraphiQL's editor adds inline styles.
GRAPHIQL_HEADERS: Final = {
    **_COMMON,
    "content-security-policy": _COMMON_POLICY
    + "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'",
}


def gallery_headers(signed_url: str | None) -> dict[str, str]:
    """Return the gallery's headers; images and uploads have URLs under `signed_url`.

    The page may be open at another name of the same machine, such as localhost.
    """
    ours = f"'self' {signed_url}/" if signed_url else "'self'"
    return {
        **_COMMON,
        "content-security-policy": _COMMON_POLICY
        + f"style-src 'self'; img-src {ours} blob:; connect-src {ours}; "
        "require-trusted-types-for 'script'",
    }


class _ImmutableFiles(StaticFiles):
    """Files whose names change with their content, so that browsers may cache them for ever."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def mount_pages(app: FastAPI, web: Path, signed_url: str | None = None) -> None:
    """Serve the gallery, GraphiQL and the operator's page from the folder `web`."""
    headers = gallery_headers(signed_url)

    async def gallery(_request: Request) -> FileResponse:
        # The page holds no data. It asks the API with the visitor's key.
        return FileResponse(web / "gallery" / "index.html", headers=headers)

    async def admin(_request: Request) -> FileResponse:
        return FileResponse(web / "admin" / "admin.html", headers=headers)

    app.router.routes += [Route("/", gallery), Route("/admin", admin)]
    for path, folder in (
        ("/gallery/assets", web / "gallery" / "gallery" / "assets"),
        ("/admin/assets", web / "admin" / "admin" / "assets"),
        ("/graphiql/assets", web / "graphiql" / "graphiql" / "assets"),
    ):
        app.mount(path, GZipMiddleware(_ImmutableFiles(directory=folder)))
