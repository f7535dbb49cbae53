"""The registry of detectors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.domain.errors import Unavailable
from labeller.detectors.base import DetectorUnusable, Options
from labeller.detectors.registry import create_detector, detector_names
from tests.support.services.process import ROOT

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
    """Install a package with an entry point, and return its module's name."""
    (tmp_path / "camera_eye.py").write_text(PLUGIN)
    info = tmp_path / "camera_eye-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: camera-eye\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[labelling.detectors]\neye = camera_eye:Eye\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "camera_eye"
    sys.modules.pop("camera_eye", None)


def test_built_in_detector_is_created_by_name(model_path: Path) -> None:
    detector = create_detector("onnx", Options(10, 10, model=model_path))
    assert detector.name == "efficientnet-lite0/2.6"


@pytest.mark.parametrize("choice", ["eye", "camera_eye:Eye"])
def test_detector_of_another_package_is_created(plugin: str, choice: str) -> None:
    """By its entry point's name or by module and factory. It receives the options."""
    detector = create_detector(choice, OPTIONS)
    assert detector.name == "eye/1"
    assert detector.options is OPTIONS  # type: ignore[attr-defined]
    assert detector_names() == ["onnx", "rekognition", "eye"]


@pytest.mark.parametrize(
    "choice", ["", "Onnx", "no such", "a b:c", "camera_eye", ":", "os:", "x:y:z"]
)
def test_unknown_name_lists_the_available_detectors(plugin: str, choice: str) -> None:
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
def test_failed_factory_is_reported_with_its_error(plugin: str, choice: str, says: str) -> None:
    """In one line."""
    with pytest.raises(DetectorUnusable, match=says):
        create_detector(choice, OPTIONS)


def test_labelling_error_of_a_factory_is_passed_on(
    plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message already holds the remedy."""

    def make(_: Options) -> None:
        raise Unavailable("Its licence server is away.")

    monkeypatch.setitem(sys.modules, "licensed", SimpleNamespace(make=make))  # type: ignore[misc]
    with pytest.raises(Unavailable, match=r"^Its licence server is away\.$"):
        create_detector("licensed:make", OPTIONS)


def test_missing_model_is_reported() -> None:
    with pytest.raises(DetectorUnusable, match="has no model"):
        create_detector("onnx", OPTIONS)


@pytest.mark.slow
def test_creating_a_detector_loads_no_other() -> None:
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
