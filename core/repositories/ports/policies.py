"""The port of owners' label policies, and of how far each has been applied to stored blobs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from core.domain.edits import set_policy
from core.domain.errors import PolicyConflict, Unavailable, VersionConflict
from core.domain.label_policy import NO_POLICY, LabelPolicy, check_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from core.domain.blob import Blob
    from core.domain.clock import Clock
    from core.domain.label import Embedding
    from core.repositories.ports.blobs import BlobRepository

_MAX_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True)
class OwnerPolicy:
    """An owner's policy, since `set_at`, and how far it has been applied to stored blobs.

    `examined` blobs precede the position `after` in the scan of the owner's blobs. `finished_at` is
    when the last was examined. An owner that never set a policy has NO_POLICY since ever (None).
    """

    policy: LabelPolicy = NO_POLICY
    set_at: datetime | None = None
    after: str | None = None
    examined: int = 0
    finished_at: datetime | None = None

    @property
    def finished(self) -> bool:
        """Whether the policy has been applied to all stored blobs."""
        return self.set_at is None or self.finished_at is not None


class PolicyRepository(Protocol):
    """Policies of owners, in the store of their blobs."""

    def find(self, owner: str) -> OwnerPolicy:
        """Return an owner's policy."""

    def replace(self, owner: str, policy: LabelPolicy, at: datetime) -> bool:
        """Store a policy in place of that with the version before, to be applied from the start.

        Return False, and change nothing, if the stored policy has another version.
        """

    def record_progress(self, owner: str, new: OwnerPolicy, replaced: OwnerPolicy) -> bool:
        """Record how far a policy has been applied.

        Return False, and change nothing, if the policy was replaced or applied further meanwhile.
        """

    def find_unfinished(self) -> Sequence[str]:
        """Return the owners whose policies have not been applied to all stored blobs."""


def set_policy_of(
    policies: PolicyRepository, owner: str, wanted: LabelPolicy, at: datetime
) -> OwnerPolicy:
    """Store an owner's policy in place of the one with the version of `wanted`; return it.

    Repeated after a lost response it changes nothing. Raises InvalidPolicy, PolicyConflict.
    """
    policy = replace(check_policy(wanted), version=wanted.version + 1)
    if policies.replace(owner, policy, at):
        return OwnerPolicy(policy, at)
    stored = policies.find(owner)
    if stored.policy != policy:
        raise PolicyConflict(wanted.version, stored.policy.version)
    return stored


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
