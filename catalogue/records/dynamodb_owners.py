"""Owners and API keys on DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalogue.clock import from_text, to_text
from catalogue.errors import AlreadyExists, Unavailable
from catalogue.records.base import ApiKey, Owner
from catalogue.records.dynamodb import BY_LIST, ConditionFailed, Item, Table, key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_KEYS = "keys"


class DynamoOwners:
    """Owners in a `Table`; `make_secret` makes a new owner's first webhook secret."""

    def __init__(self, table: Table, make_secret: Callable[[], str]) -> None:
        self._table = table
        self._make_secret = make_secret

    def owner(self, owner_id: str) -> Owner:
        """Return the owner, made at first sight."""
        keys = f"owner#{owner_id}", "owner"
        item = self._table.get(*keys)
        if item is None:
            secrets = {"L": [{"S": self._make_secret()}]}
            try:
                made = {**key(*keys), "webhook_secrets": secrets}
                self._table.put(made, "attribute_not_exists(pk)")
            except ConditionFailed:
                item = self._table.get(*keys)  # made by another meanwhile
            else:
                item = made
        if item is None:
            raise Unavailable(f"The record of owner {owner_id} comes and goes.")
        return Owner(owner_id, tuple(each["S"] for each in item["webhook_secrets"]["L"]))

    def add_key(self, key: ApiKey) -> None:
        """Keep an API key's record. Raises AlreadyExists."""
        try:
            self._table.put(_key_to_item(key), "attribute_not_exists(pk)")
        except ConditionFailed as exc:
            raise AlreadyExists(key.hash) from exc

    def find_key(self, key_hash: str) -> ApiKey | None:
        """Return the record of the key with that SHA-256."""
        item = self._table.get(*_keys(key_hash))
        return _key_from_item(item) if item else None

    def list_keys(self) -> Sequence[ApiKey]:
        """List all API keys, oldest first."""
        items = self._table.query_all("#list = :list", {"list": {"S": _KEYS}}, index=BY_LIST)
        return [_key_from_item(item) for item in items]

    def remove_key(self, key_hash: str) -> bool:
        """Forget a key. False when there was none."""
        try:
            self._table.delete(*_keys(key_hash), "attribute_exists(pk)")
        except ConditionFailed:
            return False
        return True


def _keys(key_hash: str) -> tuple[str, str]:
    return f"key#{key_hash}", "key"


def _key_to_item(api_key: ApiKey) -> Item:
    return {
        **key(*_keys(api_key.hash)),
        "owner": {"S": api_key.owner},
        "name": {"S": api_key.name},
        "list": {"S": _KEYS},
        "at": {"S": to_text(api_key.created_at)},
    }


def _key_from_item(item: Item) -> ApiKey:
    return ApiKey(
        item["pk"]["S"].removeprefix("key#"),
        item["owner"]["S"],
        item["name"]["S"],
        from_text(item["at"]["S"]),
    )
