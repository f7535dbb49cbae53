"""Confined detector processes: what a decoder that was taken over can reach, in a real process."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.domain.blob import ImageType
from core.domain.thumbnail import ThumbnailSize
from embedded.detection import seccomp
from embedded.detection.pool import DetectorPool
from embedded.detection.process import environment
from labeller.detectors.base import Options, Picture
from tests.support.images.models import people_model
from tests.support.images.pictures import every_picture
from tests.support.services.attacker import ATTEMPTS
from tests.support.services.process import ROOT

DENIED = "Operation not permitted"
HARMLESS = {"start_thread": "done"}

Attack = Callable[[str], str]


def options(model: Path | None = None) -> Options:
    people = people_model(model) if model else None
    return Options(1_000_000, 10_000_000, faces=bool(model), model=model, people_model=people)


def require_filter(pool: DetectorPool) -> None:
    """Skip the test, with the reason, where the system has no filter; fail in CI on Linux."""
    if pool.unconfined and not (os.environ.get("CI") and sys.platform == "linux"):
        pytest.skip(pool.unconfined)
    assert pool.unconfined is None


@pytest.fixture(scope="module")
def attacked() -> Iterator[DetectorPool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("embedded.detection.process.MODULE", "tests.support.services.attacker")
        patch.setenv("LABELLING_TEST_SECRET", "s3cret")
        pool = DetectorPool("onnx", options(), size=1)
    try:
        pool.wait_until_ready()
        require_filter(pool)
        yield pool
    finally:
        pool.close()


@pytest.fixture
def attack(attacked: DetectorPool, tmp_path: Path) -> Attack:
    """Have the process attempt something with the path of a file; return what it got."""
    target = tmp_path / "target"
    target.write_text("intact")

    def attack(attempt: str) -> str:
        order = tmp_path / "image"
        order.write_text(f"{attempt}\n{target}")
        picture = Picture("k", ImageType.PNG, lambda: order.open("rb"))
        (label,) = attacked.detect(picture, max_labels=1, min_confidence=1).labels
        assert target.read_text() == "intact"
        assert target.stat().st_mode & 0o002 == 0
        return label.name

    return attack


@pytest.mark.parametrize("attempt", sorted(ATTEMPTS.keys() - {"show_environment"}))
def test_attempt_is_denied(attack: Attack, attempt: str) -> None:
    """Network, files, programs, other processes, longer life; and threads are allowed."""
    result = attack(attempt)
    assert result == HARMLESS.get(attempt, result)
    assert attempt in HARMLESS or DENIED in result or "not allowed to raise" in result, result


def test_process_survives_the_attempts(attack: Attack, attacked: DetectorPool) -> None:
    before = attacked._children[0].pid
    assert DENIED in attack("open_socket")
    assert attacked._children[0].pid == before


def test_environment_has_no_settings_and_credentials(attack: Attack) -> None:
    """They could be read from memory."""
    shown = attack("show_environment")
    assert "PATH" in shown
    assert "LABELLING" not in shown


def test_detector_that_calls_a_service_keeps_its_credentials() -> None:
    secrets = {"AWS_PROFILE": "labels", "PATH": "/bin"}
    assert secrets.items() <= environment("rekognition", secrets).items()
    assert environment("onnx", secrets).keys() & secrets.keys() == {"PATH"}


def test_every_format_is_decoded_by_confined_threads(model_path: Path, tmp_path: Path) -> None:
    """Labels and thumbnails, by a process all of whose threads have the filter."""
    pool = DetectorPool("onnx", options(model_path), size=1)
    try:
        pool.wait_until_ready()
        require_filter(pool)
        pid = pool._children[0].pid
        path = tmp_path / "image"
        for made in every_picture():
            path.write_bytes(made.content)
            picture = Picture("k", made.kind, lambda: path.open("rb"))
            assert pool.detect(picture, max_labels=1, min_confidence=0).labels, made.what
            assert pool.thumbnail(picture, ThumbnailSize.LARGE).startswith(b"RIFF"), made.what
        threads = list(Path(f"/proc/{pid}/task").glob("*/status"))
        assert threads
        assert all("\nSeccomp:\t2\n" in thread.read_text() for thread in threads)
        assert pool._children[0].pid == pid
    finally:
        pool.close()


def test_detector_of_another_package_is_not_confined(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It may need more. One warning is logged, however many processes there are."""
    with caplog.at_level(logging.WARNING), pytest.MonkeyPatch.context() as patch:
        patch.setattr("embedded.detection.process.MODULE", "tests.support.services.attacker")
        pool = DetectorPool("package:detector", options(), size=2)
        try:
            pool.wait_until_ready()
        finally:
            pool.close()
    assert pool.unconfined is not None
    assert "may need the network" in pool.unconfined
    assert len([line for line in caplog.messages if "not confined" in line]) == 1


def test_machine_without_a_filter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(seccomp.SeccompUnavailable, match="riscv64"):
        seccomp.confine()


@pytest.mark.skipif(sys.platform != "linux", reason="the call is Linux's")
def test_refused_filter_is_an_error_with_the_reason() -> None:
    """Without no_new_privs only root may set one: a call with a wrong program shows the error."""
    code = (
        "from embedded.detection import seccomp\n"
        "seccomp.program = lambda *_: [(0xFFFF, 0, 0, 0)]\n"
        "try: seccomp.confine()\n"
        "except seccomp.SeccompUnavailable as error: print(error)"
    )
    run = [sys.executable, "-c", code]
    shown = subprocess.run(run, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert shown == "seccomp(2) refused the filter: Invalid argument\n"


def test_model_loads_without_telemetry(model_path: Path, tmp_path: Path) -> None:
    """ONNX Runtime would keep an identifier and reports below the home folder, and send them."""
    environ = {
        name: value
        for name, value in os.environ.items()
        # It sends nothing from a CI either.
        if name not in ("CI", "ORT_DISABLE_TELEMETRY") and not name.startswith(("GITHUB", "XDG"))
    }
    code = (
        "import sys; from pathlib import Path\n"
        "from labeller.detectors.onnx_session import open_session\n"
        "open_session(Path(sys.argv[1]), '')\n"
    )
    run = [sys.executable, "-c", code, str(model_path)]
    subprocess.run(run, check=True, cwd=ROOT, env={**environ, "HOME": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []
