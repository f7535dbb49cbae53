"""Scopes as attributes of an item.

`granted` has them. `scopes` is what versions read that know neither EDIT nor DELETE; an item that
such a version wrote has it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.scope import Scope, for_earlier, from_earlier
from core.repositories.serialization import marshal, unmarshal

if TYPE_CHECKING:
    from core.repositories.dynamodb.expressions import Item


def scopes_to_item(scopes: frozenset[Scope]) -> Item:
    """Return the attributes of scopes."""
    return {"granted": marshal(sorted(scopes)), "scopes": marshal(sorted(for_earlier(scopes)))}


def scopes_from_item(item: Item) -> frozenset[Scope] | None:
    """Return the scopes of an item; None if it has none."""
    if "granted" in item:
        return frozenset(map(Scope, unmarshal(item["granted"])))
    return from_earlier(unmarshal(item["scopes"])) if "scopes" in item else None
