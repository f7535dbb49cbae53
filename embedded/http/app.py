"""The ASGI application of the embedded service."""

from __future__ import annotations

from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.routing import WebSocketRoute

from api.auth.origins import LOOPBACK
from api.auth.rate_limits import ClientAddress
from api.rest.app import create_app, with_cors
from api.rest.traced import traced
from core.domain.clock import utc_now
from core.storage.bucket import BucketStorage
from embedded.http.blocked_origins import LogBlockedOrigins
from embedded.http.compression import CompressJson
from embedded.http.concurrency import LimitConcurrency
from embedded.http.metrics import MeasureRequests
from embedded.http.object_routes import ObjectRoutes
from embedded.http.pages import GRAPHIQL_HEADERS, mount_pages
from embedded.http.public_path import PublicPath
from embedded.http.session import AuthenticateByCookie, SessionCookie, session_route
from embedded.http.sse import StreamingGraphQLApp
from embedded.http.strict_host import StrictHost
from embedded.http.thumbnails import Thumbnails
from embedded.http.trusted_host import TrustedHost
from embedded.http.websocket import GraphQLSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.graphql.execution.documents import Documents
    from api.services.dependencies import Services
    from core.domain.thumbnail import ThumbnailSize
    from core.runtime.metrics import Metrics
    from core.runtime.tracing import Tracer
    from core.storage.disk_reserve import DiskReserve
    from core.storage.files import FileStorage
    from core.storage.signed_url import UrlSigner
    from embedded.limits.concurrency import Concurrency
    from embedded.limits.thread_pool import ThreadPools
    from embedded.metrics.recorder import Recorder
    from embedded.settings import Settings
    from embedded.stores import Stores
    from labeller.detectors.base import Picture


def build_graphql(
    settings: Settings, services: Services, documents: Documents, concurrency: Concurrency
) -> StreamingGraphQLApp:
    """Make the application that answers HTTP requests at /graphql."""
    return StreamingGraphQLApp(
        services,
        documents,
        subscriptions=concurrency.subscriptions,
        seconds=settings.operation_timeout,
        page=_web() / "graphiql" / "index.html",
        page_headers=GRAPHIQL_HEADERS,
    )


def build_app(
    settings: Settings,
    services: Services,
    documents: Documents,
    graphql: StreamingGraphQLApp,
    concurrency: Concurrency,
    recorder: Recorder,
    *,
    routes: Sequence[BaseRoute],
    readiness: Callable[[], Mapping[str, str | None]],
    lifespan: Any,
    base_url: str,
    keyless: bool,
) -> ASGIApp:
    """Make the application with all its routes; `keyless` keeps it to this machine.

    `base_url` is that of the listening socket, which signed URLs have without a public URL.
    """
    cors_origins = allowed_origins(settings.cors_origins, keyless=keyless)
    app = create_app(
        services,
        graphql=graphql,
        cors_origins=cors_origins,
        readiness=readiness,
        lifespan=lifespan,
        public_url=settings.public_url,
    )
    guarded: ASGIApp = with_cors(CompressJson(graphql), cors_origins)
    if keyless:
        guard = partial(
            TrustedHost,
            host=settings.host,
            public_url=settings.public_url,
            cors_origins=cors_origins,
        )
        app.add_middleware(guard)
        guarded = guard(guarded)
    origins = (*cors_origins, *own_origin(settings.public_url))
    socket = GraphQLSocket(
        services,
        documents,
        concurrency,
        origins=origins,
        seconds=settings.operation_timeout,
    )
    app.router.routes.append(WebSocketRoute("/graphql", socket))
    app.router.routes.extend(routes)
    mount_pages(app, _web(), settings.public_url or base_url)
    inner: ASGIApp = Dispatcher(app, guarded)
    if sessions := services.sessions:
        cookie = SessionCookie(settings.public_url, sessions.service_name)
        app.router.routes.append(session_route(services, sessions, cookie))
        inner = AuthenticateByCookie(inner, cookie)
    logged = LogBlockedOrigins(inner, origins)
    measured = MeasureRequests(traced(logged, services.tracer), recorder)
    limited = LimitConcurrency(measured, concurrency)
    return StrictHost(ClientAddress(PublicPath(limited, settings.public_url)))


def allowed_origins(cors_origins: Sequence[str], *, keyless: bool) -> tuple[str, ...]:
    """Return the origins whose pages may call the API; replaces "auto" in the setting.

    Whatever runs on a user's machine can serve a page there. Where that page needs no key it gets
    no more than the program itself; a page that knows a key would get what CORS keeps from others.
    """
    auto = (LOOPBACK,) if keyless else ()
    return tuple(
        each for origin in cors_origins for each in (auto if origin == "auto" else (origin,))
    )


def own_origin(public_url: str | None) -> list[str]:
    """Return the origin of our own pages if a proxy changes the Host header, else nothing."""
    public = urlsplit(public_url or "")
    return [f"{public.scheme}://{public.netloc}"] if public_url else []


class Dispatcher:
    """Send HTTP requests for /graphql past FastAPI, and everything else to it.

    FastAPI's own work takes longer than a small query (docs/decisions/0019).
    """

    def __init__(self, app: ASGIApp, graphql: ASGIApp) -> None:
        self._app = app
        self._graphql = graphql

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket."""
        is_graphql = scope["type"] == "http" and scope["path"] == "/graphql"
        await (self._graphql if is_graphql else self._app)(scope, receive, send)


def _web() -> Path:
    return Path(str(resources.files("embedded"))) / "web"


def build_thumbnails(
    stores: Stores,
    storage: FileStorage,
    signer: UrlSigner,
    pools: ThreadPools,
    reserve: DiskReserve,
    make: Callable[[Picture, ThumbnailSize], bytes],
) -> Thumbnails:
    """Make the routes of thumbnails."""
    return Thumbnails(
        stores.blobs,
        storage,
        signer,
        utc_now,
        make,
        reserve.check,
        read=pools.read,
        run=pools.thumbnail,
    )


def build_object_routes(
    stores: Stores,
    storage: FileStorage,
    signer: UrlSigner,
    pools: ThreadPools,
    reserve: DiskReserve,
    metrics: Metrics,
    tracer: Tracer,
) -> ObjectRoutes:
    """Make the routes of uploads and downloads."""
    return ObjectRoutes(
        stores.database,
        stores.blobs,
        storage,
        stores.upload_events,
        signer,
        utc_now,
        reserve,
        # To find a file is quick, to fetch an object is not.
        read=pools.upload if isinstance(storage, BucketStorage) else pools.read,
        keep=pools.upload,
        metrics=metrics,
        tracer=tracer,
    )
