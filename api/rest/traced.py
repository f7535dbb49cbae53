"""ASGI middleware that opens a span for each request to the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.rest.response_status import NoteStatus
from core.runtime.tracing import TRACEPARENT, Kind, no_tracer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from core.runtime.tracing import Tracer

_PATHS: Final = ("/graphql", "/v1/", "/blobs")
_FAULT: Final = 500  # statuses from here on are the service's faults


class TraceRequests:
    """Opens a span for each HTTP request to the API; a client's `traceparent` is its parent.

    An upload's PUT has a span of its own, in the trace of its blob.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not scope["path"].startswith(_PATHS):
            await self._app(scope, receive, send)
            return
        noting = NoteStatus(send)
        method = scope["method"]
        with self._tracer.span(method, Kind.SERVER, parent=_parent(scope)) as span:
            span.set({"http.request.method": method, "url.path": scope["path"]})
            await self._app(scope, receive, noting)
            route = "/graphql" if scope["path"] == "/graphql" else route_of(scope)
            if route is not None:
                span.rename(f"{method} {route}")
            operation = scope.get("state", {}).get("operation")
            span.set(
                {
                    "http.route": route,
                    "http.response.status_code": noting.status or None,
                    "graphql.operation": operation,
                }
            )
            if noting.status >= _FAULT:
                span.fail(f"status {noting.status}")


def traced(app: ASGIApp, tracer: Tracer) -> ASGIApp:
    """Return an application that opens spans, or without traces the application itself."""
    return app if tracer is no_tracer else TraceRequests(app, tracer)


def _parent(scope: Scope) -> str | None:
    """Return the client's `traceparent` if it sent one; several are none (W3C Trace Context)."""
    values = [value for name, value in scope["headers"] if name == TRACEPARENT.encode()]
    return values[0].decode("latin-1") if len(values) == 1 else None


def route_of(scope: Scope) -> str | None:
    """Return the path of the route that answered a request, for metrics and spans.

    `/blobs`, the earlier name of `/v1/blobs`, has that name too. None: FastAPI has no route for it.
    """
    route = scope.get("route")
    if route is None:
        return None
    path: str = route.path
    return f"/v1{path}" if path.startswith("/blobs") else path
