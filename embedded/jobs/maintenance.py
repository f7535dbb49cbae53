"""Periodic work: due deletions and deliveries, expired uploads, rows no longer needed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from core.storage.base import MAX_UPLOAD_TIME
from embedded.events import scheduled_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from core.domain.clock import Clock
    from core.repositories.sqlite.blobs import SqliteBlobRepository
    from core.repositories.sqlite.uploads import SqliteUploadRepository
    from labeller.expiry import BlobExpiry

CHANGES_KEPT: Final = timedelta(hours=24)  # as long as a DynamoDB stream keeps its records


class Maintenance:
    """One round of maintenance at each call.

    `sweep` is the notifier, which takes EventBridge's scheduled event. `delete_due` deletes the
    blobs whose time has come. An upload whose bytes have not arrived after `upload_life` expires.
    `keep_reserve` sets disk space aside again, `trim_audit` deletes audit records whose retention
    is over, and `check_store` writes to the database, so that readiness knows without writing.
    """

    def __init__(
        self,
        sweep: Callable[[Mapping[str, Any]], object],
        delete_due: Callable[[], object],
        expiry: BlobExpiry,
        blobs: SqliteBlobRepository,
        uploads: SqliteUploadRepository,
        clock: Clock,
        upload_life: timedelta,
        check_store: Callable[[], None],
        keep_reserve: Callable[[], None],
        trim_audit: Callable[[datetime], None],
    ) -> None:
        self._sweep = sweep
        self._delete_due = delete_due
        self._expiry = expiry
        self._blobs = blobs
        self._uploads = uploads
        self._clock = clock
        self._upload_life = upload_life
        self._check_store = check_store
        self._keep_reserve = keep_reserve
        self._trim_audit = trim_audit

    def __call__(self) -> None:
        """Do all of it. Raises Unavailable."""
        now = self._clock()
        self._sweep(scheduled_event(now))
        self._delete_due()
        self._expiry.clear_deleted(now - MAX_UPLOAD_TIME)
        self._expiry.expire(now - self._upload_life)
        self._blobs.changes.trim(now - CHANGES_KEPT)
        self._blobs.trim_deleted(now)
        self._uploads.trim(now)
        self._trim_audit(now)
        self._keep_reserve()
        self._check_store()
