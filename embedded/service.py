"""The embedded service put together: explicit wiring, nothing looked up."""

from __future__ import annotations

import json
import logging
import os
import random
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.routing import WebSocketRoute

from api.auth.api_keys import authenticate_by_key
from api.auth.oidc import OidcTokens
from api.graphql.http import documents
from api.rest.app import create_app, with_cors
from api.services.dependencies import Services
from core.domain.clock import utc_now
from core.domain.delivery import delivery_job
from core.domain.errors import Unavailable
from core.domain.webhook_url import CallbackRules
from core.events.s3 import relabel_event
from core.storage.files import FileStorage
from core.storage.signed_url import UrlSigner
from embedded.data_lock import hold
from embedded.events import BUCKET
from embedded.http.object_routes import ObjectRoutes
from embedded.http.pages import GRAPHIQL_HEADERS, mount_pages
from embedded.http.pubsub import LocalPubSub
from embedded.http.sse import StreamingGraphQLApp
from embedded.http.thumbnails import Thumbnails
from embedded.http.trusted_host import ThisMachineOnly
from embedded.http.websocket import GraphQLSocket
from embedded.reads import Reads
from embedded.stores import open_stores, webhook_lease
from embedded.worker import ChangeFeed, Worker
from labeller.handler import handle as handle_uploads
from labeller.label_blob import BlobLabeller
from notifier.delivery import Deliverer
from notifier.handler import Notifier
from notifier.http.client import WebhookClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from core.domain.blob import Blob
    from embedded.settings import Settings
    from labeller.detectors.base import Detector, Picture

log = logging.getLogger(__name__)

LOCAL_OWNER: Final = "local"
KEY_SECONDS: Final = 1.0  # that a key may open after another process revoked it


class Service:
    """The running whole: an ASGI app and its worker over one data folder."""

    def __init__(
        self,
        settings: Settings,
        detector: Detector,
        *,
        base_url: str,
        keyless: bool,
        make_thumbnail: Callable[[Picture], bytes],
        model_health_error: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._settings = settings
        rules = CallbackRules.from_settings(settings, private_default=keyless)
        self._model_health_error = model_health_error
        executable = documents(settings)
        self._lock = hold(settings.data)
        # The worker is told of dead letters, but stands on the stores: hence the late look-up.
        stores = self.stores = open_stores(settings, lambda letter: self.worker.give_up(letter))  # noqa: PLW0108
        secret = stores.database.fact("url_secret", lambda: os.urandom(32).hex())
        signer = UrlSigner(bytes.fromhex(secret), settings.public_url or base_url)
        storage = FileStorage(settings.data, signer)
        storage.clear_incoming()
        stores.deliveries.release_leases()
        client = WebhookClient(deadline=settings.webhook_timeout, rules=rules)
        deliverer = Deliverer(
            stores.deliveries,
            stores.owners,
            client,
            utc_now,
            random.SystemRandom(),
            lease_duration=webhook_lease(settings),
        )
        notifier = Notifier(
            stores.blobs, stores.deliveries, deliverer, stores.delivery_queue, utc_now
        )
        labeller = BlobLabeller(stores.blobs, storage, detector, utc_now)
        self.worker = Worker(
            blobs=stores.blobs,
            feed=ChangeFeed(stores.database, stores.blobs, stores.quarantine, notifier.handle),
            uploads=stores.upload_events,
            delivery_queue=stores.delivery_queue,
            quarantine=stores.quarantine,
            labeller=labeller,
            handle_uploads=partial(handle_uploads, labeller=labeller),
            handle_delivery_jobs=notifier.handle,
            clock=utc_now,
            label_threads=settings.workers,
            webhook_threads=settings.webhook_workers,
            upload_life=timedelta(hours=settings.upload_hours),
            trim=stores.uploads.trim,
            written=stores.database.watch(),
        )

        def relabel(blob: Blob) -> None:
            with stores.database.write():  # on disk before whoever asked is told
                event = relabel_event(blob, BUCKET, utc_now())
                stores.upload_events.send(json.dumps(event))

        thumbnails = Thumbnails(stores.blobs, storage, signer, utc_now, make_thumbnail)
        pubsub = LocalPubSub()
        stores.blobs.watch(pubsub.publish)
        self._reads = Reads()
        services = Services(
            blobs=stores.blobs,
            uploads=stores.uploads,
            deliveries=stores.deliveries,
            owners=stores.owners,
            storage=storage,
            clock=utc_now,
            authenticate=authenticate_by_key(
                stores.owners,
                LOCAL_OWNER if keyless else None,
                tokens=OidcTokens(settings) if settings.oidc_issuer else None,
                read=self._reads,
                keep_seconds=KEY_SECONDS,
            ),
            max_upload_bytes=settings.max_upload_bytes,
            enqueue_delivery=lambda delivery_id: stores.delivery_queue.send(
                delivery_job(delivery_id)
            ),
            relabel=relabel,
            callback_rules=rules,
            thumbnail_url=thumbnails.url,
            pubsub=pubsub,
            read=self._reads,
        )
        web = Path(str(resources.files("embedded"))) / "web"
        self._graphql = StreamingGraphQLApp(
            services,
            executable,
            seconds=settings.operation_timeout,
            page=web / "graphiql" / "index.html",
            page_headers=GRAPHIQL_HEADERS,
        )
        app = create_app(
            services,
            graphql=self._graphql,
            cors_origins=settings.cors_origins,
            readiness=self._readiness,
            lifespan=self._lifespan,
        )
        graphql: ASGIApp = with_cors(self._graphql, settings.cors_origins)
        if keyless:
            guard = partial(
                ThisMachineOnly,
                host=settings.host,
                public_url=settings.public_url,
                cors_origins=settings.cors_origins,
            )
            app.add_middleware(guard)
            graphql = guard(graphql)
        self.app = _Front(app, graphql)
        socket = GraphQLSocket(
            services,
            executable,
            origins=(*settings.cors_origins, *own_origin(settings.public_url)),
            seconds=settings.operation_timeout,
        )
        app.router.routes.append(WebSocketRoute("/graphql", socket))
        routes = ObjectRoutes(
            stores.database, stores.blobs, storage, stores.upload_events, signer, utc_now
        )
        app.router.routes.extend([*routes.routes(), *thumbnails.routes()])
        mount_pages(app, web, settings.public_url)

    def end_streams(self) -> None:
        """End the answers that would go on for ever; to be called in the event loop."""
        self._graphql.end_streams()

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI | None) -> AsyncIterator[None]:
        self.worker.start()
        yield
        seconds = self._settings.shutdown_seconds
        # Both, whatever the first says: nothing may be in use when the database is closed.
        if all([self._reads.stop(seconds), self.worker.stop(seconds)]):
            self.stores.database.close()
        else:
            log.warning("stopped with work in hand; it is taken up at the next start")

    def _readiness(self) -> Mapping[str, str | None]:
        try:
            self.stores.database.check_writable()
            store = None
        except Unavailable as trouble:
            store = str(trouble)
        return {
            "store": store,
            "model": self._model_health_error(),
            "workers": self.worker.health_error(),
        }


def own_origin(public_url: str | None) -> list[str]:
    """Return the origin of our own pages where a proxy hides the host they were asked for."""
    public = urlsplit(public_url or "")
    return [f"{public.scheme}://{public.netloc}"] if public_url else []


class _Front:
    """Has /graphql answered without all that FastAPI does for its own routes (docs/decisions/0019).

    That takes longer than a small query.
    """

    def __init__(self, app: ASGIApp, graphql: ASGIApp) -> None:
        self._app = app
        self._graphql = graphql

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or socket."""
        of_graphql = scope["type"] == "http" and scope["path"] == "/graphql"
        await (self._graphql if of_graphql else self._app)(scope, receive, send)
