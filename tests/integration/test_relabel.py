"""`labelling relabel`, on a data folder and against a running service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.domain.clock import to_text
from embedded.cli.main import main
from embedded.data.lock import hold
from embedded.jobs.relabelling import Run, load, save
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.images.models import link_models
from tests.support.images.photos import photo
from tests.support.services.process import ROOT, ServiceProcess
from tests.support.waiting import PATIENCE

PICTURES = 40


def test_without_a_service_it_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says how to start the service, which does the labelling."""
    open_stores(Settings(data=tmp_path)).database.close()
    assert main(["relabel", "--all", "--data", str(tmp_path)]) == 1
    assert "Start it with ./run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (["--older-than", "new"], "--older-than"),
        (["--table", "records"], "--queue"),
        (["--table", "records", "--queue", "https://sqs.test/1/q"], "--state"),
    ],
)
def test_error_names_the_option(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    option: str,
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    open_stores(Settings(data=tmp_path)).database.close()
    lock = hold(tmp_path)
    assert main(["relabel", "--all", "--data", str(tmp_path), *options]) == 1
    assert option in capsys.readouterr().err
    os.close(lock)


def test_unfinished_run_with_other_options_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless --restart discards it."""
    open_stores(Settings(data=tmp_path)).database.close()
    lock = hold(tmp_path)
    save(tmp_path / "relabel.json", Run(to_text(datetime.now(UTC)), older_than="1.2"))
    command = ["relabel", "--all", "--data", str(tmp_path)]
    assert main(command) == 1
    assert "--restart" in capsys.readouterr().err
    assert main([*command, "--restart"]) == 0
    assert not (tmp_path / "relabel.json").exists()
    os.close(lock)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, model_path: Path) -> Iterator[ServiceProcess]:
    data = tmp_path_factory.mktemp("relabel")
    link_models(data, model_path)
    started = ServiceProcess(data, "--faces", "no").start()
    yield started
    started.stop()


def start_relabelling(service: ServiceProcess, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "embedded", "relabel", "--all"),
            *("--data", str(service.data), *options),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_run_continues_when_run_again(service: ServiceProcess) -> None:
    """After SIGKILL and a second run each picture was labelled again once."""
    content = photo("chelsea.png")
    ids = [service.upload(content + bytes([number])) for number in range(PICTURES)]
    for each in ids:
        service.wait_for(each, lambda blob: blob["status"] == "LABELLED")
    versions = {each: version_of(service, each) for each in ids}

    written = writes(service)
    first = start_relabelling(service, "--in-flight", "4")
    while writes(service) < written + 20:  # two for each picture
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=PATIENCE)
    done = sum(version_of(service, each) > versions[each] for each in ids)
    assert done < PICTURES

    second = start_relabelling(service, "--in-flight", "4")
    out, err = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, err
    assert "Continuing the run of" in err
    assert f"of {PICTURES} pictures labelled again." in out
    assert {version_of(service, each) - versions[each] for each in ids} == {2}
    assert not (service.data / "relabel.json").exists()

    third = start_relabelling(service, "--older-than", "1")
    out, err = third.communicate(timeout=PATIENCE)
    assert (third.returncode, out) == (0, f"0 of {PICTURES} pictures labelled again.\n"), err


def test_ctrl_c_prints_how_to_continue(service: ServiceProcess) -> None:
    """The exit status is 130, and the progress is kept."""
    ids = [service.upload(photo("coffee.png") + bytes([number])) for number in range(10)]
    for each in ids:
        service.wait_for(each, lambda blob: blob["status"] == "LABELLED")
    written = writes(service)
    command = start_relabelling(service, "--in-flight", "1")
    while writes(service) == written:
        assert command.poll() is None
        time.sleep(0.01)
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=PATIENCE)
    assert command.returncode == 130
    assert "run the same command again" in err
    assert load(service.data / "relabel.json") is not None


def version_of(service: ServiceProcess, blob_id: str) -> int:
    (document,) = service.row("SELECT document FROM blobs WHERE id = ?", blob_id)
    return int(json.loads(document)["version"])


def writes(service: ServiceProcess) -> int:
    """Return how often the records of all blobs were written."""
    (count,) = service.row("SELECT sum(version) FROM blobs")
    return int(count)
