"""The stores of a data folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from core.backends.sqlite import Database
from core.domain.clock import utc_now
from core.domain.delivery import MAX_PER_ENDPOINT, delivery_job
from core.domain.owner import new_secret
from core.events.s3 import relabel_event
from core.queues.sqlite import SqliteQueue
from core.repositories.ports.uploads import UploadLimits
from core.repositories.sqlite.audit import SqliteAuditLog
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from core.repositories.sqlite.owners import SqliteOwnerRepository
from core.repositories.sqlite.uploads import SqliteUploadRepository
from embedded.data.encryption import load_keys
from embedded.data.folder import DATABASE, create
from embedded.data.lock import DataInUse, is_served
from embedded.events import BUCKET
from embedded.migrations import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path

    from core.backends.encryption import SecretKeys
    from core.domain.blob import Blob
    from embedded.settings import Settings

LABEL_VISIBILITY: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Stores:
    """The open stores of a data folder. Commands open them beside a running service."""

    database: Database
    secret_keys: SecretKeys
    blobs: SqliteBlobRepository
    uploads: SqliteUploadRepository
    deliveries: SqliteDeliveryRepository
    owners: SqliteOwnerRepository
    audit: SqliteAuditLog
    upload_events: SqliteQueue
    delivery_queue: SqliteQueue
    quarantine: SqliteQueue

    @property
    def queues(self) -> tuple[SqliteQueue, ...]:
        """The queues of the service."""
        return self.upload_events, self.delivery_queue, self.quarantine

    def enqueue_delivery(self, delivery_id: str) -> None:
        """Have the notifier attempt a delivery soon."""
        self.delivery_queue.send(delivery_job(delivery_id))

    def enqueue_relabel(self, blob: Blob) -> None:
        """Have the labeller label a blob again; the message is on disk when this returns."""
        with self.database.write():
            self.upload_events.send(json.dumps(relabel_event(blob, BUCKET, utc_now())))


def open_stores(settings: Settings, *, serving: bool = False) -> Stores:
    """Open the stores of a data folder, which is created if it is missing.

    A database of an earlier version is upgraded. Raises DataInUse where a service uses it as it is,
    unless this process is `serving`, which means that it holds the folder's lock.
    """
    keys = load_keys(settings)
    create(settings.data)
    is_alone = partial(refuse_beside_service, settings.data)
    database = Database(
        settings.data / DATABASE, MIGRATIONS, (lambda: None) if serving else is_alone
    )
    queue = partial(SqliteQueue, database, clock=utc_now, max_receives=settings.max_receives)
    blobs = SqliteBlobRepository(database, utc_now)
    bounds = UploadLimits(settings.uploads_per_minute, settings.open_uploads)
    return Stores(
        database=database,
        secret_keys=keys,
        blobs=blobs,
        uploads=SqliteUploadRepository(database, blobs, bounds),
        deliveries=SqliteDeliveryRepository(
            database,
            attempts_per_endpoint(settings),
            attempts_per_owner(settings),
            settings.webhook_workers,
        ),
        owners=SqliteOwnerRepository(database, new_secret, keys),
        audit=SqliteAuditLog(database),
        upload_events=queue("uploads", visibility=LABEL_VISIBILITY),
        delivery_queue=queue("hints", visibility=webhook_lease(settings) * 2),
        quarantine=queue("changes", visibility=LABEL_VISIBILITY),
    )


def refuse_beside_service(data: Path) -> None:
    """Raise DataInUse if a service runs on a data folder that is to be upgraded."""
    if is_served(data):
        raise DataInUse(
            f"A service of an earlier version runs on {data}: stop it, so that the database can be "
            "upgraded."
        )


def attempts_per_endpoint(settings: Settings) -> int:
    """Return how many webhooks may go to one endpoint at a time: at most a quarter of all."""
    return max(1, min(MAX_PER_ENDPOINT, settings.webhook_workers // 4))


def attempts_per_owner(settings: Settings) -> int:
    """Return how many webhooks of one owner may be sent at a time: at most half of all."""
    return max(1, settings.webhook_workers // 2)


def webhook_lease(settings: Settings) -> timedelta:
    """Return how long one attempt at a webhook may hold its delivery."""
    return timedelta(seconds=settings.webhook_timeout + 10)
