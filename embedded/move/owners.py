"""Copy owners, their keys, label policies and disabled endpoints, or compare them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.domain.scope import ALL_SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.repositories.ports.owners import ApiKey
    from core.repositories.ports.policies import OwnerPolicy
    from embedded.move.mover import Outcome
    from embedded.move.place import Place


class OwnerMover:
    """Moves what belongs to owners rather than to blobs; see `Mover` for `write`.

    Keys are moved by a call of their own, since with them clients can use the stack.
    """

    def __init__(
        self, source: Place, target: Place, outcome: Outcome, *, write: bool = True
    ) -> None:
        self._source = source
        self._target = target
        self._outcome = outcome
        self._write = write

    def move_owners(self) -> None:
        """Move secrets, signing keys, policies, vocabularies and endpoints. Raises Unavailable."""
        owners = self._source.owners_with()
        for owner in owners["secrets"]:
            self._move_secrets(owner)
        for owner in owners["policies"]:
            self._move_policy(owner)
        for owner in owners["vocabularies"]:
            self._move_vocabulary(owner)
        # Those with secrets too: the last disabled endpoint of one may be enabled by now.
        for owner in dict.fromkeys([*owners["endpoints"], *owners["secrets"]]):
            self._move_endpoints(owner)

    def move_keys(self) -> None:
        """Move the records of API keys; when a key was last used is not compared.

        The operator's scope stays behind: on AWS it opens nothing.
        """
        for stored in self._source.owners.list_keys():
            key = replace(stored, scopes=stored.scopes & ALL_SCOPES)
            if stored.scopes and not key.scopes:
                continue
            known = self._target.owners.find_key(key.hash)

            def add(key: ApiKey = key, known: ApiKey | None = known) -> None:
                if known is not None:
                    self._target.owners.remove_key(key.hash)
                self._target.owners.add_key(key)

            is_same = known is not None and _unused(known) == _unused(key)
            self._step("keys", _named(key), add, is_same=is_same)
        if not self._write:
            self._find_foreign_keys()

    def _find_foreign_keys(self) -> None:
        """Report keys that the source lacks: they may have been revoked there since a former run.

        A key of the operator alone stays in its place.
        """
        for key in self._target.owners.list_keys():
            is_operators = key.scopes and not key.scopes & ALL_SCOPES
            if not is_operators and self._source.owners.find_key(key.hash) is None:
                problem = f"only {self._target.name} has it; revoke it there"
                self._outcome.problems.append(f"{_named(key)}: {problem}")

    def _move_secrets(self, owner_id: str) -> None:
        owner = self._source.owners.find_owner(owner_id)
        if owner is None:
            return

        def save() -> None:
            before = self._target.owners.get_or_create(owner_id)
            self._target.owners.save_owner(owner, before)

        is_same = self._target.owners.find_owner(owner_id) == owner
        self._step("owners", f"owner {owner_id}", save, is_same=is_same)

    def _move_policy(self, owner: str) -> None:
        policy = self._source.blobs.policies.find(owner)
        if not policy.finished:  # places in a scan differ between stores
            policy = replace(policy, after=None, examined=0)
        there = self._target.blobs.policies.find(owner)
        self._step(
            "policies",
            f"label policy of {owner}",
            lambda: self._target.put_policy(owner, policy),
            is_same=_same_policy(policy, there),
        )

    def _move_vocabulary(self, owner: str) -> None:
        vocabulary, at = self._source.find_vocabulary(owner)
        if at is None:
            return
        self._step(
            "vocabularies",
            f"vocabulary of {owner}",
            lambda: self._target.put_vocabulary(owner, vocabulary, at),
            is_same=self._target.find_vocabulary(owner) == (vocabulary, at),
        )

    def _move_endpoints(self, owner: str) -> None:
        there = {each.endpoint for each in self._target.deliveries.disabled_endpoints(owner)}
        here = {each.endpoint: each for each in self._source.deliveries.disabled_endpoints(owner)}
        for each in here.values():
            self._step(
                "endpoints",
                f"endpoint {each.endpoint} of {owner}",
                lambda each=each: self._target.deliveries.disable_endpoint(  # type: ignore[misc]
                    owner, each.endpoint, each.at
                ),
                is_same=each.endpoint in there,
            )
        # A comparison reports none: the target may have disabled it, since it sends what was due.
        if self._write:
            for endpoint in there - here.keys():  # enabled here since a former run
                self._target.deliveries.enable_endpoint(owner, endpoint)
                self._outcome.copied["endpoints"] += 1

    def _step(self, kind: str, subject: str, write: Callable[[], None], *, is_same: bool) -> None:
        self._outcome.seen[kind] += 1
        if is_same:
            return
        if not self._write:
            self._outcome.problems.append(f"{subject}: it is missing or differs")
            return
        write()
        self._outcome.copied[kind] += 1


def _named(key: ApiKey) -> str:
    return f"key {key.hash[:8]} of {key.owner}"


def _unused(key: ApiKey) -> ApiKey:
    return replace(key, last_used_at=None)


def _same_policy(policy: OwnerPolicy, there: OwnerPolicy) -> bool:
    """Compare policies; the target may have applied one further."""
    return (policy.policy, policy.set_at) == (there.policy, there.set_at)
