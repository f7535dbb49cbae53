"""`labelling status` and `labelling doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.domain.clock import utc_now
from core.storage.files import path_of
from embedded.backup.schedule import BackupSchedule
from embedded.cli.main import main
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.blobs import a_blob
from tests.support.services.data_folder import add_labelled


@pytest.fixture
def data(tmp_path: Path) -> Path:
    stores = open_stores(Settings(data=tmp_path))
    stores.blobs.create(a_blob(utc_now(), owner="anna"))
    stores.upload_events.send("{}")
    stores.upload_events.send_dead_letter("{}")
    stores.database.close()
    tmp_path.chmod(0o700)
    return tmp_path


def test_status_prints_what_is_there_and_what_waits(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--data", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{data}: no service runs"
    assert lines[2:4] == [
        "blobs: 1 AWAITING_UPLOAD",
        "  anna: 1 blobs, 0.0 MB, 1 open uploads, 0 failed, 0 keys",
    ]
    assert "queue uploads: 1 due, the first for 0 s, 0 later, 1 dead letters" in lines


def test_status_is_one_json_object(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--data", str(data)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["blobs"]["AWAITING_UPLOAD"] == 1
    assert [(each["owner"], each["blobs"]) for each in found["owners"]] == [("anna", 1)]
    assert found["queues"]["uploads"]["dead"] == 1
    assert found["running"] is False
    assert found["last_backup"] is None


def test_status_tells_that_the_last_backup_lacks_pictures(
    data: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path_factory.mktemp("target"))
    stores = open_stores(Settings(data=data))
    path_of(data, add_labelled(data, stores, b"picture").key).unlink()
    BackupSchedule(Settings(data=data, backup_to=target), stores, utc_now)()
    stores.database.close()
    assert main(["status", "--data", str(data)]) == 0
    assert capsys.readouterr().out.endswith("which lacks 1 pictures: see 'labelling backups'\n")


def test_status_needs_a_data_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--data", str(tmp_path / "none")]) == 2
    assert "There is no folder" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_doctor_fails_on_a_problem_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing backups are a warning."""
    options = ["--data", str(data), "--port", "0"]
    assert main(["doctor", *options]) == 0
    assert "warning  backups: None are scheduled" in capsys.readouterr().out
    assert main(["doctor", *options, "--host", "0.0.0.0", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)
    problems = [each["check"] for each in findings if each["severity"] == "problem"]
    assert problems == ["API keys"]
