"""The ONNX model of people is built from the known weights and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx
import pytest

from labeller.detectors import ssdlite
from labeller.detectors.frozen_graph import GraphNode, read_graph
from labeller.detectors.onnx_file import WeightsUnreadable
from labeller.detectors.registry import PEOPLE_MODEL_NAME
from labeller.detectors.ssdlite import build_model, grid_sides, network
from tests.support.images.models import people_model

WEIGHTS = Path(str(files(ssdlite.WEIGHTS_PACKAGE) / ssdlite.WEIGHTS_FILE))
STEM = "FeatureExtractor/MobilenetV2/Conv/"


@pytest.fixture(scope="module")
def graph() -> dict[str, GraphNode]:
    return read_graph(WEIGHTS.read_bytes())


def test_model_is_valid_and_named(model_path: Path) -> None:
    """It takes pictures of any side."""
    path = people_model(model_path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        end.name: [d.dim_param or d.dim_value for d in end.type.tensor_type.shape.dim]
        for end in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {
        "pictures": ["N", "side", "side", 3],
        "boxes": ["N", "boxes", 4],
        "logits": ["N", "boxes", 2],
    }
    assert f"{model.graph.name}-{model.model_version}.onnx" == PEOPLE_MODEL_NAME == path.name


def test_grids_are_halved_from_layer_to_layer() -> None:
    assert grid_sides(225) == [15, 8, 4, 2]
    assert grid_sides(300) == [19, 10, 5, 3]  # as the network was trained


def test_building_twice_gives_the_same_bytes(model_path: Path, tmp_path: Path) -> None:
    build_model(tmp_path / "model" / "again.onnx")
    again = (tmp_path / "model" / "again.onnx").read_bytes()
    assert again == people_model(model_path).read_bytes()


def test_first_layer_has_the_graphs_weights(graph: dict[str, GraphNode]) -> None:
    """Normalised, with the output's channels first."""
    net = network(graph)
    convolution = next(node for node in net.nodes if node.operation == "Conv")
    kernels, bias = (net.constants[name] for name in convolution.inputs[1:])
    gain, shift, mean, variance = (
        graph[f"{STEM}BatchNorm/{name}"].tensor()
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gain / np.sqrt(variance + 0.001)
    plain = graph[f"{STEM}weights"].tensor()
    assert kernels.shape == (32, 3, 3, 3)
    assert kernels[7, 2, 0, 1] == pytest.approx(plain[0, 1, 2, 7] * scale[7], rel=1e-5)
    assert bias == pytest.approx(shift - mean * scale, rel=1e-4)
    assert convolution.attributes["auto_pad"] == "SAME_UPPER"


def test_depthwise_layers_have_a_group_per_channel(graph: dict[str, GraphNode]) -> None:
    groups = {node.attributes["group"] for node in network(graph).nodes if node[1] == "Conv"}
    assert {1, 32, 96, 960} <= groups


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        (f"{STEM}Relu6", {"operation": "Elu"}, f"{STEM}Relu6 is the unknown operation Elu"),
        (f"{STEM}Conv2D", {"operation": "Relu6"}, f"{STEM}Conv2D is not a convolution"),
        (f"{STEM}Conv2D", {"inputs": ("Preprocessor/sub", "gone")}, "gone"),
        (f"{STEM}Relu6", None, f"{STEM}Relu6"),
    ],
)
def test_other_graph_is_refused(
    graph: dict[str, GraphNode], name: str, change: dict[str, object] | None, says: str
) -> None:
    """The error names the node."""
    other = {key: node for key, node in graph.items() if key != name}
    if change:
        other[name] = replace(graph[name], **change)  # type: ignore[arg-type]
    with pytest.raises(WeightsUnreadable, match=f"another graph: .*{says}.*Reinstall"):
        network(other)


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One different bit is enough."""
    package = tmp_path / "tampered_graph"
    package.mkdir()
    (package / "__init__.py").touch()
    content = bytearray(WEIGHTS.read_bytes())
    content[6_000_000] ^= 1
    (package / ssdlite.WEIGHTS_FILE).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ssdlite, "WEIGHTS_PACKAGE", "tampered_graph")
    monkeypatch.setattr(ssdlite, "read_graph", pytest.fail)
    with pytest.raises(WeightsUnreadable, match="not the expected file"):
        build_model(tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
