"""The FastAPI application: /graphql, the REST routes, CORS and error responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.routing import Route

from api.auth.origins import LOOPBACK, LOOPBACK_ORIGIN
from api.errors import RequestError, request_failure
from api.graphql.http import GraphQLApp
from api.limits import MAX_REQUEST
from api.rest.blobs import blob_routes
from api.rest.health import health_routes
from api.rest.redirects import RelativeRedirects
from api.rest.webhook_keys import webhook_key_routes
from core.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.types import ASGIApp

    from api.services.dependencies import Services


def with_cors(app: ASGIApp, origins: Sequence[str]) -> CORSMiddleware:
    """Wrap an application with CORS for `origins`; see `create_app`."""
    return CORSMiddleware(
        app,
        allow_origins=[origin for origin in origins if origin != LOOPBACK],
        allow_origin_regex=LOOPBACK_ORIGIN.pattern if LOOPBACK in origins else None,
        allow_methods=["GET", "POST", "PUT"],
        allow_headers=["*"],  # an allowed page may send any: no cookies are involved
        max_age=3600,
    )


def create_app(
    services: Services,
    *,
    graphql: GraphQLApp | None = None,
    cors_origins: Sequence[str] = (),
    readiness: Callable[[], Mapping[str, str | None]] = dict,
    lifespan: Any = None,
) -> FastAPI:
    """Build the application over its services.

    `graphql` handles /graphql. `cors_origins` are the origins whose pages may send requests; "*"
    stands for any, "loopback" for any page of this machine. `readiness` returns each check's error
    by the check's name; None where the check passes.
    """
    app = FastAPI(title="Image labelling", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(RelativeRedirects)
    app.add_middleware(with_cors, origins=cors_origins)
    # A plain route: GraphQLApp does itself what FastAPI does for each request.
    app.router.routes.append(Route("/graphql", graphql or GraphQLApp(services)))
    for router in (blob_routes(services), webhook_key_routes(services)):
        app.include_router(router, max_body_size=MAX_REQUEST)
    app.include_router(health_routes(readiness))

    @app.exception_handler(RequestError)
    @app.exception_handler(Unavailable)
    @app.exception_handler(Exception)
    async def reject(_request: Request, error: Exception) -> JSONResponse:
        status, headers, body = request_failure(error)
        return JSONResponse(body, status_code=status, headers=headers)

    return app
