"""Owners' secrets at rest, on every store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.backends.encryption import EncryptionKeyMissing, SecretKeys
from core.domain.owner import Owner, WebhookKey, WebhookSecret, with_new_secret
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.ports.owners import OwnerRepository, update_owner
from core.repositories.sqlite.owners import SqliteOwnerRepository
from embedded.data.encryption import check_owners, encrypt_owners
from tests.support.blobs import NOON

OLD, NEW = bytes(32), bytes(range(32))
FIRST = "whsec_first+secret"
SIGNED = Owner(
    "anna",
    (WebhookSecret("whsec_second+secret"), WebhookSecret(FIRST, NOON)),
    (WebhookKey("whsk_private+secret", "whpk_public"),),
)

Open = Callable[..., OwnerRepository]


@pytest.fixture
def opened(store: str, request: pytest.FixtureRequest) -> Open:
    """Open the owners of the same store with other keys."""

    def make(*keys: bytes) -> OwnerRepository:
        if store == "sqlite":
            database = request.getfixturevalue("database")
            return SqliteOwnerRepository(database, lambda: FIRST, SecretKeys(keys))
        table = request.getfixturevalue("table")
        return DynamoOwnerRepository(table, lambda: FIRST, SecretKeys(keys))

    return make


@pytest.fixture
def all_stored(store: str, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Return everything that the store holds, as one text."""

    def of_sqlite() -> str:
        database: Any = request.getfixturevalue("database")
        with database.erasing():
            pass
        folder = request.getfixturevalue("tmp_path")
        return "".join(
            file.read_bytes().decode("latin-1") for file in folder.glob("labelling.sqlite*")
        )

    def of_dynamodb() -> str:
        table: Any = request.getfixturevalue("table")
        return str(table._client.scan(TableName=table._name)["Items"])

    return of_sqlite if store == "sqlite" else of_dynamodb


def test_no_plain_secret_is_stored(opened: Open, all_stored: Callable[[], str]) -> None:
    """Neither the first one nor those of a rotation; the public half of a key is."""
    owners = opened(NEW)
    anna = owners.get_or_create("anna")
    assert anna.secrets_at(NOON) == [FIRST]
    assert owners.save_owner(SIGNED, anna)
    assert owners.find_owner("anna") == opened(NEW).get_or_create("anna") == SIGNED
    assert "whpk_public" in all_stored()
    assert "+secret" not in all_stored()


def test_without_a_key_secrets_are_stored_as_they_are(
    opened: Open, all_stored: Callable[[], str]
) -> None:
    opened().get_or_create("anna")
    assert FIRST in all_stored()


def test_stored_secrets_of_all_owners_are_listed(opened: Open) -> None:
    owners = opened()
    owners.save_owner(SIGNED, owners.get_or_create("anna"))
    owners.get_or_create("Zoë #1")
    assert dict(owners.stored_secrets()) == {
        "anna": ("whsec_second+secret", FIRST, "whsk_private+secret"),
        "Zoë #1": (FIRST,),
    }


def test_plain_secrets_are_encrypted_on_demand(
    opened: Open, all_stored: Callable[[], str], store: str, request: pytest.FixtureRequest
) -> None:
    """Until then they are readable. Nothing is left of them in SQLite's files either."""
    opened().save_owner(SIGNED, opened().get_or_create("anna"))
    opened().get_or_create("boris")
    owners = opened(NEW)
    assert owners.find_owner("anna") == SIGNED
    if store == "sqlite":
        with request.getfixturevalue("database").erasing():
            assert encrypt_owners(owners, SecretKeys([NEW])) == 2
    else:
        assert encrypt_owners(owners, SecretKeys([NEW])) == 2
    assert owners.find_owner("anna") == SIGNED
    assert owners.get_or_create("boris").secrets_at(NOON) == [FIRST]
    assert "+secret" not in all_stored()
    assert encrypt_owners(owners, SecretKeys([NEW])) == 0


def test_key_is_replaced_by_another(opened: Open) -> None:
    """Both are known while the secrets change over; then the old one can go."""
    opened(OLD).get_or_create("anna")
    assert encrypt_owners(opened(NEW, OLD), SecretKeys([NEW, OLD])) == 1
    assert opened(NEW).get_or_create("anna").secrets_at(NOON) == [FIRST]
    with pytest.raises(EncryptionKeyMissing):
        opened(OLD).find_owner("anna")


def test_wrong_or_missing_key_changes_nothing(opened: Open) -> None:
    opened(OLD).get_or_create("anna")
    opened().get_or_create("boris")
    for keys in ((), (NEW,)):
        owners = opened(*keys)
        with pytest.raises(EncryptionKeyMissing):
            check_owners(owners, SecretKeys(keys))
        with pytest.raises(EncryptionKeyMissing):
            encrypt_owners(owners, SecretKeys(keys))
        with pytest.raises(EncryptionKeyMissing):
            update_owner(owners, "anna", lambda anna: with_new_secret(anna, "whsec_x", NOON))
    assert dict(opened().stored_secrets())["boris"] == (FIRST,)
    check_owners(opened(OLD), SecretKeys([OLD]))


def test_change_during_the_encryption_is_kept(opened: Open) -> None:
    """A rotation between its read and its write."""
    opened().get_or_create("anna")
    keys = SecretKeys([NEW])
    rotated = opened(NEW)
    owners: Any = opened(NEW)
    save, saves = owners.save_owner, []

    def save_after_a_rotation(owner: Owner, replaced: Owner) -> bool:
        if not saves:
            other = rotated.get_or_create("anna")
            assert rotated.save_owner(replace(SIGNED, webhook_keys=()), other)
        saves.append(owner)
        return bool(save(owner, replaced))

    owners.save_owner = save_after_a_rotation
    encrypt_owners(owners, keys)
    assert len(saves) == 2
    assert opened(NEW).find_owner("anna") == replace(SIGNED, webhook_keys=())
