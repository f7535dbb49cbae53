"""Application of changed label policies to the stored blobs, without any detection."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from core.domain.edits import set_policy
from core.repositories.label_saves import apply_policy

if TYPE_CHECKING:
    from core.domain.clock import Clock
    from core.repositories.ports.blobs import BlobRepository
    from core.repositories.ports.policies import OwnerPolicy

log = logging.getLogger(__name__)

BATCH: Final = 100  # blobs


class PolicyRun:
    """Applies policies that were set to the stored labels, a batch of blobs after the other.

    How far it has come is recorded after each batch, so it goes on there after the end of the
    process. A batch that is repeated changes nothing. A newer policy starts from the first blob.
    """

    def __init__(self, blobs: BlobRepository, clock: Clock, batch: int = BATCH) -> None:
        self._blobs = blobs
        self._clock = clock
        self._batch = batch

    def __call__(self, seconds: float) -> None:
        """Apply policies for about so many seconds, to each owner's blobs in turn.

        Raises Unavailable.
        """
        until = time.monotonic() + seconds
        while owners := self._blobs.policies.find_unfinished():
            for owner in owners:
                if time.monotonic() >= until:
                    return
                self._apply_to_batch(owner)

    def _apply_to_batch(self, owner: str) -> None:
        stored = self._blobs.policies.find(owner)
        if stored.finished:
            return
        page, after = self._blobs.scan(owner, self._batch, stored.after)
        now = self._clock()
        changes = [
            (changed, blob)
            for blob in page
            if (changed := set_policy(blob, now, stored.policy)) is not blob
        ]
        for blob_id in self._blobs.save_many(changes):
            apply_policy(self._blobs, blob_id, self._clock)
        new = replace(
            stored,
            after=after,
            examined=stored.examined + len(page),
            finished_at=self._clock() if after is None else None,
        )
        if not self._blobs.policies.record_progress(owner, new, stored):
            for changed, _ in changes:  # which may be labels of a policy that was replaced
                apply_policy(self._blobs, changed.id, self._clock)
        elif new.finished:
            _log_end(owner, new)


def _log_end(owner: str, applied: OwnerPolicy) -> None:
    log.info(
        "label policy applied",
        extra={"owner": owner, "version": applied.policy.version, "blobs": applied.examined},
    )
