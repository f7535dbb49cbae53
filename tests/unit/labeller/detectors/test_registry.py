"""Detectors are chosen by name, and a wrong name says what there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.domain.errors import Unavailable
from labeller.detectors.base import DetectorUnusable, Options
from labeller.detectors.registry import create_detector, detector_names
from tests.support.process import ROOT

OPTIONS = Options(max_pixels=1_000_000, max_bytes=1_000_000)

PLUGIN = """
class Eye:
    name = "eye/1"
    def __init__(self, options): self.options = options
    def detect(self, picture, *, max_labels, min_confidence): raise NotImplementedError

def broken(options): raise RuntimeError("no such camera")
def nothing(options): return None
answer = 42
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Another package, installed, with an entry point; the name of its module."""
    (tmp_path / "camera_eye.py").write_text(PLUGIN)
    info = tmp_path / "camera_eye-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: camera-eye\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[labelling.detectors]\neye = camera_eye:Eye\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "camera_eye"
    sys.modules.pop("camera_eye", None)


def test_ours_are_chosen_by_name(model_path: Path) -> None:
    """The same as when it is opened by hand."""
    made = create_detector("onnx", Options(10, 10, model=model_path))
    assert made.name == "efficientnet-lite0/1.2"


@pytest.mark.parametrize("choice", ["eye", "camera_eye:Eye"])
def test_another_package_brings_one(plugin: str, choice: str) -> None:
    """By its entry point's name or by module and factory; it is told what it may need."""
    made = create_detector(choice, OPTIONS)
    assert made.name == "eye/1"
    assert made.options is OPTIONS  # type: ignore[attr-defined]
    assert detector_names() == ["onnx", "rekognition", "eye"]


@pytest.mark.parametrize(
    "choice", ["", "Onnx", "no such", "a b:c", "camera_eye", ":", "os:", "x:y:z"]
)
def test_a_wrong_name_says_what_there_is(plugin: str, choice: str) -> None:
    """Those of installed packages too."""
    with pytest.raises(DetectorUnusable) as error:
        create_detector(choice, OPTIONS)
    assert str(error.value) == (
        f"There is no detector {choice!r}. Choose onnx, rekognition, eye or package.module:factory."
    )


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ("no_such_module:make", "can't be loaded: ModuleNotFoundError: No module named 'no_such"),
        ("camera_eye:make", "can't be loaded: AttributeError: .*'make'.*Choose onnx, rekognition"),
        ("camera_eye:broken", "can't be created: RuntimeError: no such camera"),
        ("camera_eye:nothing", "The object that camera_eye:nothing creates is not a detector"),
        ("camera_eye:answer", "camera_eye:answer is not a function"),
    ],
)
def test_one_that_cannot_be_made_says_why(plugin: str, choice: str, says: str) -> None:
    """In one line, with the error of the other package."""
    with pytest.raises(DetectorUnusable, match=says):
        create_detector(choice, OPTIONS)


def test_what_a_factory_says_itself_is_passed_on(
    plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of our errors has its remedy in it already."""

    def make(_: Options) -> None:
        raise Unavailable("Its licence server is away.")

    monkeypatch.setitem(sys.modules, "licensed", SimpleNamespace(make=make))  # type: ignore[misc]
    with pytest.raises(Unavailable, match=r"^Its licence server is away\.$"):
        create_detector("licensed:make", OPTIONS)


def test_no_model_at_hand_is_said() -> None:
    """Where no service built one."""
    with pytest.raises(DetectorUnusable, match="has no model"):
        create_detector("onnx", OPTIONS)


@pytest.mark.slow
def test_choosing_loads_nothing_else() -> None:
    """Whoever chooses one needs neither what the others stand on, nor them."""
    code = (
        "import sys; from labeller.detectors.registry import create_detector\n"
        "heavy = {'numpy', 'onnxruntime', 'PIL', 'boto3'}\n"
        "assert not heavy & set(sys.modules)\n"
        "from labeller.detectors.base import Options\n"
        "create_detector('rekognition', Options(1, 1)); print(*sorted(heavy & set(sys.modules)))"
    )
    environ = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT, env=environ
    )
    assert done.stdout == b"boto3\n"
