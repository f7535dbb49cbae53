"""Owners' label policies on SQLite."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from core.domain.clock import epoch_ms, from_epoch_ms
from core.repositories.policy_documents import policy_from_document, policy_to_document
from core.repositories.ports.policies import OwnerPolicy
from core.repositories.sqlite.versioned import put_next

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.label_policy import LabelPolicy


class SqlitePolicyRepository:
    """Policies in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, owner: str) -> OwnerPolicy:
        """Return an owner's policy."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT document, version, set_at, after, examined, finished_at"
                " FROM label_policies WHERE owner = ?",
                (owner,),
            ).fetchone()
        if row is None:
            return OwnerPolicy()
        document, version, set_at, after, examined, finished_at = row
        return OwnerPolicy(
            _policy(document, version),
            from_epoch_ms(set_at),
            after,
            examined,
            None if finished_at is None else from_epoch_ms(finished_at),
        )

    def replace(self, owner: str, policy: LabelPolicy, at: datetime) -> bool:
        """Store a policy in place of that with the version before. Return False if it has another.

        It is on disk when this returns.
        """
        return put_next(
            self._database,
            "label_policies",
            owner,
            json.dumps(policy_to_document(policy)),
            policy.version,
            at,
            also=", after = NULL, examined = 0, finished_at = NULL",
        )

    def record_progress(self, owner: str, new: OwnerPolicy, replaced: OwnerPolicy) -> bool:
        """Record how far a policy has been applied. Return False if that changed meanwhile."""
        finished_at = None if new.finished_at is None else epoch_ms(new.finished_at)
        # A power cut also undoes the blobs' last changes.
        with self._database.write(synced=False) as connection:
            cursor = connection.execute(
                "UPDATE label_policies SET after = ?, examined = ?, finished_at = ?"
                " WHERE owner = ? AND version = ? AND after IS ? AND finished_at IS NULL",
                (
                    new.after,
                    new.examined,
                    finished_at,
                    owner,
                    replaced.policy.version,
                    replaced.after,
                ),
            )
            return cursor.rowcount == 1

    def find_unfinished(self) -> Sequence[str]:
        """Return the owners whose policies have not been applied to all stored blobs."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT owner FROM label_policies WHERE finished_at IS NULL ORDER BY owner"
            ).fetchall()
        return [owner for (owner,) in rows]


# Blobs are labelled with the same few policies.
@lru_cache(maxsize=64)
def _policy(document: str, version: int) -> LabelPolicy:
    return policy_from_document(json.loads(document), version)
