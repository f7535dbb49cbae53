"""`labelling backup`, `restore` and `verify` beside a service that labels."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from embedded.cli.main import main
from tests.support.models import link_models
from tests.support.photos import photo
from tests.support.process import ROOT, ServiceProcess
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
