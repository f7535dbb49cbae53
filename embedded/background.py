"""The threads that work in the background of the service."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from api.services.deletions import delete_due
from core.domain.clock import utc_now
from embedded.attempt_errors import LabelAndNoteErrors
from embedded.backup.schedule import CHECK_SECONDS as BACKUP_CHECK_SECONDS
from embedded.backup.schedule import BackupSchedule
from embedded.change_feed import ChangeFeed, retry_quarantined
from embedded.checks.bucket import BUCKET_SECONDS, BucketCheck
from embedded.checks.clock import CLOCK_SECONDS, ClockWatch
from embedded.checks.integrity import check_in_background
from embedded.data.originals import Offload
from embedded.jobs.maintenance import Maintenance
from embedded.worker import Consumer, Periodic, Worker
from labeller.policy_run import PolicyRun
from labeller.traced import traced_labeller

if TYPE_CHECKING:
    from api.services.dependencies import Services
    from core.storage.disk_reserve import DiskReserve
    from core.storage.files import FileStorage
    from embedded.settings import Settings
    from embedded.stores import Stores
    from labeller.expiry import BlobExpiry
    from labeller.label_blob import BlobLabeller
    from notifier.handler import Notifier


MAINTENANCE_SECONDS: Final = 60.0
POLICY_SECONDS: Final = 2.0  # of applying label policies, before it can stop
POLICY_PAUSE: Final = 0.5
OFFLOAD_PAUSE: Final = 10.0  # between two runs that move originals to the bucket, if there is one
CHECK_SECONDS: Final = 6 * 3600.0  # between two checks of the whole database


def build_worker(
    settings: Settings,
    services: Services,
    stores: Stores,
    labeller: BlobLabeller,
    expiry: BlobExpiry,
    notifier: Notifier,
    reserve: DiskReserve,
    backups: BackupSchedule,
    storage: FileStorage,
    bucket: BucketCheck,
) -> Worker:
    """Make the background threads."""
    traced = traced_labeller(labeller, stores.blobs, services.tracer)
    label = LabelAndNoteErrors(traced, stores.upload_events)
    retry = partial(retry_quarantined, notifier.handle)
    apply_policies = PolicyRun(stores.blobs, utc_now)
    maintenance = Maintenance(
        notifier.handle,
        partial(delete_due, services),
        expiry,
        stores.blobs,
        stores.uploads,
        utc_now,
        upload_life=timedelta(hours=settings.upload_hours),
        check_store=stores.database.check_writable,
        keep_reserve=reserve.fill,
        trim_audit=stores.audit.trim,
    )
    return Worker(
        [
            Consumer("labeller", stores.upload_events, label, settings.workers),
            Consumer("webhook", stores.delivery_queue, notifier.handle, settings.webhook_workers),
            Consumer("quarantine", stores.quarantine, retry),
        ],
        ChangeFeed(stores.database, stores.blobs, stores.quarantine, notifier.handle),
        [
            Periodic("maintenance", maintenance, MAINTENANCE_SECONDS),
            Periodic(
                "integrity check", partial(check_in_background, stores.database), CHECK_SECONDS
            ),
            Periodic("backup", backups, BACKUP_CHECK_SECONDS),
            Periodic("bucket", bucket, BUCKET_SECONDS),
            Periodic("offload", Offload(settings.data, storage, stores.blobs), OFFLOAD_PAUSE),
            Periodic("clock", ClockWatch(stores.database, stores.queues, utc_now), CLOCK_SECONDS),
            Periodic("label policy", partial(apply_policies, POLICY_SECONDS), POLICY_PAUSE),
        ],
        others_wrote=stores.database.watch(),
    )
