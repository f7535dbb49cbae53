"""Encryption keys and secrets, by commands beside the service."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.backends.encryption import EncryptionKeyMissing, read_keys
from core.domain.clock import utc_now
from embedded.cli.main import main
from embedded.data.encryption import check_owners, load_keys
from embedded.data.lock import hold
from embedded.data.url_secrets import UrlSecrets
from embedded.service import Service
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.aws.dynamodb import REGION, dynamodb_client, table_definition
from tests.support.aws.moto import moto_aws
from tests.support.images.detectors import ScriptedDetector, thumbnail_here
from tests.support.waiting import PATIENCE

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; return its status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(arguments)
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of a service without encryption."""
    data = tmp_path / "data"
    stores = open_stores(Settings(data=data))
    stores.owners.get_or_create("local")
    stores.database.close()
    return data


@pytest.fixture
def key_file(tmp_path: Path, run: Run) -> Path:
    file = tmp_path / "keys"
    status, key, _ = run("encryption", "create-key")
    assert status == 0
    file.write_text(key)
    return file


def files_of(data: Path) -> bytes:
    return b"".join(each.read_bytes() for each in data.glob("labelling.sqlite*"))


def test_stored_secrets_are_encrypted_by_a_command(run: Run, data: Path, key_file: Path) -> None:
    """They sign as before, and are not in the files any more."""
    on_data = ("--data", str(data))
    with_key = (*on_data, "--encryption-key-file", str(key_file))
    _, secret, _ = run("webhook-secret", *on_data)
    assert secret.strip().encode() in files_of(data)
    assert run("encryption", "apply", *with_key) == (0, "Encrypted the secrets of 1 owners.\n", "")
    assert secret.strip().encode() not in files_of(data)
    assert run("webhook-secret", *with_key) == (0, secret, "")
    assert run("encryption", "apply", *with_key)[1] == "Encrypted the secrets of 0 owners.\n"
    records = json.loads(run("audit", "list", "--json", *on_data)[1])
    assert {each["action"] for each in records} == {"secrets.encrypted"}


@contextmanager
def service_with(data: Path, *keys: str) -> Iterator[None]:
    """Have a service with some keys on a data folder."""
    service = Service(
        Settings(data=data, encryption_keys=keys),
        ScriptedDetector(),
        base_url="http://127.0.0.1:8000",
        keyless=True,
        make_thumbnail=thumbnail_here,
    )
    yield
    assert service._pools.stop(PATIENCE)
    service.stores.database.close()
    os.close(service._lock)


@pytest.mark.parametrize(
    "command",
    [
        ("encryption", "apply"),
        ("url-secret", "rotate"),
        ("webhook-secret", "--rotate"),
        ("webhook-keys", "create"),
    ],
    ids=" ".join,
)
def test_nothing_is_encrypted_with_a_key_that_the_running_service_lacks(
    run: Run, data: Path, key_file: Path, command: tuple[str, ...]
) -> None:
    arguments = (*command, "--data", str(data), "--encryption-key-file", str(key_file))
    (key,) = load_keys(Settings(encryption_key_file=key_file)).ids
    with service_with(data):
        status, out, error = run(*arguments)
        assert (status, out) == (1, "")
        assert f"started without the encryption key {key}" in error
        assert b"enc1." + key.encode() not in files_of(data)
        assert run("audit", "list", "--json", "--data", str(data))[1] == "[]\n"
    with service_with(data, key_file.read_text().strip()):
        assert run(*arguments)[0] == 0


def test_nothing_is_encrypted_beside_a_service_that_does_not_tell_its_keys(
    run: Run, data: Path, key_file: Path
) -> None:
    """As one of an earlier version, which may lack the key."""
    lock = hold(data)
    arguments = ("encryption", "apply", "--data", str(data), "--encryption-key-file", str(key_file))
    assert run(*arguments)[0] == 1
    os.close(lock)
    assert run(*arguments)[0] == 0


def test_apply_without_a_key_is_an_error(run: Run, data: Path) -> None:
    status, _, error = run("encryption", "apply", "--data", str(data))
    assert status == 2
    assert "create-key" in error


def test_command_without_the_key_says_which_is_missing(
    run: Run, data: Path, key_file: Path
) -> None:
    run("encryption", "apply", "--data", str(data), "--encryption-key-file", str(key_file))
    status, out, error = run("webhook-secret", "--data", str(data))
    assert (status, out) == (1, "")
    (key,) = load_keys(Settings(encryption_key_file=key_file))._keys
    assert f"encrypted with the key {key}, which was not given" in error


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "can't be read"), ("", "has no key"), ("abc", "32 bytes")]
)
def test_unusable_key_file_is_an_error(
    run: Run, data: Path, tmp_path: Path, content: str | None, problem: str
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_text(content)
    status, _, error = run(
        "serve", "--port", "0", "--data", str(data), "--encryption-key-file", str(file)
    )
    assert status == 2
    assert problem in error


def test_keys_of_file_and_variable_are_used_in_this_order(tmp_path: Path) -> None:
    first, second = "A" * 43 + "=", "B" * 42 + "A="
    file = tmp_path / "keys"
    file.write_text(f"{first}\n\n")
    keys = load_keys(Settings(encryption_key_file=file, encryption_keys=(second,)))
    stored = keys.encrypt("whsec_a", "x")
    assert read_keys([first]).is_current(stored)
    assert keys.decrypt(read_keys([second]).encrypt("whsec_b", "x"), "x") == "whsec_b"


def test_keys_are_not_in_the_representation_of_settings() -> None:
    assert "c2VjcmV0" not in repr(Settings(encryption_keys=("c2VjcmV0",)))


def test_service_with_another_key_does_not_start(data: Path, key_file: Path, run: Run) -> None:
    run("encryption", "apply", "--data", str(data), "--encryption-key-file", str(key_file))
    (missing,) = load_keys(Settings(encryption_key_file=key_file))._keys
    for keys in ((), ("A" * 43 + "=",)):
        stores = open_stores(Settings(data=data, encryption_keys=keys))
        with pytest.raises(EncryptionKeyMissing, match=missing):
            check_owners(stores.owners, stores.secret_keys)
        stores.database.close()


def test_url_secret_is_rotated_with_an_overlap(run: Run, data: Path) -> None:
    def secrets() -> list[bytes]:
        stores = open_stores(Settings(data=data))
        found = list(UrlSecrets(stores.database, stores.secret_keys, utc_now)())
        stores.database.close()
        return found

    (first,) = secrets()
    status, _, error = run("url-secret", "rotate", "--data", str(data))
    assert status == 0
    assert "URLs of the old secret work until" in error
    second, *others = secrets()
    assert others == [first]
    assert run("url-secret", "rotate", "--overlap", "0", "--data", str(data))[0] == 0
    (third,) = secrets()
    assert third not in (first, second)
    records = json.loads(run("audit", "list", "--json", "--data", str(data))[1])
    assert [each["action"] for each in records] == ["url-secret.rotated"] * 2


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with moto_aws():
        monkeypatch.setenv("AWS_REGION", REGION)
        dynamodb_client().create_table(TableName="records", **table_definition())
        yield "records"


def test_secrets_on_aws_are_encrypted_by_a_command(
    run: Run, table: str, data: Path, key_file: Path
) -> None:
    on_table = ("--table", table, "--data", str(data))
    _, secret, _ = run("webhook-secret", "--owner", "anna", "--new-owner", *on_table)
    with_key = (*on_table, "--encryption-key-file", str(key_file))
    assert run("encryption", "apply", *with_key)[1] == "Encrypted the secrets of 1 owners.\n"
    assert secret.strip() not in str(dynamodb_client().scan(TableName=table)["Items"])
    assert run("webhook-secret", "--owner", "anna", *with_key)[1] == secret
