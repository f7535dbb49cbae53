"""The ONNX model is built from the known weights and from nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import onnx
import pytest

from labeller.detectors import efficientnet_lite
from labeller.detectors.efficientnet_lite import (
    STAGES,
    Stage,
    build_model,
    network,
)
from labeller.detectors.onnx_file import WeightsUnreadable
from labeller.detectors.registry import MODEL_NAME
from labeller.detectors.torch_checkpoint import read_state_dict

WEIGHTS = Path(str(files(efficientnet_lite.WEIGHTS_PACKAGE) / efficientnet_lite.WEIGHTS_FILE))


def test_error_names_the_missing_layer() -> None:
    """Weights of another network are refused when the graph is built."""
    with pytest.raises(WeightsUnreadable, match="_conv_stem"):
        network({}, STAGES)
    with WEIGHTS.open("rb") as file:
        weights = read_state_dict(file)
    with pytest.raises(WeightsUnreadable, match=r"_blocks\.16"):
        network(weights, [*STAGES, Stage(1, 3, 1, 6, 320)])


def test_model_is_valid_and_named(model_path: Path) -> None:
    """It takes any number of pictures, and its metadata hold name and version."""
    model = onnx.load(model_path)
    onnx.checker.check_model(model, full_check=True)
    (taken,), given = model.graph.input, model.graph.output
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_param or d.dim_value for d in taken.type.tensor_type.shape.dim] == [
        "N",
        224,
        224,
        3,
    ]
    assert [
        (each.name, [d.dim_param or d.dim_value for d in each.type.tensor_type.shape.dim])
        for each in given
    ] == [("probabilities", ["N", 1000]), ("features", ["N", 1280])]
    assert f"{model.graph.name}-{model.model_version}.onnx" == MODEL_NAME == model_path.name


def test_building_twice_gives_the_same_bytes(model_path: Path, tmp_path: Path) -> None:
    """The build creates the folder, replaces an old file and leaves no other file."""
    again = tmp_path / "a" / "b" / MODEL_NAME
    build_model(again)
    again.write_bytes(b"old")
    build_model(again)
    assert again.read_bytes() == model_path.read_bytes()
    assert list(again.parent.iterdir()) == [again]


def test_failed_build_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partial model never gets the model's name."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        build_model(tmp_path / MODEL_NAME)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["WEIGHTS_PACKAGE", "WEIGHTS_FILE"])
def test_missing_weights_are_reported(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what to install."""
    monkeypatch.setattr(efficientnet_lite, place, "no_such_thing")
    with pytest.raises(WeightsUnreadable, match=r"no_such_thing.*requirements/serve\.txt"):
        build_model(tmp_path / MODEL_NAME)


@pytest.mark.parametrize("place", [0, 5_000, 10_000_000, -1])
def test_altered_weights_are_refused_before_reading(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One different bit is enough."""
    package = tmp_path / "tampered_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    content = bytearray(WEIGHTS.read_bytes())
    content[place] ^= 1
    (package / "weights.pth").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(efficientnet_lite, "WEIGHTS_PACKAGE", "tampered_weights")
    monkeypatch.setattr(efficientnet_lite, "WEIGHTS_FILE", "weights.pth")
    monkeypatch.setattr(efficientnet_lite, "read_state_dict", pytest.fail)
    with pytest.raises(WeightsUnreadable, match="not the expected file"):
        build_model(tmp_path / MODEL_NAME)
    assert not (tmp_path / MODEL_NAME).exists()


@pytest.mark.slow
def test_import_loads_neither_onnx_nor_onnxruntime() -> None:
    """They import slowly, and most commands need neither."""
    code = (
        "import sys, labeller.detectors.efficientnet_lite, labeller.detectors.onnx;"
        "print([m for m in ('onnx', 'onnxruntime', 'torch') if m in sys.modules])"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, cwd=root, text=True
    )
    assert done.stdout == "[]\n"
