"""`labelling doctor` finds what is wrong, and says what to do."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.domain.clock import to_text, utc_now
from core.storage.files import path_of
from embedded.backup.schedule import BackupSchedule
from embedded.checks import diagnosis
from embedded.checks.diagnosis import diagnose
from embedded.checks.findings import Severity
from embedded.checks.folder import check_folder
from embedded.data.folder import DATABASE
from embedded.data.lock import hold
from embedded.data.originals import choose_storage
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.aws.s3_and_sqs import REGION, mocked_aws
from tests.support.blobs import a_blob
from tests.support.images.classifiers import searchable_classifier
from tests.support.services.data_folder import add_labelled

Found = Callable[..., dict[str, tuple[Severity, str]]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    open_stores(Settings(data=folder)).database.close()
    return folder


@pytest.fixture
def found(data: Path) -> Found:
    def check(**settings: Any) -> dict[str, tuple[Severity, str]]:
        given = Settings(**{"data": data, "port": 0} | settings)
        return {each.check: (each.severity, each.text) for each in diagnose(given)}

    return check


def test_a_sound_folder_has_no_problem(found: Found) -> None:
    checks = found()
    assert {name for name, (severity, _) in checks.items() if severity is not Severity.OK} == {
        "backups"
    }
    assert checks["backups"][0] is Severity.WARNING
    assert "--backup-to" in checks["backups"][1]


def test_nothing_is_made_where_nothing_is(found: Found, tmp_path: Path) -> None:
    checks = found(data=tmp_path / "new" / "data")
    assert "the first start creates it" in checks["data folder"][1]
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
def test_a_folder_that_was_deleted_under_its_service_is_a_problem(found: Found, data: Path) -> None:
    lock = hold(data)
    try:
        shutil.rmtree(data)
        severity, text = found()["data folder"]
    finally:
        os.close(lock)
    assert severity is Severity.PROBLEM
    assert f"was deleted, but process {os.getpid()} still serves it" in text
    assert found()["data folder"][0] is Severity.OK  # nothing serves it now


def test_files_that_this_version_does_not_need_are_named(found: Found, data: Path) -> None:
    assert "left over" not in found()
    (data / "model").mkdir()
    for name in (f"{DATABASE}.layout-5", "model/efficientnet-0.onnx"):
        (data / name).touch()
        severity, text = found()["left over"]  # the last of them
        assert (severity, text.startswith(f"{data / name} (0.0 MB)")) == (Severity.OK, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_another_user_is_a_problem(found: Found, data: Path) -> None:
    (data / DATABASE).chmod(0o400)
    severity, text = found()["data folder"]
    assert severity is Severity.PROBLEM
    assert "chown" in text


@pytest.mark.parametrize(
    ("is_read_only", "remedy"), [(True, "mounted read-only"), (False, "'chown -R' it")]
)
def test_a_folder_that_cannot_be_written_is_a_problem_with_its_remedy(
    data: Path, monkeypatch: pytest.MonkeyPatch, is_read_only: bool, remedy: str
) -> None:
    """Also where it is named from the working folder."""
    (data / DATABASE).touch()
    monkeypatch.chdir(data.parent)
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere

    def mounted(path: Path | str) -> bool:
        return is_read_only and Path(path).exists()

    monkeypatch.setattr("embedded.checks.folder.is_read_only", mounted)
    finding = check_folder(Path(data.name))
    assert (finding.severity, remedy in finding.text) == (Severity.PROBLEM, True)
    assert DATABASE in finding.text


def test_a_folder_that_others_read_is_a_warning(found: Found, data: Path) -> None:
    data.chmod(0o755)
    severity, text = found()["data folder"]
    assert severity is Severity.WARNING
    assert f"chmod 700 {data}" in text


def test_a_file_in_place_of_the_folder_is_a_problem(found: Found, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert found(data=tmp_path / "file")["data folder"][0] is Severity.PROBLEM


def test_a_taken_port_is_a_problem(found: Found) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        severity, text = found(port=other.getsockname()[1])["port"]
    assert severity is Severity.PROBLEM
    assert "--port" in text


def test_the_port_of_a_running_service_is_its_own(found: Found, data: Path) -> None:
    lock = hold(data)
    try:
        assert found()["port"] == (Severity.OK, "A service runs on this data folder.")
    finally:
        os.close(lock)


def test_a_full_disk_is_a_problem(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "free_bytes", lambda _: 1)
    severity, text = found()["disk"]
    assert severity is Severity.PROBLEM
    assert "--reserve-bytes" in text


def test_a_small_disk_is_measured_in_megabytes(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "free_bytes", lambda _: 31_400_000)
    assert found(reserve_bytes=1)["disk"][1].startswith("31.4 MB free of ")
    monkeypatch.setattr(diagnosis, "free_bytes", lambda _: 2_000_000_000)
    assert found(reserve_bytes=1)["disk"][1].startswith("2.0 GB free of ")


def test_more_connections_than_files_are_a_warning(found: Found) -> None:
    assert found(max_connections=2**40)["open files"][0] is Severity.WARNING


def test_a_network_that_cannot_be_built_is_a_problem(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "BUILDERS", dict.fromkeys(diagnosis.BUILDERS, ("no_package",)))
    severity, text = found()["networks"]
    assert severity is Severity.PROBLEM
    assert "no_package" in text
    assert "./run" in text


def test_a_text_encoder_that_cannot_be_loaded_is_a_problem(found: Found, tmp_path: Path) -> None:
    file = searchable_classifier(tmp_path)
    severity, text = found(classifier=file, faces=False)["networks"]
    assert (severity, text) == (Severity.OK, f"{file} is there, with a search by text.")
    (tmp_path / "text.onnx").write_bytes(b"broken")
    severity, text = found(classifier=file, faces=False)["networks"]
    assert severity is Severity.PROBLEM
    assert "Export the text encoder again." in text
    (tmp_path / "text.onnx").unlink()
    severity, text = found(classifier=file, faces=False)["networks"]
    assert severity is Severity.PROBLEM
    assert "text.encoder names no file" in text


def test_damage_is_a_problem(found: Found, data: Path) -> None:
    (data / DATABASE).write_bytes(b"no database" * 1000)
    severity, text = found()["database"]
    assert severity is Severity.PROBLEM
    assert "Restore a backup" in text


def test_an_earlier_layout_stays_as_it_is(found: Found, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    path = tmp_path / "old" / DATABASE
    with sqlite3.connect(path) as old:
        old.execute("PRAGMA user_version = 3")
    old.close()
    before = path.read_bytes()
    assert "It has layout 3." in found(data=tmp_path / "old")["database"][1]
    assert path.read_bytes() == before


def test_secrets_without_their_key_are_a_problem(found: Found, data: Path) -> None:
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    stores = open_stores(Settings(data=data, encryption_keys=(key,)))
    stores.owners.get_or_create("anna")
    stores.database.close()
    assert found(encryption_keys=(key,))["secrets"][0] is Severity.OK
    assert found()["secrets"][0] is Severity.PROBLEM


def test_a_service_for_others_needs_a_key(found: Found) -> None:
    severity, text = found(host="0.0.0.0")["API keys"]
    assert severity is Severity.PROBLEM
    assert "labelling keys create" in text


def test_a_clock_behind_the_records_is_a_problem(found: Found, data: Path) -> None:
    stores = open_stores(Settings(data=data))
    stores.blobs.create(a_blob(utc_now() + timedelta(hours=1)))
    stores.database.close()
    severity, text = found()["clock"]
    assert severity is Severity.PROBLEM
    assert "NTP" in text


def test_an_overdue_backup_is_a_problem(found: Found, data: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "backups")
    assert found(backup_to=target)["backups"][0] is Severity.WARNING
    stores = open_stores(Settings(data=data))
    for hours, severity in ((30, Severity.OK), (50, Severity.PROBLEM)):
        at = to_text(utc_now() - timedelta(hours=hours))
        with stores.database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('backup_at', ?)", (at,))
        assert found(backup_to=target)["backups"][0] is severity
    # Without the option, which the service may have.
    assert "service's options --backup-to" in found()["backups"][1]
    stores.database.close()


def test_a_backup_without_a_picture_is_a_problem(found: Found, data: Path, tmp_path: Path) -> None:
    stores = open_stores(Settings(data=data))
    path_of(data, add_labelled(data, stores, b"picture").key).unlink()
    BackupSchedule(Settings(data=data, backup_to=str(tmp_path / "backups")), stores, utc_now)()
    stores.database.close()
    severity, text = found(backup_to=str(tmp_path / "backups"))["backups"]
    assert severity is Severity.PROBLEM
    assert "lacks the bytes of 1 pictures: 'labelling verify'" in text


def test_bucket_is_tried(found: Found, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", REGION)
    assert found()["images"] == (Severity.OK, "They are in the data folder.")
    with mocked_aws() as aws:
        missing = found(storage="s3://pictures")["images"]
        assert missing[0] is Severity.PROBLEM
        assert "The bucket must exist" in missing[1]
        aws.bucket()
        assert found(storage="s3://pictures")["images"][0] is Severity.OK
        stores = open_stores(Settings(data=data))
        choose_storage(Settings(data=data, storage="s3://pictures"), stores.database)
        stores.database.close()
        assert "start with --storage" in found()["images"][1]
