"""A blob in its owner's hands: labelled again, deleted."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

from api.services.dependencies import Services
from api.threads import run_in_thread
from core.domain.blob import Blob, BlobStatus, label_again, original_key
from core.domain.errors import BlobNotFound, Unavailable, VersionConflict, WrongState

log = logging.getLogger(__name__)

_MAX_ATTEMPTS: Final = 8
_REMEDY: Final = {
    BlobStatus.AWAITING_UPLOAD: "send its bytes first; renewUpload gives a fresh URL",
    BlobStatus.LABELLING: "it is being labelled, so wait until it is LABELLED or FAILED",
    BlobStatus.EXPIRED: "its bytes never came, so ask for a new upload",
}


async def relabel(services: Services, owner: str, blob_id: str) -> Blob:
    """Have a finished blob labelled again, as it was wished for; return it as it is then.

    Raises:
        BlobNotFound: there is no such blob of the owner's.
        WrongState: it is neither LABELLED nor FAILED.
        Unavailable: a store can't answer now; call again.

    """
    return await run_in_thread(_relabel, services, owner, blob_id)


def _relabel(services: Services, owner: str, blob_id: str) -> Blob:
    blob = services.blobs.find(owner, [blob_id]).get(blob_id)
    if blob is None:
        raise BlobNotFound(blob_id)
    if not blob.finished:
        raise WrongState(blob_id, blob.status, "labelled again", _REMEDY[blob.status])
    # In this order: were it noted first and then not sent, the blob would wait for ever.
    services.relabel(blob)
    now: Blob | None = label_again(blob)
    try:
        services.blobs.save(label_again(blob), blob)
    except VersionConflict:  # the labeller was faster, or another who asked
        now = services.blobs.find(owner, [blob_id]).get(blob_id)
    if now is None:
        raise BlobNotFound(blob_id)
    log.info("to be labelled again", extra={"blob_id": blob_id, "owner": owner})
    return now


async def delete(services: Services, owner: str, blob_id: str) -> None:
    """Delete a blob: its record, labels, webhooks and bytes, whatever its status.

    Asked again, what a broken-off call has left goes too. Counts of labels follow.

    Raises:
        BlobNotFound: there is no such blob of the owner's, and was none that is remembered.
        Unavailable: a store can't answer now; call again.

    """
    await run_in_thread(_delete, services, owner, blob_id)


def _delete(services: Services, owner: str, blob_id: str) -> None:
    _forget(services, owner, blob_id)
    # The record is gone first: whoever is at work on the blob finds out by that, and what is left
    # when this breaks off is found by the deletion on record.
    waiting = services.deliveries.remove(blob_id, services.clock())
    services.storage.delete(original_key(owner, blob_id))
    for delivery_id in waiting:
        try:
            services.enqueue_delivery(delivery_id)
        except Unavailable:  # the sweep finds it
            log.warning("no hint sent", extra={"webhook_id": delivery_id}, exc_info=True)
    log.info("deleted", extra={"blob_id": blob_id, "owner": owner})


def _forget(services: Services, owner: str, blob_id: str) -> None:
    for _ in range(_MAX_ATTEMPTS):
        blob = services.blobs.find(owner, [blob_id]).get(blob_id)
        if blob is None:
            if services.blobs.was_deleted(owner, blob_id):
                return
            raise BlobNotFound(blob_id)
        with suppress(VersionConflict):  # it was labelled just now
            services.blobs.delete(blob, services.clock())
            return
    raise Unavailable(f"Blob {blob_id} is being changed by too many at once.")
