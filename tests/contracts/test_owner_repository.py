"""What every store of owners and API keys keeps to."""

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


def test_an_owner_is_made_at_first_sight(owners: OwnerRepository) -> None:
    """With one secret of its own, for good."""
    anna, bert = owners.get_or_create("anna"), owners.get_or_create("bert")
    assert anna == Owner("anna", anna.webhook_secrets)
    assert len(anna.webhook_secrets) == 1
    assert anna.webhook_secrets != bert.webhook_secrets
    assert owners.get_or_create("anna") == anna


def test_an_owner_first_seen_by_many_at_once_has_one_secret(owners: OwnerRepository) -> None:
    """Each caller gets the one that is stored."""
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(owners.get_or_create, ["anna"] * 16))
    assert seen == {owners.get_or_create("anna")}


def test_looking_for_an_owner_makes_none(owners: OwnerRepository) -> None:
    """Until it has been seen there is none."""
    assert owners.find_owner("anna") is None
    assert owners.find_owner("anna") is None
    anna = owners.get_or_create("anna")
    assert owners.find_owner("anna") == anna


def test_an_owner_is_saved_whole(owners: OwnerRepository) -> None:
    """Secrets and keys, with their ends; other owners stay as they are."""
    anna, bert = owners.get_or_create("anna"), owners.get_or_create("bert")
    assert owners.save_owner(SIGNED, anna) is True
    assert owners.get_or_create("anna") == owners.find_owner("anna") == SIGNED
    assert owners.get_or_create("bert") == bert
    assert owners.save_owner(anna, SIGNED) is True
    assert owners.get_or_create("anna") == anna


def test_a_record_that_was_changed_meanwhile_is_not_overwritten(owners: OwnerRepository) -> None:
    """Nor is one made that isn't there."""
    anna = owners.get_or_create("anna")
    assert owners.save_owner(SIGNED, anna)
    assert owners.save_owner(replace(anna, webhook_keys=()), anna) is False
    assert owners.get_or_create("anna") == SIGNED
    assert owners.save_owner(replace(SIGNED, id="bert"), Owner("bert")) is False
    assert owners.find_owner("bert") is None


def test_changes_at_the_same_time_are_all_made(owners: OwnerRepository) -> None:
    """One after the other, each upon what the one before left."""
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


def test_a_change_whose_answer_was_lost_is_made_once(owners: OwnerRepository) -> None:
    """As when DynamoDB's client repeats a write that was done: its condition holds no more."""

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


def test_what_others_change_all_the_time_is_given_up(owners: OwnerRepository) -> None:
    """So that the caller may try again."""

    class Busy:
        get_or_create = staticmethod(owners.get_or_create)

        def save_owner(self, owner: Owner, replaced: Owner) -> bool:
            return False

    busy: Any = Busy()
    before = owners.get_or_create("anna")
    with pytest.raises(Unavailable, match="anna"):
        update_owner(busy, "anna", lambda anna: with_new_secret(anna, "whsec_new", NOON))
    assert owners.get_or_create("anna") == before


def test_a_key_is_found_by_its_hash(owners: OwnerRepository) -> None:
    """With all that was kept of it."""
    owners.add_key(KEY)
    assert owners.find_key(KEY.hash) == KEY
    assert owners.find_key("cd" * 32) is None
    assert owners.find_key(KEY.hash[:-1]) is None


def test_a_keys_scopes_and_end_are_kept(owners: OwnerRepository) -> None:
    """To the millisecond; none of them is none, not all."""
    keys = [
        replace(KEY, scopes=frozenset({Scope.READ, Scope.UPLOAD}), expires_at=NOON),
        replace(KEY, hash="cd" * 32, scopes=frozenset()),
    ]
    for key in keys:
        owners.add_key(key)
    assert [owners.find_key(key.hash) for key in keys] == keys
    assert sorted(owners.list_keys(), key=lambda key: key.hash) == keys


def test_a_key_is_kept_once(owners: OwnerRepository) -> None:
    """Another owner can't take it over."""
    owners.add_key(KEY)
    with pytest.raises(AlreadyExists):
        owners.add_key(replace(KEY, owner="bert"))
    assert owners.find_key(KEY.hash) == KEY


def test_keys_are_listed_oldest_first(owners: OwnerRepository) -> None:
    """Of every owner."""
    assert list(owners.list_keys()) == []
    keys = [
        ApiKey(mark * 32, owner, mark, NOON + timedelta(seconds=n))
        for n, (mark, owner) in enumerate([("ff", "anna"), ("00", "bert"), ("77", "anna")])
    ]
    for key in reversed(keys):
        owners.add_key(key)
    assert list(owners.list_keys()) == keys


def test_a_removed_key_opens_nothing(owners: OwnerRepository) -> None:
    """The others still do."""
    other = replace(KEY, hash="cd" * 32)
    owners.add_key(KEY)
    owners.add_key(other)
    assert owners.remove_key(KEY.hash) is True
    assert owners.remove_key(KEY.hash) is False
    assert owners.find_key(KEY.hash) is None
    assert list(owners.list_keys()) == [other]
