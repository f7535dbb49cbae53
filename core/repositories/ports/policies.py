"""The port of owners' label policies, and of how far each has been applied to stored blobs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from core.domain.errors import PolicyConflict
from core.domain.label_policy import NO_POLICY, LabelPolicy, check_policy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


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
