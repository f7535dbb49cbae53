"""The FastAPI application: /graphql, the REST routes, CORS and error responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.routing import Route

from api.auth.origins import LOOPBACK, LOOPBACK_ORIGIN
from api.graphql.http.app import GraphQLApp
from api.rest import openapi
from api.rest.blobs import blob_routes
from api.rest.docs import docs_routes
from api.rest.errors import Problems
from api.rest.health import health_routes
from api.rest.redirects import RelativeRedirects
from api.rest.webhook_keys import webhook_key_routes
from core.domain.errors import LabellingError

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
    public_url: str | None = None,
) -> FastAPI:
    """Build the application over its services.

    `graphql` handles /graphql. `cors_origins` are the origins whose pages may send requests; "*"
    stands for any, "loopback" for any page of this machine. `readiness` returns each check's error
    by the check's name; None where the check passes. `public_url` is the service's address in the
    OpenAPI document; None: the address that the document was fetched from.
    """
    app = FastAPI(
        title=openapi.TITLE,
        version=openapi.VERSION,
        description=openapi.DESCRIPTION,
        servers=[{"url": public_url or "/"}],
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(RelativeRedirects)
    app.add_middleware(with_cors, origins=cors_origins)
    # A plain route: GraphQLApp does itself what FastAPI does for each request.
    app.router.routes.append(Route("/graphql", graphql or GraphQLApp(services)))
    app.include_router(blob_routes(services), prefix="/v1")
    # The name that clients of earlier versions know.
    app.include_router(blob_routes(services), include_in_schema=False)
    app.include_router(webhook_key_routes(services))
    app.include_router(health_routes(readiness))
    app.include_router(docs_routes(app))
    problems = Problems(services.clock)
    for kind in (LabellingError, HTTPException, Exception):
        app.add_exception_handler(kind, problems)
    return app
