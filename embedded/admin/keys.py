"""API keys, without what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.domain.api_key import id_of_key
from core.domain.clock import to_text
from core.domain.errors import InvalidValue

if TYPE_CHECKING:
    from core.repositories.ports.owners import ApiKey, OwnerRepository


def find_key(owners: OwnerRepository, key_id: str) -> ApiKey:
    """Return the key whose id starts so. Raises InvalidValue unless there is exactly one."""
    known = owners.list_keys() if key_id else ()
    found = [key for key in known if key.hash.startswith(key_id)]
    if not found:
        raise InvalidValue(
            "id", f"no key has an id that starts with {key_id!r}: see 'labelling keys list'"
        )
    if len(found) > 1:
        raise InvalidValue(
            "id",
            f"{len(found)} keys have an id that starts with {key_id!r}: give more of the id that "
            "'labelling keys list' shows",
        )
    return found[0]


def key_record(key: ApiKey) -> dict[str, Any]:
    """Return what is known of a key, as JSON values."""
    return {
        "id": id_of_key(key.hash),
        "created_at": to_text(key.created_at),
        "owner": key.owner,
        "scopes": sorted(key.scopes),
        "expires_at": key.expires_at and to_text(key.expires_at),
        "last_used_at": key.last_used_at and to_text(key.last_used_at),
        "name": key.name,
    }
