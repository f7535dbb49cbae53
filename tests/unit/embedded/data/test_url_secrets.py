"""The secrets that sign URLs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.backends.encryption import EncryptionKeyMissing, SecretKeys
from core.backends.sqlite import Database
from core.domain.errors import Unavailable
from embedded.data import url_secrets
from embedded.data.url_secrets import UrlSecrets

OLD, NEW = bytes(32), bytes(range(32))
HOUR = timedelta(hours=1)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of the cache, which a test moves."""
    at = [0.0]
    monkeypatch.setattr(url_secrets.time, "monotonic", lambda: at[0])
    return at


def test_secret_is_made_once(database: Database, clock: Any) -> None:
    (secret,) = UrlSecrets(database, SecretKeys(), clock)()
    assert len(secret) == 32
    assert UrlSecrets(database, SecretKeys(), clock)() == [secret]


def test_secret_of_an_earlier_version_is_used(database: Database, clock: Any) -> None:
    database.get_or_create("url_secret", lambda: "ab" * 32)
    assert UrlSecrets(database, SecretKeys([NEW]), clock)() == [b"\xab" * 32]


def test_replaced_secret_is_valid_during_the_overlap(database: Database, clock: Any) -> None:
    secrets = UrlSecrets(database, SecretKeys(), clock)
    (first,) = secrets()
    secrets.rotate(HOUR)
    second, *others = secrets()
    assert others == [first]
    assert second != first
    clock.advance(HOUR / 2)
    secrets.rotate(HOUR)
    third, *others = secrets()
    assert others == [second, first]
    clock.advance(HOUR / 2)
    assert UrlSecrets(database, SecretKeys(), clock)() == [third, second]


def test_rotation_without_overlap_ends_all_old_secrets(database: Database, clock: Any) -> None:
    secrets = UrlSecrets(database, SecretKeys(), clock)
    secrets.rotate(HOUR)
    old = secrets()
    secrets.rotate(timedelta())
    (new,) = secrets()
    assert new not in old


def test_rotation_shortens_the_overlap_of_earlier_ones(database: Database, clock: Any) -> None:
    secrets = UrlSecrets(database, SecretKeys(), clock)
    secrets.rotate(2 * HOUR)
    secrets.rotate(HOUR)
    assert len(secrets()) == 3
    clock.advance(HOUR)
    assert len(UrlSecrets(database, SecretKeys(), clock)()) == 1


def test_many_rotations_keep_few_secrets(database: Database, clock: Any) -> None:
    secrets = UrlSecrets(database, SecretKeys(), clock)
    for _ in range(20):
        secrets.rotate(HOUR)
        clock.advance(timedelta(seconds=1))
    assert len(UrlSecrets(database, SecretKeys(), clock)()) == 6


def test_running_service_uses_what_another_process_rotated(
    database: Database, clock: Any, now: list[float]
) -> None:
    """After a second."""
    service = UrlSecrets(database, SecretKeys(), clock)
    UrlSecrets(database, SecretKeys(), clock).rotate(HOUR)
    assert len(service()) == 1
    now[0] = 1.0
    assert len(service()) == 2


@pytest.mark.parametrize("problem", [Unavailable("busy"), EncryptionKeyMissing("ab")])
def test_secrets_are_kept_while_they_cannot_be_read(
    database: Database,
    clock: Any,
    now: list[float],
    monkeypatch: pytest.MonkeyPatch,
    problem: Unavailable,
) -> None:
    secrets = UrlSecrets(database, SecretKeys(), clock)
    known = secrets()

    def fail(_: object) -> None:
        raise problem

    monkeypatch.setattr(url_secrets, "_read", fail)
    now[0] = 1.0
    assert secrets() == known


def test_no_plain_secret_is_stored(database: Database, clock: Any, tmp_path: Path) -> None:
    """After the command; before, they are as they were."""
    plain = UrlSecrets(database, SecretKeys(), clock)
    plain.rotate(HOUR)
    known = plain()
    keys = SecretKeys([NEW])
    with database.erasing():
        assert UrlSecrets(database, keys, clock).encrypt() is True
    assert UrlSecrets(database, keys, clock)() == known
    files = b"".join(each.read_bytes() for each in tmp_path.glob("labelling.sqlite*"))
    assert not any(secret.hex().encode() in files for secret in known)
    assert UrlSecrets(database, keys, clock).encrypt() is False


def test_encryption_key_is_replaced(database: Database, clock: Any) -> None:
    known = UrlSecrets(database, SecretKeys([OLD]), clock)()
    UrlSecrets(database, SecretKeys([NEW, OLD]), clock).encrypt()
    assert UrlSecrets(database, SecretKeys([NEW]), clock)() == known
    with pytest.raises(EncryptionKeyMissing):
        UrlSecrets(database, SecretKeys([OLD]), clock)
