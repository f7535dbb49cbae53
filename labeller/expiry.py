"""Blobs that wait for too long, and bytes that are left of deleted ones."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from core.domain.blob import Blob, expire, original_key
from core.domain.errors import ObjectNotFound, Unavailable, VersionConflict
from core.runtime.logging import log_context
from core.runtime.metrics import Metric, Metrics, no_metrics
from labeller.s3_event import Upload

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.clock import Clock
    from core.repositories.ports.blobs import BlobRepository
    from core.storage.base import ObjectStorage
    from labeller.label_blob import BlobLabeller

log = logging.getLogger(__name__)

_EXPIRE_BATCH: Final = 100
_CLEAR_BATCH: Final = 1000


class BlobExpiry:
    """Finishes blobs whose bytes or event never came, and the deletion of others' bytes."""

    def __init__(
        self,
        blobs: BlobRepository,
        storage: ObjectStorage,
        labeller: BlobLabeller,
        clock: Clock,
        metrics: Metrics = no_metrics,
    ) -> None:
        self._blobs = blobs
        self._storage = storage
        self._labeller = labeller
        self._clock = clock
        self._metrics = metrics

    def expire(self, before: datetime, seconds: float = 60) -> None:
        """Finish blobs created before then that still wait, within about `seconds` seconds.

        A blob without bytes becomes EXPIRED. A blob with bytes has waited for long, or its event
        was lost: it is labelled now, or given up if that fails.
        """
        until = time.monotonic() + seconds
        tried: set[str] = set()
        while time.monotonic() < until:
            found = self._blobs.find_abandoned(before, _EXPIRE_BATCH + len(tried))
            remaining = [blob for blob in found if blob.id not in tried]
            if not remaining:
                return
            for blob in remaining:
                if time.monotonic() >= until:
                    return
                tried.add(blob.id)
                with log_context(blob_id=blob.id):
                    self._finish(blob)

    def clear_deleted(self, before: datetime, seconds: float = 60) -> int:
        """Delete the bytes of blobs deleted before then again, within about `seconds` seconds.

        The first deletion may have been interrupted, or an upload may have followed it whose URL
        was still valid and whose event was lost. Return for how many that failed; the log names
        each.
        """
        until, failed = time.monotonic() + seconds, 0
        for owner, blob_id in self._blobs.find_unfinished_deletions(before, _CLEAR_BATCH):
            if time.monotonic() >= until:
                break
            with log_context(blob_id=blob_id):
                try:
                    self._storage.delete(original_key(owner, blob_id))
                    self._blobs.finish_deletion(blob_id)
                except Exception:  # the next run finds it again
                    log.exception("bytes of a deleted blob not removed")
                    failed += 1
        return failed

    def _finish(self, blob: Blob) -> None:
        try:
            size = self._storage.size(blob.key)
        except ObjectNotFound:
            with suppress(VersionConflict):  # its bytes have just arrived
                self._blobs.save(expire(blob, self._clock()), blob)
                self._metrics(Metric.UPLOADS_EXPIRED)
                log.info("expired", extra={"blob_id": blob.id})
            return
        except Exception:  # one blob's error must not stop the others
            log.exception("upload not checked")
            return
        upload = Upload("", blob.key, size)
        try:
            self._labeller.label(upload)
        except Exception:  # no retry: it has waited for long
            log.exception("labelling failed, given up")
            with suppress(Unavailable, VersionConflict):  # the next run finds it again
                self._labeller.give_up(upload)
