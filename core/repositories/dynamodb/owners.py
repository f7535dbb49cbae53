"""Owners and API keys on DynamoDB."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from core.backends.encryption import SecretKeys
from core.domain.clock import from_text, to_text
from core.domain.errors import AlreadyExists, Unavailable
from core.domain.owner import Owner, WebhookSecret
from core.domain.scope import ALL_SCOPES
from core.repositories.dynamodb.expressions import Item, key
from core.repositories.dynamodb.scopes import scopes_from_item, scopes_to_item
from core.repositories.dynamodb.table import BY_LIST, ConditionFailed, Table
from core.repositories.owner_documents import (
    owner_from_document,
    owner_to_document,
    stored_secrets,
)
from core.repositories.ports.owners import ApiKey
from core.repositories.serialization import marshal, unmarshal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

_KEYS = "keys"
_OWNER_PK = "owner#"
_OWNER_SK = "owner"
_OWNER = ("webhook_secrets", "webhook_keys")


class DynamoOwnerRepository:
    """Owners in a `Table`. `make_secret` returns the first webhook secret of a new owner."""

    def __init__(
        self, table: Table, make_secret: Callable[[], str], keys: SecretKeys | None = None
    ) -> None:
        self._table = table
        self._make_secret = make_secret
        self._keys = keys or SecretKeys()

    def get_or_create(self, owner_id: str) -> Owner:
        """Return an owner; create its record if there is none."""
        found = self.find_owner(owner_id)
        if found:
            return found
        made = Owner(owner_id, (WebhookSecret(self._make_secret()),))
        try:
            self._table.put(self._to_item(made), "attribute_not_exists(pk)")
        except ConditionFailed:  # another process created it
            found = self.find_owner(owner_id)
            if found is None:
                raise Unavailable(
                    f"The record of owner {owner_id} appears and disappears."
                ) from None
            return found
        return made

    def find_owner(self, owner_id: str) -> Owner | None:
        """Return an owner, if its record exists."""
        item = self._table.get(*_owner_keys(owner_id))
        return self._from_item(owner_id, item) if item else None

    def stored_secrets(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Yield each owner's id, and its secrets and private keys. It reads the whole table."""
        for item in self._table.scan_all("#sk = :sk", {"sk": {"S": _OWNER_SK}}):
            yield item["pk"]["S"].removeprefix(_OWNER_PK), stored_secrets(_document(item))

    def save_owner(self, owner: Owner, replaced: Owner) -> bool:
        """Replace an owner's record, as it was read. Return False if it has changed."""
        item = self._table.get(*_owner_keys(owner.id))
        if item is None or self._from_item(owner.id, item) != replaced:
            return False
        version = item.get("version")
        changed = {"version": {"N": str(int(version["N"]) + 1 if version else 1)}}
        condition = "#version = :version" if version else "attribute_not_exists(#version)"
        known = {"version": version} if version else {}
        try:
            self._table.put({**item, **self._to_item(owner), **changed}, condition, **known)
        except ConditionFailed:
            return False
        return True

    def _to_item(self, owner: Owner) -> Item:
        document = owner_to_document(owner, self._keys.encrypt)
        values = {name: marshal(value) for name, value in document.items()}
        return {**key(*_owner_keys(owner.id)), **values}

    def _from_item(self, owner_id: str, item: Item) -> Owner:
        return owner_from_document(owner_id, _document(item), self._keys.decrypt)

    def add_key(self, key: ApiKey) -> None:
        """Store an API key's record. Raises AlreadyExists."""
        try:
            self._table.put(_key_to_item(key), "attribute_not_exists(pk)")
        except ConditionFailed as exc:
            raise AlreadyExists(key.hash) from exc

    def find_key(self, key_hash: str) -> ApiKey | None:
        """Return the record of the key with this SHA-256, if there is one."""
        item = self._table.get(*_keys(key_hash))
        return _key_from_item(item) if item else None

    def list_keys(self) -> Sequence[ApiKey]:
        """Return the records of all API keys, oldest first."""
        listed = self._table.query_all("#list = :list", {"list": {"S": _KEYS}}, index=BY_LIST)
        # The index lacks attributes that keys got later: the projection of an index cannot change.
        items = self._table.get_many((each["pk"]["S"], each["sk"]["S"]) for each in listed)
        return sorted(map(_key_from_item, items), key=lambda found: found.created_at)

    def note_key_use(self, key_hash: str, at: datetime) -> None:
        """Store when a key was used, if it exists."""
        with suppress(ConditionFailed):
            self._table.update(
                *_keys(key_hash),
                "SET #used_at = :at",
                "attribute_exists(pk)",
                at={"S": to_text(at)},
            )

    def end_key(self, key_hash: str, at: datetime) -> bool:
        """Have a key expire at a time, or earlier if it would. Return False if there is none."""
        try:
            self._table.update(
                *_keys(key_hash),
                "SET #ends_at = :at",
                "attribute_exists(pk) AND (attribute_not_exists(#ends_at) OR #ends_at > :at)",
                at={"S": to_text(at)},
            )
        except ConditionFailed:
            return self.find_key(key_hash) is not None
        return True

    def remove_key(self, key_hash: str) -> bool:
        """Delete a key's record. Return False if there is none."""
        try:
            self._table.delete(*_keys(key_hash), "attribute_exists(pk)")
        except ConditionFailed:
            return False
        return True


def _owner_keys(owner_id: str) -> tuple[str, str]:
    return f"{_OWNER_PK}{owner_id}", _OWNER_SK


def _document(item: Item) -> dict[str, Any]:
    return {name: unmarshal(item[name]) for name in _OWNER if name in item}


def _keys(key_hash: str) -> tuple[str, str]:
    return f"key#{key_hash}", "key"


def _key_to_item(api_key: ApiKey) -> Item:
    return {
        **key(*_keys(api_key.hash)),
        "owner": {"S": api_key.owner},
        "name": {"S": api_key.name},
        "list": {"S": _KEYS},
        "at": {"S": to_text(api_key.created_at)},
        **scopes_to_item(api_key.scopes),
        **({"ends_at": {"S": to_text(api_key.expires_at)}} if api_key.expires_at else {}),
        **({"used_at": {"S": to_text(api_key.last_used_at)}} if api_key.last_used_at else {}),
    }


def _key_from_item(item: Item) -> ApiKey:
    scopes = scopes_from_item(item)
    return ApiKey(
        item["pk"]["S"].removeprefix("key#"),
        item["owner"]["S"],
        item["name"]["S"],
        from_text(item["at"]["S"]),
        # Keys that were created before there were scopes grant everything.
        ALL_SCOPES if scopes is None else scopes,
        from_text(item["ends_at"]["S"]) if "ends_at" in item else None,
        from_text(item["used_at"]["S"]) if "used_at" in item else None,
    )
