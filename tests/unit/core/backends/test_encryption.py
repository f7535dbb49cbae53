"""Encryption of stored secrets."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backends.encryption import (
    DamagedSecret,
    EncryptionKeyMissing,
    SecretKeys,
    key_id,
    new_key,
    read_keys,
)
from core.domain.errors import Unavailable
from core.runtime.settings import BadSetting

OLD, NEW = bytes(32), bytes(range(32))
PLACE = "secrets of anna"


@given(secret=st.text(), place=st.text())
def test_secret_is_decrypted_at_its_place(secret: str, place: str) -> None:
    keys = SecretKeys([NEW])
    assert keys.decrypt(keys.encrypt(secret, place), place) == secret


def test_encrypted_secret_does_not_contain_it_and_differs_each_time() -> None:
    keys = SecretKeys([NEW])
    first, second = (keys.encrypt("whsec_secret", PLACE) for _ in range(2))
    assert first != second
    for each in (first, second):
        assert "secret" not in each
        assert each.startswith(f"enc1.{key_id(NEW)}.")
        assert keys.is_current(each)


def test_without_keys_secrets_stay_plain() -> None:
    keys = SecretKeys()
    assert not keys
    assert keys.encrypt("whsec_a", PLACE) == keys.decrypt("whsec_a", PLACE) == "whsec_a"
    assert keys.is_current("whsec_a")


def test_plain_secrets_of_before_remain_readable() -> None:
    keys = SecretKeys([NEW])
    assert keys.decrypt("whsec_a", PLACE) == "whsec_a"
    assert not keys.is_current("whsec_a")


def test_first_key_encrypts_and_all_decrypt() -> None:
    stored = SecretKeys([OLD]).encrypt("whsec_a", PLACE)
    both = SecretKeys([NEW, OLD])
    assert both.decrypt(stored, PLACE) == "whsec_a"
    assert not both.is_current(stored)
    assert SecretKeys([NEW]).decrypt(both.encrypt("whsec_a", PLACE), PLACE) == "whsec_a"


@pytest.mark.parametrize("keys", [SecretKeys(), SecretKeys([NEW])])
def test_missing_key_is_an_error_that_names_it(keys: SecretKeys) -> None:
    """A temporary one, so that a webhook waits for the operator."""
    stored = SecretKeys([OLD]).encrypt("whsec_a", PLACE)
    for call in (lambda: keys.decrypt(stored, PLACE), lambda: keys.check(["whsec_b", stored])):
        with pytest.raises(EncryptionKeyMissing, match=key_id(OLD)) as error:
            call()
        assert "LABELLING_ENCRYPTION_KEYS" in str(error.value)
        assert isinstance(error.value, Unavailable)


def test_id_of_a_key_does_not_contain_it() -> None:
    assert key_id(OLD) != key_id(NEW)
    assert key_id(NEW) not in NEW.hex()


@pytest.mark.parametrize("cut", [slice(0, 20), slice(0, -4), slice(4, None)])
def test_changed_secret_is_an_error(cut: slice) -> None:
    keys = SecretKeys([NEW])
    head, _, text = keys.encrypt("whsec_a", PLACE).rpartition(".")
    changed = base64.b64encode(base64.b64decode(text)[cut]).decode()
    with pytest.raises(DamagedSecret, match="secrets of anna"):
        keys.decrypt(f"{head}.{changed}", PLACE)


def test_secret_moved_to_another_place_is_an_error() -> None:
    """A program that writes the database can't give an owner the secret of another."""
    keys = SecretKeys([NEW])
    with pytest.raises(DamagedSecret):
        keys.decrypt(keys.encrypt("whsec_a", PLACE), "secrets of boris")


def test_keys_are_read_in_their_order() -> None:
    texts = [new_key(), new_key()]
    stored = read_keys(texts).encrypt("whsec_a", PLACE)
    assert read_keys(texts[:1]).decrypt(stored, PLACE) == "whsec_a"
    assert not read_keys([])


@pytest.mark.parametrize("text", ["", "wrong", "AAAA", base64.b64encode(bytes(31)).decode(), "ü"])
def test_text_that_is_not_a_key_is_a_bad_setting(text: str) -> None:
    """The message does not repeat what may be a secret."""
    with pytest.raises(BadSetting, match="create-key") as error:
        read_keys([new_key(), text])
    assert not text or text not in str(error.value)
