"""Saves of labels by the labeller and by corrections, which follow the owner's policy."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from core.domain.edits import set_policy
from core.domain.errors import Unavailable, VersionConflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.domain.blob import Blob
    from core.domain.clock import Clock
    from core.domain.label import Embedding
    from core.repositories.ports.blobs import BlobRepository

_MAX_ATTEMPTS: Final = 8


def save_labels(
    blobs: BlobRepository,
    blob: Blob,
    change: Callable[..., Blob],
    clock: Clock,
    embedding: Embedding | None = None,
) -> Blob:
    """Save `change(blob, policy=...)`, or what the policy of its owner makes of an unchanged blob.

    Each writer of labels uses it. If the policy was replaced meanwhile, the new one is applied too:
    its application to stored blobs may have examined the blob before it was saved. Return the
    blob as it is stored then.

    Raises:
        VersionConflict: the stored blob has another version, or there is none.
        Unavailable: the blob was saved, but others keep changing it.

    """
    policy = blobs.policies.find(blob.owner).policy
    changed = change(blob, policy=policy)
    if changed is blob:
        changed = set_policy(blob, clock(), policy)
    if changed is not blob:
        blobs.save(changed, blob, embedding)
    if blobs.policies.find(blob.owner).policy.version == policy.version:
        return changed
    return apply_policy(blobs, blob.id, clock) or changed


def apply_policy(blobs: BlobRepository, blob_id: str, clock: Clock) -> Blob | None:
    """Apply its owner's policy to a blob as it is stored; return it, None if there is none.

    Raises Unavailable if others keep changing it.
    """
    for _ in range(_MAX_ATTEMPTS):
        blob = blobs.get(blob_id)
        if blob is None:
            return None
        with suppress(VersionConflict):
            return save_labels(blobs, blob, partial(set_policy, at=clock()), clock)
    raise Unavailable(f"Blob {blob_id} is being changed by too many requests at once.")
