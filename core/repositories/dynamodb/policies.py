"""Owners' label policies on DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import from_text, to_text
from core.repositories.dynamodb.expressions import Item, fits_key, key
from core.repositories.dynamodb.lists import text_of
from core.repositories.dynamodb.table import BY_LIST, ConditionFailed, Table
from core.repositories.dynamodb.versioned import put_next
from core.repositories.policy_documents import policy_from_document, policy_to_document
from core.repositories.ports.policies import OwnerPolicy
from core.repositories.serialization import compress_json, decompress_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.domain.label_policy import LabelPolicy

_PK: Final = "owner#"
_SK: Final = "policy"
_UNFINISHED: Final = "policies"  # the list of policies that are being applied


class DynamoPolicyRepository:
    """Policies in a `Table`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, owner: str) -> OwnerPolicy:
        """Return an owner's policy."""
        item = self._table.get(*_keys(owner)) if fits_key(owner) else None
        if item is None:
            return OwnerPolicy()
        document = decompress_json(item["document"]["B"])
        return OwnerPolicy(
            policy_from_document(document, int(item["version"]["N"])),
            from_text(text_of(item, "set_at")),
            text_of(item, "after") if "after" in item else None,
            int(item["examined"]["N"]),
            from_text(text_of(item, "finished_at")) if "finished_at" in item else None,
        )

    def replace(self, owner: str, policy: LabelPolicy, at: datetime) -> bool:
        """Store a policy in place of that with the version before.

        Return False if the stored one has another version.
        """
        new = OwnerPolicy(policy, at)
        if put_next(self._table, policy_to_item(owner, new), policy.version):
            return True
        stored = self.find(owner)
        return (stored.policy, stored.set_at) == (policy, at)

    def record_progress(self, owner: str, new: OwnerPolicy, replaced: OwnerPolicy) -> bool:
        """Record how far a policy has been applied. Return False if that changed meanwhile."""
        version = {"N": str(replaced.policy.version)}
        examined = {"N": str(replaced.examined)}
        place = {"after": {"S": replaced.after}} if replaced.after else {}
        condition = "#after = :after" if replaced.after else "attribute_not_exists(#after)"
        try:
            self._table.put(
                policy_to_item(owner, new),
                "#version = :version AND #examined = :examined"
                f" AND {condition} AND attribute_not_exists(#finished_at)",
                version=version,
                examined=examined,
                **place,
            )
        except ConditionFailed:
            return False
        return True

    def find_unfinished(self) -> Sequence[str]:
        """Return the owners whose policies have not been applied to all stored blobs."""
        items = self._table.query_all("#list = :list", {"list": {"S": _UNFINISHED}}, index=BY_LIST)
        return sorted(text_of(item, "pk").removeprefix(_PK) for item in items)


def _keys(owner: str) -> tuple[str, str]:
    return f"{_PK}{owner}", _SK


def policy_to_item(owner: str, stored: OwnerPolicy) -> Item:
    """Return an owner's policy as an item."""
    set_at = {"S": to_text(stored.set_at)} if stored.set_at else {"NULL": True}
    item: dict[str, Any] = {
        **key(*_keys(owner)),
        "version": {"N": str(stored.policy.version)},
        "document": {"B": compress_json(policy_to_document(stored.policy))},
        "set_at": set_at,
        "examined": {"N": str(stored.examined)},
    }
    if stored.after is not None:
        item["after"] = {"S": stored.after}
    if stored.finished_at is None:
        return {**item, "list": {"S": _UNFINISHED}, "at": set_at}
    return {**item, "finished_at": {"S": to_text(stored.finished_at)}}
