"""Deletion of an owner's blobs, at once or after a delay in which the owner can restore them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from api.services.blobs import find, for_each
from api.services.dependencies import Services
from core.domain.blob import Blob, original_key
from core.domain.deletion import is_due, set_deletion
from core.domain.errors import (
    BlobNotFound,
    LabellingError,
    StorageFull,
    Unavailable,
    VersionConflict,
)
from core.repositories.label_saves import apply_policy
from core.runtime.logging import log_context

log = logging.getLogger(__name__)

NO_DELAY: Final = timedelta(0)
_MAX_ATTEMPTS: Final = 8
_BATCH: Final = 500  # due blobs that are read at once
_CONCURRENCY: Final = 8  # due blobs that are deleted at the same time

R = TypeVar("R")


async def delete(
    services: Services, owner: str, blob_id: str, delay: timedelta = NO_DELAY
) -> datetime | None:
    """Delete a blob in any status, with its labels, webhooks and bytes, after a delay.

    Return when it will be deleted; None: it is deleted. A repeated call sets another time, and
    deletes what an interrupted deletion has left. Label counts are updated later.

    Raises:
        BlobNotFound: the owner has no such blob, and no remembered deletion of one.
        Unavailable: a store can't answer now; call again.

    """
    call = partial(_delete_after, services, owner, blob_id, delay)
    return await services.write(_on_any_disk, services, call)


async def delete_many(
    services: Services, owner: str, blob_ids: Iterable[str], delay: timedelta = NO_DELAY
) -> dict[str, datetime | LabellingError | None]:
    """Delete blobs as `delete` does; return what it returns, or the error of each, by id."""
    return await for_each(blob_ids, lambda blob_id: delete(services, owner, blob_id, delay))


async def restore_many(
    services: Services, owner: str, blob_ids: Iterable[str]
) -> dict[str, Blob | LabellingError]:
    """Restore blobs that wait to be deleted; return each one's new state or error, by id.

    One that does not wait is returned as it is. One whose deletion has begun is not found.
    """

    async def restore(blob_id: str) -> Blob:
        call = partial(_restore, services, owner, blob_id)
        return await services.write(_on_any_disk, services, call)

    return await for_each(blob_ids, restore)


def delete_due(services: Services, seconds: float = 60) -> int:
    """Delete the blobs whose time has come, within about `seconds` seconds.

    One that was restored since it was listed stays. A failed deletion is tried at the next call.
    Return how many failed; the log names each.
    """
    until, now, failed = time.monotonic() + seconds, services.clock(), 0
    tried: set[str] = set()
    with ThreadPoolExecutor(_CONCURRENCY, thread_name_prefix="deletion") as pool:
        while time.monotonic() < until:
            found = services.blobs.find_due_deletions(now, _BATCH + len(tried))
            remaining = [each for each in found if each[1] not in tried]
            if not remaining:
                break
            tried.update(blob_id for _, blob_id in remaining)
            done = pool.map(partial(_delete_due, services, now, until), remaining)
            failed += sum(not each for each in done)
    return failed


def _delete_due(
    services: Services, now: datetime, until: float, owner_and_id: tuple[str, str]
) -> bool:
    """Delete a blob if there is time. Return False if that failed."""
    if time.monotonic() >= until:
        return True
    owner, blob_id = owner_and_id
    with log_context(blob_id=blob_id):
        try:
            _on_any_disk(services, partial(_delete, services, owner, blob_id, now))
        except BlobNotFound:
            log.debug("deleted meanwhile")  # and the note of that is gone
        except Exception:  # one blob's error must not stop the others
            log.exception("blob not deleted", extra={"owner": owner})
            return False
    return True


def _on_any_disk(services: Services, call: Callable[[], R]) -> R:
    try:
        return call()
    except StorageFull:  # a deletion has to write its note first
        services.release_space()
        return call()


def _set(services: Services, owner: str, blob_id: str, delay: timedelta | None) -> Blob:
    """Let a blob wait to be deleted, or with None restore it."""
    for _ in range(_MAX_ATTEMPTS):
        blob, now = find(services, owner, blob_id), services.clock()
        changed = set_deletion(blob, now, None if delay is None else now + delay)
        if changed is blob:
            return blob
        with suppress(VersionConflict):  # the labeller or another request was faster
            services.blobs.save(changed, blob)
            log.info(
                "blob restored" if delay is None else "blob waits for its deletion",
                extra={"blob_id": blob_id, "owner": owner},
            )
            return changed
    raise _too_many_changes(blob_id)


def _restore(services: Services, owner: str, blob_id: str) -> Blob:
    blob = _set(services, owner, blob_id, None)
    # A run that applies the owner's policy to all blobs misses one that returns to a place behind
    # it. A repeated call finishes one that was interrupted here.
    return apply_policy(services.blobs, blob.id, services.clock) or blob


def _delete_after(
    services: Services, owner: str, blob_id: str, delay: timedelta
) -> datetime | None:
    if delay:
        with suppress(BlobNotFound):  # an earlier deletion may have to be finished
            return _set(services, owner, blob_id, delay).deletes_at
    _delete(services, owner, blob_id)
    return None


def _delete(services: Services, owner: str, blob_id: str, due: datetime | None = None) -> None:
    """Delete a blob; with `due`, only if it is due then."""
    if not _delete_record(services, owner, blob_id, due):
        return
    # The record goes first: workers that process the blob notice the deletion by that, and
    # maintenance finishes an interrupted deletion by the stored deletion entry.
    waiting = services.deliveries.remove(blob_id, services.clock())
    services.storage.delete(original_key(owner, blob_id))
    for delivery_id in waiting:
        try:
            services.enqueue_delivery(delivery_id)
        except Unavailable:  # the sweep enqueues it
            log.warning("delivery not enqueued", extra={"webhook_id": delivery_id}, exc_info=True)
    log.info("blob deleted", extra={"blob_id": blob_id, "owner": owner})


def _delete_record(services: Services, owner: str, blob_id: str, due: datetime | None) -> bool:
    """Delete a blob's record. Return False if it is not due."""
    for _ in range(_MAX_ATTEMPTS):
        blob = services.blobs.find(owner, [blob_id]).get(blob_id)
        if blob is None:
            if services.blobs.was_deleted(owner, blob_id):
                return True
            raise BlobNotFound(blob_id)
        if due is not None and not is_due(blob, due):
            return False
        with suppress(VersionConflict):  # the labeller changed it in between
            services.blobs.delete(blob, services.clock())
            return True
    raise _too_many_changes(blob_id)


def _too_many_changes(blob_id: str) -> Unavailable:
    """Return the error of a blob that others change all the time."""
    return Unavailable(f"Blob {blob_id} is being changed by too many requests at once.")
