"""What lies in a data folder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from core.backends.sqlite import Database
from core.domain.clock import utc_now
from core.domain.delivery import PER_ENDPOINT
from core.domain.owner import new_secret
from core.queues.sqlite import SqliteQueue
from core.repositories.ports.uploads import UploadBounds
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from core.repositories.sqlite.owners import SqliteOwnerRepository
from core.repositories.sqlite.uploads import SqliteUploadRepository
from embedded.migrations import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.queues.base import Message
    from embedded.settings import Settings

log = logging.getLogger(__name__)

LABEL_VISIBILITY: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Stores:
    """What lies in a data folder, opened. Commands use it beside a running service."""

    database: Database
    blobs: SqliteBlobRepository
    uploads: SqliteUploadRepository
    deliveries: SqliteDeliveryRepository
    owners: SqliteOwnerRepository
    upload_events: SqliteQueue
    delivery_queue: SqliteQueue
    quarantine: SqliteQueue


def open_stores(
    settings: Settings, give_up: Callable[[Message], None] = lambda _letter: None
) -> Stores:
    """Open a data folder, made if it is not there; `give_up` is told of uploads given up."""
    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.data / "labelling.sqlite", MIGRATIONS)

    def on_dead(letter: Message) -> None:
        log.error("given up, kept as a dead letter", extra={"message_id": letter.id})
        give_up(letter)

    queue = partial(SqliteQueue, database, clock=utc_now, max_receives=settings.max_receives)
    blobs = SqliteBlobRepository(database, utc_now)
    bounds = UploadBounds(settings.uploads_per_minute, settings.open_uploads)
    return Stores(
        database=database,
        blobs=blobs,
        uploads=SqliteUploadRepository(database, blobs, bounds),
        deliveries=SqliteDeliveryRepository(database, attempts_per_endpoint(settings)),
        owners=SqliteOwnerRepository(database, new_secret),
        upload_events=queue("uploads", visibility=LABEL_VISIBILITY, on_dead=on_dead),
        delivery_queue=queue("hints", visibility=webhook_lease(settings) * 2),
        quarantine=queue("changes", visibility=LABEL_VISIBILITY),
    )


def attempts_per_endpoint(settings: Settings) -> int:
    """How many webhooks may be on their way to one endpoint: never all that can be sent at once."""
    return max(1, min(PER_ENDPOINT, settings.webhook_workers // 4))


def webhook_lease(settings: Settings) -> timedelta:
    """How long one attempt at a webhook may hold its delivery."""
    return timedelta(seconds=settings.webhook_timeout + 10)
