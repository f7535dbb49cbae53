"""`labelling backup`, `restore` and `verify` beside a service that labels."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.storage.files import path_of
from embedded.cli.main import main
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.images.models import link_models
from tests.support.images.photos import photo
from tests.support.services.data_folder import add_labelled
from tests.support.services.process import ROOT, ServiceProcess
from tests.support.waiting import PATIENCE, wait_until

UPLOADS = 20


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "embedded", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str) -> str:
    process = start(*arguments)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    return out


def test_backups_made_and_killed_while_labelling_restore_what_was_uploaded(
    tmp_path: Path, model_path: Path
) -> None:
    data, target, new = tmp_path / "data", tmp_path / "target", tmp_path / "new"
    link_models(data, model_path)
    service = ServiceProcess(data).start()
    ids: list[str] = []

    def upload() -> None:
        pictures = (photo("chelsea.png") + bytes([number]) for number in range(UPLOADS))
        ids.extend(map(service.upload, pictures))

    uploading = threading.Thread(target=upload)
    uploading.start()
    wait_until(lambda: ids)
    killed = start("backup", str(target), "--data", str(data))
    wait_until((target / "originals").exists)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=PATIENCE)
    run("backup", str(target), "--data", str(data))  # during the uploads
    run("restore", str(target), "--check")
    uploading.join(PATIENCE)
    out = run("backup", str(target), "--data", str(data))  # perhaps during the labelling
    assert f"{UPLOADS} pictures" in out
    for each in ids:
        service.wait_for(each, lambda blob: blob["status"] == "LABELLED")
    service.stop()
    run("verify", "--data", str(data))

    run("restore", str(target), "--data", str(new))
    link_models(new, model_path)
    restored = ServiceProcess(new).start()
    for each in ids:
        restored.wait_for(each, lambda blob: blob["status"] == "LABELLED")
    restored.stop()
    report = json.loads(run("verify", "--json", "--data", str(new)))
    assert (report["originals"], report["problems"]) == (UPLOADS, [])


def test_service_backs_itself_up(tmp_path: Path) -> None:
    target = tmp_path / "target"
    service = ServiceProcess(tmp_path / "data", "--backup-to", str(target)).start()
    wait_until(lambda: list(target.glob("backups/*/manifest.json")))
    service.stop()
    (listed,) = json.loads(run("backups", str(target), "--json"))
    assert listed["originals"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["backup", "TARGET", "--data", "NONE"], "There is no folder"),
        (["backup", "s3://x", "--data", "NONE"], "s3://BUCKET/PREFIX"),
        (["restore", "TARGET", "--data", "NONE"], "no whole backup"),
        (["verify", "--from", "TARGET", "--data", "NONE"], "--repair"),
    ],
)
def test_error_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    named = {"TARGET": str(tmp_path / "target"), "NONE": str(tmp_path / "none")}
    (tmp_path / "target").mkdir()
    assert main([named.get(each, each) for each in arguments]) != 0
    assert message in capsys.readouterr().err


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a whole picture, a missing one and a damaged one."""
    data = tmp_path / "data"
    stores = open_stores(Settings(data=data))
    add_labelled(data, stores, b"whole")
    missing, damaged = (add_labelled(data, stores, each) for each in (b"missing", b"damaged"))
    stores.database.close()
    path_of(data, missing.key).unlink()
    path_of(data, damaged.key).write_bytes(b"other")
    return data


def test_losses_before_the_backup_are_told_by_each_command(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, new = str(tmp_path / "target"), str(tmp_path / "new")
    assert main(["backup", target, "--data", str(data)]) == 1
    assert main(["backups", target]) == 0
    assert "2 pictures, 0.0 MB; INCOMPLETE: 1 missing, 1 damaged" in capsys.readouterr().out
    for options in (["--check"], ["--data", new]):
        assert main(["restore", target, *options]) == 1
        out, err = capsys.readouterr()
        assert "1 of 3 pictures of backup" in out
        assert err.count("when the backup was made") == 2
    assert main(["verify", "--data", new]) == 1


def test_backup_of_an_earlier_version_is_said_not_to_tell_all(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["backup", str(tmp_path / "target"), "--data", str(data)])
    (manifest,) = tmp_path.glob("target/backups/*/manifest.json")
    read = json.loads(manifest.read_bytes())
    del read["missing"], read["damaged"]
    manifest.write_text(json.dumps(read | {"format": 1}))
    capsys.readouterr()
    assert main(["restore", str(tmp_path / "target"), "--data", str(tmp_path / "new")]) == 0
    assert "'labelling verify' finds them" in capsys.readouterr().err
    assert main(["backups", "--json", str(tmp_path / "target")]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["missing"], listed["damaged"]) == (None, None)


def test_damaged_backup_does_not_hide_the_others(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of which `restore --backup` restores one."""
    for _ in range(2):
        main(["backup", str(tmp_path / "target"), "--data", str(data)])
    damaged, whole = sorted(tmp_path.glob("target/backups/*/manifest.json"))
    damaged.write_text("{")
    capsys.readouterr()
    assert main(["backups", str(tmp_path / "target")]) == 1
    out, err = capsys.readouterr()
    assert f"{whole.parent.name}  2 pictures" in out
    assert f"Backup {damaged.parent.name}: The backup's manifest.json can't be read" in err


def test_backup_by_hand_deletes_others_only_when_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELLING_BACKUP_KEEP", "1")
    command = ["backup", str(tmp_path / "target"), "--data", str(data)]
    for _ in range(3):
        main(command)
    assert "Deleted" not in capsys.readouterr().out
    assert len(list(tmp_path.glob("target/backups/*"))) == 3
    main([*command, "--keep", "2"])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "Deleted" in line]
    assert line.count("T") == 2
    assert len(list(tmp_path.glob("target/backups/*"))) == 2


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_target_within_the_data_folder_is_refused(
    data: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """A backup into the data folder itself would delete its pictures."""
    before = sorted(data.rglob("*"))
    assert main([command, str(data), "--data", str(data)]) == 1
    assert "name a folder beside it" in capsys.readouterr().err
    assert sorted(data.rglob("*")) == before


def test_empty_list_of_backups_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backups", str(tmp_path)]) == 0
    assert "No backups." in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [("backups",), ("restore",), ("verify", "--repair", "--from")], ids=" ".join
)
def test_missing_folder_of_backups_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    missing = tmp_path / "missing"
    assert main([*command, str(missing)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"labelling: There is no folder {missing}.")
    assert not missing.exists()
