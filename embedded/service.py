"""The embedded service: its wiring over one data folder, and its life cycle."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from api.auth.rate_limits import RateLimits
from api.graphql.settings import build_documents
from api.services.dependencies import Services
from core.domain.clock import utc_now
from core.domain.webhook_url import CallbackRules
from core.runtime.tracing import no_tracer
from core.storage.disk_reserve import DiskReserve
from embedded.audit import request_auditor
from embedded.authentication import build_authenticate, build_sessions
from embedded.background import build_worker
from embedded.backup.schedule import BackupSchedule
from embedded.checks.bucket import BucketCheck
from embedded.checks.integrity import check_at_start
from embedded.data.encryption import check_owners, publish_keys
from embedded.data.lock import hold
from embedded.data.originals import choose_storage, open_storage
from embedded.data.url_secrets import build_signer
from embedded.http.admin import build_admin
from embedded.http.app import build_app, build_graphql, build_object_routes, build_thumbnails
from embedded.http.metrics import metrics_route
from embedded.http.pubsub import build_pubsub
from embedded.jobs.dead_letters import UploadDeadLetters
from embedded.limits.concurrency import Concurrency, count_owners
from embedded.limits.thread_pool import build_pools
from embedded.metrics.recorder import Recorder
from embedded.metrics.state import State
from embedded.move.folder import begin_service
from embedded.similar.on_demand import SimilarOnDemand
from embedded.similar.text import open_text_search
from embedded.stores import Stores, open_stores
from embedded.webhooks import build_notifier
from labeller.expiry import BlobExpiry
from labeller.label_blob import BlobLabeller
from labeller.traced import traced_detector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from fastapi import FastAPI

    from core.domain.thumbnail import ThumbnailSize
    from core.runtime.metrics import Metrics
    from core.runtime.refusals import Refusals
    from core.runtime.tracing import Tracer
    from core.storage.files import FileStorage
    from embedded.http.thumbnails import Thumbnails
    from embedded.limits.thread_pool import ThreadPools
    from embedded.settings import Settings
    from labeller.detectors.base import Detector, Picture

log = logging.getLogger(__name__)


class Service:
    """The whole service over one data folder: an ASGI app and its background worker."""

    def __init__(
        self,
        settings: Settings,
        detector: Detector,
        *,
        base_url: str,
        keyless: bool,
        make_thumbnail: Callable[[Picture, ThumbnailSize], bytes],
        model_health_error: Callable[[], str | None] = lambda: None,
        recorder: Recorder | None = None,
        tracer: Tracer = no_tracer,
        detector_processes: Callable[[], Sequence[int]] = tuple,
    ) -> None:
        recorder = recorder or Recorder()
        self._settings = settings
        self.concurrency = concurrency = Concurrency(settings)
        self._model_health_error = model_health_error
        executable = build_documents(settings)  # before anything is opened: it may raise BadSetting
        rules = CallbackRules.from_settings(settings, private_default=keyless)
        self._lock = hold(settings.data)
        self.stores = stores = open_stores(settings, serving=True)
        begin_service(stores.database)
        check_at_start(stores.database)
        publish_keys(stores.database, stores.secret_keys)
        check_owners(stores.owners, stores.secret_keys)
        signer = build_signer(stores, settings.public_url or base_url)
        choose_storage(settings, stores.database)
        storage = open_storage(settings.data, stores.database, signer)
        clean_up(stores, storage)
        self._reserve = reserve = DiskReserve(settings.data, settings.reserve_bytes)
        reserve.fill()
        detector = traced_detector(detector, tracer)
        labeller = BlobLabeller(stores.blobs, storage, detector, utc_now, recorder)
        expiry = BlobExpiry(stores.blobs, storage, labeller, utc_now, recorder)
        self.dead_letters = UploadDeadLetters(stores.upload_events, labeller)
        notifier = build_notifier(settings, stores, rules, recorder, tracer)
        self._bucket = bucket = BucketCheck(stores.database)
        self._backups = backups = BackupSchedule(settings, stores, utc_now)
        self._pools = pools = build_pools(thumbnails=settings.workers)
        thumbnails = build_thumbnails(stores, storage, signer, pools, reserve, make_thumbnail)
        objects = build_object_routes(stores, storage, signer, pools, reserve, recorder, tracer)
        services = build_services(
            settings,
            stores,
            storage,
            rules,
            thumbnails,
            pools,
            reserve,
            concurrency.refusals,
            recorder,
            tracer,
            keyless=keyless,
        )
        self.worker = build_worker(
            settings,
            services,
            stores,
            labeller,
            expiry,
            notifier,
            reserve,
            backups,
            storage,
            bucket,
        )
        self._graphql = build_graphql(settings, services, executable, concurrency)
        recorder.registry.register(
            State(
                settings,
                stores,
                concurrency,
                detector,
                readiness=self._readiness,
                processes=detector_processes,
                deprecated_uses=services.deprecated_uses.counts,
            )
        )
        metrics = metrics_route(recorder.registry, services.authenticate, pools.read)
        admin = build_admin(
            *(settings, stores, services, detector, pools),
            readiness=self._readiness,
            processes=detector_processes,
        )
        self.app = build_app(
            settings,
            services,
            executable,
            self._graphql,
            concurrency,
            recorder,
            routes=[*objects.routes(), *thumbnails.routes(), metrics, *admin.routes()],
            readiness=self._readiness,
            lifespan=self._lifespan,
            base_url=base_url,
            keyless=keyless,
        )

    def end_streams(self) -> None:
        """End the responses that would go on for ever. Call it in the event loop."""
        self._graphql.end_streams()

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI | None) -> AsyncIterator[None]:
        self.dead_letters.take_all()
        self.worker.start()
        yield
        seconds = self._settings.shutdown_seconds
        self.stores.database.health.stop_check()
        self._backups.stop()
        # Stop both, whatever the first returns: nothing may use the database when it is closed.
        if all([self._pools.stop(seconds), self.worker.stop(seconds)]):
            self.stores.database.close()
        else:
            log.warning("stopped before all work was done; the next start continues it")

    def _readiness(self) -> Mapping[str, str | None]:
        return {
            "store": self.stores.database.health.error(),
            "disk": self._reserve.health_error(),
            "bucket": self._bucket.health_error(),
            "model": self._model_health_error(),
            "workers": self.worker.health_error(),
        }


def clean_up(stores: Stores, storage: FileStorage) -> None:
    """Remove and release what a process that died left behind."""
    storage.clear_leftovers()
    stores.deliveries.release_leases()


def build_services(
    settings: Settings,
    stores: Stores,
    storage: FileStorage,
    rules: CallbackRules,
    thumbnails: Thumbnails,
    pools: ThreadPools,
    reserve: DiskReserve,
    refusals: Refusals,
    metrics: Metrics,
    tracer: Tracer,
    *,
    keyless: bool,
) -> Services:
    """Make what the API uses."""
    limits = RateLimits(
        settings.requests_per_second, settings.failed_keys_per_minute, refusals=refusals
    )
    sessions = build_sessions(settings, stores)
    authenticate = build_authenticate(settings, stores, pools, sessions, keyless=keyless)
    return Services(
        blobs=stores.blobs,
        uploads=stores.uploads,
        deliveries=stores.deliveries,
        owners=stores.owners,
        storage=storage,
        clock=utc_now,
        authenticate=count_owners(limits.guard(authenticate)),
        admit=limits.admit,
        sessions=sessions,
        audit=request_auditor(stores.audit, utc_now),
        max_upload_bytes=settings.max_upload_bytes,
        enqueue_delivery=stores.enqueue_delivery,
        relabel=stores.enqueue_relabel,
        callback_rules=rules,
        thumbnail_url=thumbnails.url,
        pubsub=build_pubsub(stores.blobs.changes),
        similar=SimilarOnDemand(stores.database, open_text_search(settings)),
        read=pools.read,
        search=pools.search,
        write=pools.write,
        check_space=reserve.check,
        release_space=reserve.release,
        metrics=metrics,
        tracer=tracer,
    )
