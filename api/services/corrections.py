"""Operations of an owner on the labels of pictures: add, confirm, remove and reset them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from api.services.blobs import find, for_each
from api.services.dependencies import Services
from core.domain.blob import Blob, BlobStatus
from core.domain.corrections import Correction, DecisionKind, decide
from core.domain.edits import set_decisions
from core.domain.errors import LabellingError, Unavailable, VersionConflict, WrongState
from core.domain.label import Label
from core.repositories.label_saves import save_labels

log = logging.getLogger(__name__)

_MAX_ATTEMPTS: Final = 8
_REMEDY: Final = {
    BlobStatus.AWAITING_UPLOAD: "send its bytes first, and wait until it is LABELLED",
    BlobStatus.LABELLING: "wait until it is LABELLED",
    BlobStatus.FAILED: "it has no labels; relabelBlob tries again",
    BlobStatus.EXPIRED: "its bytes never came, so ask for a new upload",
}


async def correct_many(
    services: Services,
    owner: str,
    by: str,
    blob_ids: Iterable[str],
    corrections: Sequence[Correction],
) -> dict[str, Blob | LabellingError]:
    """Decide about labels of blobs; return each one's new state or error, by id.

    `by` names who decides. A decision of None for every name is one for each that was decided:
    without corrections all decisions are withdrawn. An added label takes its spelling, parents,
    aliases and categories from the owner's vocabulary, or else from its newest blob that has it.
    Errors: BlobNotFound, and WrongState for a blob without labels, TooManyCorrections, Unavailable.
    """
    known = await services.read(_known_labels, services, owner, corrections)
    correct = partial(_correct, services, owner, by, corrections, known)
    return await for_each(blob_ids, lambda blob_id: services.write(correct, blob_id))


def _known_labels(
    services: Services, owner: str, corrections: Iterable[Correction]
) -> Mapping[str, Label]:
    """Return the labels to be added, by folded name.

    They are as the owner's vocabulary defines them, or else as its newest blobs have them.
    """
    added = {each.name.casefold() for each in corrections if each.kind is DecisionKind.ADDED}
    if not added:
        return {}
    own = services.blobs.vocabularies.find(owner).by_name
    defined = {key: own[key].to_label() for key in added & own.keys()}
    newest = services.blobs.find_newest(owner, added - own.keys())
    return defined | {
        key: label
        for key, blob in newest.items()
        for label in blob.labels or ()
        if label.name.casefold() == key
    }


def _correct(
    services: Services,
    owner: str,
    by: str,
    corrections: Sequence[Correction],
    known: Mapping[str, Label],
    blob_id: str,
) -> Blob:
    for _ in range(_MAX_ATTEMPTS):
        blob = find(services, owner, blob_id)
        if blob.labels is None:
            raise WrongState(blob_id, blob.status, "corrected", _REMEDY[blob.status])
        now = services.clock()
        mine = {each.name.casefold(): each for each in (*(blob.detected or ()), *blob.labels)}
        wanted = corrections or [Correction(None, each.label.name) for each in blob.decisions]
        decisions = decide(blob_id, blob.decisions, wanted, {**known, **mine}, now, by)
        change = partial(set_decisions, at=now, decisions=decisions)
        with suppress(VersionConflict):  # the labeller or another request was faster
            changed = save_labels(services.blobs, blob, change, services.clock)
            if changed is not blob:
                log.info("labels corrected", extra={"blob_id": blob_id, "owner": owner})
            return changed
    raise Unavailable(f"Blob {blob_id} is being changed by too many requests at once.")
