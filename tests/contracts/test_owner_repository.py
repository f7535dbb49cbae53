"""The contract of every owner repository."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.domain.errors import AlreadyExists, Unavailable
from core.domain.owner import Owner, WebhookKey, WebhookSecret, with_new_secret
from core.domain.scope import Scope
from core.repositories.ports.owners import ApiKey, OwnerRepository, update_owner
from tests.support.blobs import NOON

SIGNED = Owner(
    "anna",
    (WebhookSecret("whsec_b"), WebhookSecret("whsec_a", NOON)),
    (WebhookKey("whsk_b", "whpk_b"), WebhookKey("whsk_a", "whpk_a", NOON)),
)
KEY = ApiKey("ab" * 32, "anna", "laptop", NOON)


def test_owner_is_created_on_first_use(owners: OwnerRepository) -> None:
    """With a secret of its own, which stays."""
    anna, bert = owners.get_or_create("anna"), owners.get_or_create("bert")
    assert anna == Owner("anna", anna.webhook_secrets)
    assert len(anna.webhook_secrets) == 1
    assert anna.webhook_secrets != bert.webhook_secrets
    assert owners.get_or_create("anna") == anna


def test_owner_created_concurrently_has_one_secret(owners: OwnerRepository) -> None:
    """Every caller gets the stored one."""
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(owners.get_or_create, ["anna"] * 16))
    assert seen == {owners.get_or_create("anna")}


def test_find_creates_no_owner(owners: OwnerRepository) -> None:
    assert owners.find_owner("anna") is None
    assert owners.find_owner("anna") is None
    anna = owners.get_or_create("anna")
    assert owners.find_owner("anna") == anna


def test_owner_is_saved_completely(owners: OwnerRepository) -> None:
    """Secrets and keys, with their expiry; other owners do not change."""
    anna, bert = owners.get_or_create("anna"), owners.get_or_create("bert")
    assert owners.save_owner(SIGNED, anna) is True
    assert owners.get_or_create("anna") == owners.find_owner("anna") == SIGNED
    assert owners.get_or_create("bert") == bert
    assert owners.save_owner(anna, SIGNED) is True
    assert owners.get_or_create("anna") == anna


def test_changed_owner_is_not_overwritten(owners: OwnerRepository) -> None:
    """Nor is a missing one created."""
    anna = owners.get_or_create("anna")
    assert owners.save_owner(SIGNED, anna)
    assert owners.save_owner(replace(anna, webhook_keys=()), anna) is False
    assert owners.get_or_create("anna") == SIGNED
    assert owners.save_owner(replace(SIGNED, id="bert"), Owner("bert")) is False
    assert owners.find_owner("bert") is None


def test_concurrent_updates_are_all_made(owners: OwnerRepository) -> None:
    """One after the other, each with the result of the one before."""
    owners.get_or_create("anna")

    def add(number: int) -> Owner:
        def change(owner: Owner) -> Owner:
            return replace(
                owner, webhook_secrets=(*owner.webhook_secrets, WebhookSecret(f"whsec_+{number}"))
            )

        return update_owner(owners, "anna", change)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, range(6)))
    values = [each.value for each in owners.get_or_create("anna").webhook_secrets]
    assert sorted(values[1:]) == [f"whsec_+{number}" for number in range(6)]


def test_update_with_a_lost_response_is_made_once(owners: OwnerRepository) -> None:
    """DynamoDB's client may repeat a write that succeeded: then its condition is false."""

    class Lossy:
        get_or_create = staticmethod(owners.get_or_create)

        def save_owner(self, owner: Owner, replaced: Owner) -> bool:
            owners.save_owner(owner, replaced)
            return False

    lossy: Any = Lossy()
    changed = update_owner(lossy, "anna", lambda anna: with_new_secret(anna, "whsec_new", NOON))
    assert owners.get_or_create("anna") == changed
    assert [each.value for each in changed.webhook_secrets[:1]] == ["whsec_new"]
    assert len(changed.webhook_secrets) == 2


def test_update_gives_up_if_others_always_win(owners: OwnerRepository) -> None:
    """The caller may try again."""

    class Busy:
        get_or_create = staticmethod(owners.get_or_create)

        def save_owner(self, owner: Owner, replaced: Owner) -> bool:
            return False

    busy: Any = Busy()
    before = owners.get_or_create("anna")
    with pytest.raises(Unavailable, match="anna"):
        update_owner(busy, "anna", lambda anna: with_new_secret(anna, "whsec_new", NOON))
    assert owners.get_or_create("anna") == before


def test_key_is_found_by_its_hash(owners: OwnerRepository) -> None:
    """With all its fields."""
    owners.add_key(KEY)
    assert owners.find_key(KEY.hash) == KEY
    assert owners.find_key("cd" * 32) is None
    assert owners.find_key(KEY.hash[:-1]) is None


def test_scopes_and_expiry_of_a_key_are_stored(owners: OwnerRepository) -> None:
    """To the millisecond; no scopes means none, not all."""
    keys = [
        replace(KEY, scopes=frozenset({Scope.READ, Scope.UPLOAD}), expires_at=NOON),
        replace(KEY, hash="cd" * 32, scopes=frozenset()),
        replace(KEY, hash="ce" * 32, scopes=frozenset(Scope)),
        replace(KEY, hash="cf" * 32, scopes=frozenset({Scope.EDIT, Scope.DELETE})),
    ]
    for key in keys:
        owners.add_key(key)
    assert [owners.find_key(key.hash) for key in keys] == keys
    assert sorted(owners.list_keys(), key=lambda key: key.hash) == keys


def test_key_is_unique(owners: OwnerRepository) -> None:
    """Another owner cannot have the same."""
    owners.add_key(KEY)
    with pytest.raises(AlreadyExists):
        owners.add_key(replace(KEY, owner="bert"))
    assert owners.find_key(KEY.hash) == KEY


def test_keys_are_listed_oldest_first(owners: OwnerRepository) -> None:
    """Of all owners."""
    assert list(owners.list_keys()) == []
    keys = [
        ApiKey(mark * 32, owner, mark, NOON + timedelta(seconds=n))
        for n, (mark, owner) in enumerate([("ff", "anna"), ("00", "bert"), ("77", "anna")])
    ]
    for key in reversed(keys):
        owners.add_key(key)
    assert list(owners.list_keys()) == keys


def test_last_use_of_a_key_is_stored(owners: OwnerRepository) -> None:
    owners.add_key(KEY)
    for hours in (1, 2):
        at = NOON + timedelta(hours=hours)
        owners.note_key_use(KEY.hash, at)
        assert owners.find_key(KEY.hash) == replace(KEY, last_used_at=at)
    owners.note_key_use("cd" * 32, NOON)
    assert [key.hash for key in owners.list_keys()] == [KEY.hash]


def test_key_expires_at_the_earlier_of_its_ends(owners: OwnerRepository) -> None:
    owners.add_key(KEY)
    for end, expected in ((9, 9), (5, 5), (7, 5)):
        assert owners.end_key(KEY.hash, NOON + timedelta(hours=end))
        assert owners.find_key(KEY.hash) == replace(
            KEY, expires_at=NOON + timedelta(hours=expected)
        )
    assert not owners.end_key("cd" * 32, NOON)
    assert owners.find_key("cd" * 32) is None


def test_removed_key_is_not_found(owners: OwnerRepository) -> None:
    """The others are."""
    other = replace(KEY, hash="cd" * 32)
    owners.add_key(KEY)
    owners.add_key(other)
    assert owners.remove_key(KEY.hash) is True
    assert owners.remove_key(KEY.hash) is False
    assert owners.find_key(KEY.hash) is None
    assert list(owners.list_keys()) == [other]
