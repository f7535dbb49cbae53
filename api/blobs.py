"""A blob in its owner's hands: deleted."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

from api.services import Services, off_loop
from catalogue.blob import original_key
from catalogue.errors import BlobNotFound, Unavailable, VersionConflict

log = logging.getLogger(__name__)

_TRIES: Final = 8


async def delete(services: Services, owner: str, blob_id: str) -> None:
    """Delete a blob: its record, labels, webhooks and bytes, whatever its status.

    Asked again, what a broken-off call has left goes too. Counts of labels follow.

    Raises:
        BlobNotFound: there is no such blob of the owner's, and was none that is remembered.
        Unavailable: a store can't answer now; call again.

    """
    await off_loop(_delete, services, owner, blob_id)


def _delete(services: Services, owner: str, blob_id: str) -> None:
    _forget(services, owner, blob_id)
    # The record is gone first: whoever is at work on the blob finds out by that, and what is left
    # when this breaks off is found by the deletion on record.
    for delivery_id in services.deliveries.remove(blob_id, services.clock()):
        services.hint(delivery_id)
    services.originals.delete(original_key(owner, blob_id))
    log.info("deleted", extra={"blob_id": blob_id, "owner": owner})


def _forget(services: Services, owner: str, blob_id: str) -> None:
    for _ in range(_TRIES):
        blob = services.blobs.find(owner, [blob_id]).get(blob_id)
        if blob is None:
            if services.blobs.was_deleted(owner, blob_id):
                return
            raise BlobNotFound(blob_id)
        with suppress(VersionConflict):  # it was labelled just now
            services.blobs.delete(blob, services.clock())
            return
    raise Unavailable(f"Blob {blob_id} is being changed by too many at once.")
