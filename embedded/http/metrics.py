"""`GET /metrics` for Prometheus, and the middleware that measures requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.exposition import choose_encoder
from starlette.responses import Response
from starlette.routing import Route

from api.rest.response_status import NoteStatus
from api.rest.traced import route_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prometheus_client import CollectorRegistry
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.auth.caller import Authenticate
    from embedded.metrics.recorder import Recorder

PAGES: Final = "pages"
OTHER: Final = "other"
_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"})
# First parts of paths that are not of FastAPI's routes, which tell their own.
_AREAS: Final = {
    "": PAGES,
    "gallery": PAGES,
    "graphiql": PAGES,
    "graphql": "graphql",  # what was rejected before its operation was known
    "originals": "originals",
    "thumbnails": "thumbnails",
    "metrics": "metrics",
    "admin": "admin",
    "session": "session",
}


def metrics_route(
    registry: CollectorRegistry,
    authenticate: Authenticate,
    run: Callable[..., Awaitable[Any]],
) -> Route:
    """Return `GET /metrics`, which any valid key may read: it shows no owner's data.

    `run` makes a call in a thread. The format is the one that the client accepts, OpenMetrics or
    Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/
    """

    async def metrics(request: Request) -> Response:
        await authenticate(request.headers.get("authorization"))
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        body = await run(encode, registry)
        return Response(body, headers={"content-type": media_type})

    return Route("/metrics", metrics, methods=["GET"])


class MeasureRequests:
    """ASGI middleware: records each HTTP request that was answered."""

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        noting = NoteStatus(send)
        began = time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            if noting.status:
                seconds = time.perf_counter() - began
                self._recorder.request(operation_of(scope), noting.status, seconds)


def operation_of(scope: Scope) -> str:
    """Return the name of a request's operation after it was answered: one of a bounded set."""
    operation: str | None = scope.get("state", {}).get("operation")  # of GraphQL
    if operation is not None:
        return operation
    method = scope["method"] if scope["method"] in _METHODS else OTHER
    if route := route_of(scope):
        return f"{method} {route}"
    area = _AREAS.get(scope["path"].removeprefix("/").partition("/")[0], OTHER)
    return f"{method} /{area}" if area == "originals" else area
