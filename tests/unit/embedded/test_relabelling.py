"""The command that has everything labelled again."""

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
from core.domain.errors import InvalidValue
from embedded.cli.main import main
from embedded.data_lock import hold, is_served
from embedded.relabelling import Run, check_version, is_older, keep, load
from tests.support.photos import photo
from tests.support.process import ROOT, ServiceProcess

PICTURES = 40


@pytest.mark.parametrize(
    ("detector", "than", "older"),
    [
        (None, "1", True),
        ("eye/1", "1", False),
        ("eye/1", "2", True),
        ("eye/1.9", "1.10", True),
        ("eye/1.10", "1.9", False),
        ("eye/1.2+mtcnn", "1.2", False),
        ("eye/1.2+mtcnn", "1.3", True),
        ("eye/1.2", "eye/1.2+mtcnn", False),
        ("eye/2", "ear/1", True),
        ("eye/2", "eye/2", False),
        ("rekognition/unknown", "3.0", True),
        ("without", "1", True),
    ],
)
def test_versions_are_compared_number_by_number(
    detector: str | None, than: str, older: bool
) -> None:
    """And by the detector's name, where one is named."""
    assert is_older(detector, than) is older


@pytest.mark.parametrize("text", ["", "eye", "eye/", "x.y"])
def test_what_is_no_version_is_refused(text: str) -> None:
    """With what it is to be."""
    with pytest.raises(InvalidValue, match="--older-than"):
        check_version(text)


def test_how_far_a_run_has_come_is_kept(tmp_path: Path) -> None:
    """And what is no such file is refused, with the way out."""
    path = tmp_path / "some" / "relabel.json"
    assert load(path) is None
    run = Run("2026-01-31T12:00:00.000Z", "anna", "1.3", None, "01", 7)
    keep(path, run)
    assert load(path) == run
    for content in ("", "[]", '{"ended": 1}', "7"):
        path.write_text(content)
        with pytest.raises(InvalidValue, match="--restart"):
            load(path)


def test_a_folder_is_served_while_its_lock_is_held(tmp_path: Path) -> None:
    """Asking doesn't hold it."""
    assert not is_served(tmp_path)
    descriptor = hold(tmp_path)
    assert is_served(tmp_path)
    os.close(descriptor)
    assert not is_served(tmp_path)
    os.close(hold(tmp_path))


def test_without_a_service_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For it is the service that labels."""
    assert main(["relabel", "--all", "--data", str(tmp_path)]) == 1
    assert "start it with ./run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--older-than", "new"], "--older-than"),
        (["--table", "records"], "--queue"),
        (["--table", "records", "--queue", "https://sqs.test/1/q"], "--state"),
    ],
)
def test_a_wrong_option_is_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    complaint: str,
) -> None:
    """With what to do."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    lock = hold(tmp_path)
    assert main(["relabel", "--all", "--data", str(tmp_path), *options]) == 1
    assert complaint in capsys.readouterr().err
    os.close(lock)


def test_another_run_is_not_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless that is asked for."""
    lock = hold(tmp_path)
    keep(tmp_path / "relabel.json", Run(to_text(datetime.now(UTC)), older_than="1.2"))
    asked = ["relabel", "--all", "--data", str(tmp_path)]
    assert main(asked) == 1
    assert "--restart" in capsys.readouterr().err
    assert main([*asked, "--restart"]) == 0
    assert not (tmp_path / "relabel.json").exists()
    os.close(lock)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, model_path: Path) -> Iterator[ServiceProcess]:
    data = tmp_path_factory.mktemp("relabel")
    (data / "model").mkdir()
    (data / "model" / model_path.name).symlink_to(model_path)
    started = ServiceProcess(data).start()
    yield started
    started.stop()


def command(service: ServiceProcess, *options: str) -> subprocess.Popen[str]:
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


@pytest.mark.slow
def test_killed_and_begun_again_it_does_every_picture(service: ServiceProcess) -> None:
    """Against the real service; each is labelled once more."""
    content = photo("chelsea.png")
    ids = [service.upload(content + bytes([number])) for number in range(PICTURES)]
    for each in ids:
        service.wait_for(each, lambda blob: blob["status"] == "LABELLED")
    versions = {each: version_of(service, each) for each in ids}

    first = command(service, "--in-flight", "4")
    while sum(version_of(service, each) > versions[each] for each in ids) < 10:
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=30)
    done = sum(version_of(service, each) > versions[each] for each in ids)
    assert done < PICTURES

    second = command(service, "--in-flight", "4")
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert "Going on with the run of" in err
    assert f"of {PICTURES} scanned." in out
    assert {version_of(service, each) - versions[each] for each in ids} == {2}
    assert not (service.data / "relabel.json").exists()

    third = command(service, "--older-than", "1")
    out, err = third.communicate(timeout=60)
    assert (third.returncode, out) == (0, f"Labelled 0 again, of {PICTURES} scanned.\n"), err


@pytest.mark.slow
def test_interrupted_it_says_how_to_go_on(service: ServiceProcess) -> None:
    """With the exit status of a program that was interrupted."""
    ids = [service.upload(photo("coffee.png") + bytes([number])) for number in range(10)]
    for each in ids:
        service.wait_for(each, lambda blob: blob["status"] == "LABELLED")
    asked = command(service, "--in-flight", "1")
    while not (service.data / "relabel.json").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    asked.send_signal(signal.SIGINT)
    _, err = asked.communicate(timeout=30)
    assert asked.returncode == 130
    assert "the same command goes on" in err
    assert load(service.data / "relabel.json") is not None


def version_of(service: ServiceProcess, blob_id: str) -> int:
    (document,) = service.row("SELECT document FROM blobs WHERE id = ?", blob_id)
    return int(json.loads(document)["version"])
