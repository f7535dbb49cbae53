"""Operations of an owner on a blob: find, relabel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from api.services.dependencies import Services
from core.domain.blob import Blob, BlobStatus, label_again
from core.domain.errors import (
    BlobNotFound,
    LabellingError,
    TooManyCorrections,
    VersionConflict,
    WrongState,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_ATTEMPTS: Final = 8
_CONCURRENCY: Final = 8  # blobs of one request that are changed at the same time
_REMEDY: Final = {
    BlobStatus.AWAITING_UPLOAD: "send its bytes first; renewUpload gives a fresh URL",
    BlobStatus.LABELLING: "it is being labelled, so wait until it is LABELLED or FAILED",
    BlobStatus.EXPIRED: "its bytes never came, so ask for a new upload",
}


async def find_blob(services: Services, owner: str, blob_id: str) -> Blob:
    """Return an owner's blob. Raises BlobNotFound or Unavailable."""
    return await services.read(find, services, owner, blob_id)


def find(services: Services, owner: str, blob_id: str) -> Blob:
    """Return an owner's blob, in this thread. Raises BlobNotFound or Unavailable."""
    blob = services.blobs.find(owner, [blob_id]).get(blob_id)
    if blob is None:
        raise BlobNotFound(blob_id)
    return blob


async def relabel(services: Services, owner: str, blob_id: str) -> Blob:
    """Label a finished blob again with the parameters of its upload; return its new state.

    Raises:
        BlobNotFound: the owner has no such blob.
        WrongState: it is neither LABELLED nor FAILED.
        Unavailable: a store can't answer now; call again.

    """
    return await services.write(_relabel, services, owner, blob_id)


def _relabel(services: Services, owner: str, blob_id: str) -> Blob:
    blob = find(services, owner, blob_id)
    if not blob.finished:
        raise WrongState(blob_id, blob.status, "labelled again", _REMEDY[blob.status])
    # The event is sent first: if the state were saved and the event then lost, the blob would stay
    # in LABELLING for ever.
    services.relabel(blob)
    log.info("blob is labelled again", extra={"blob_id": blob_id, "owner": owner})
    return _start_labelling(services, blob)


def _start_labelling(services: Services, blob: Blob) -> Blob:
    outcome = blob.outcome_version
    for _ in range(_MAX_ATTEMPTS):
        # After a conflict it is only edited, or the labeller or another request was faster.
        if not blob.finished or blob.outcome_version != outcome:
            return blob
        changed = label_again(blob, services.clock())
        try:
            services.blobs.save(changed, blob)
        except VersionConflict:
            blob = find(services, blob.owner, blob.id)
        else:
            return changed
    return blob  # the labeller writes the state


async def relabel_many(
    services: Services, owner: str, blob_ids: Iterable[str]
) -> dict[str, Blob | LabellingError]:
    """Label blobs again as `relabel` does; return each one's new state or error, by id."""
    return await for_each(blob_ids, lambda blob_id: relabel(services, owner, blob_id))


async def for_each(
    blob_ids: Iterable[str], act: Callable[[str], Awaitable[T]]
) -> dict[str, T | LabellingError]:
    """Act on each blob once, a few at a time; one that fails does not stop the others."""
    semaphore = asyncio.Semaphore(_CONCURRENCY)

    async def guarded(blob_id: str) -> T | LabellingError:
        async with semaphore:
            try:
                return await act(blob_id)
            except (BlobNotFound, WrongState, TooManyCorrections) as error:
                return error
            except UnicodeEncodeError:  # a lone surrogate, which no id has
                return BlobNotFound(blob_id)
            except LabellingError as error:
                log.warning("one of many blobs failed", extra={"blob_id": blob_id}, exc_info=True)
                return error

    wanted = list(dict.fromkeys(blob_ids))
    found = await asyncio.gather(*map(guarded, wanted), return_exceptions=True)
    outcomes: dict[str, T | LabellingError] = {}
    for blob_id, outcome in zip(wanted, found, strict=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, LabellingError):
            raise outcome  # a bug, reported when the others are done
        outcomes[blob_id] = outcome
    return outcomes
