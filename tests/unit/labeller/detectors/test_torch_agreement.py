"""The network that we write as ONNX is the one that PyTorch runs from the same weights.

For development: it needs `torch` and `efficientnet-lite-pytorch`, which nothing else does, and is
skipped without them. docs/decisions/0025 has the figures.
"""

from __future__ import annotations

import io
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from core.domain.blob import ImageType
from labeller.detectors import efficientnet_lite
from labeller.detectors.base import Picture
from labeller.detectors.onnx import OnnxDetector, open_detector
from tests.unit.labeller.detectors.test_golden_labels import GOLDEN, Golden, content_of, name_of

torch = pytest.importorskip("torch", reason="torch is not installed")
reference_networks = pytest.importorskip(
    "efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed"
)


@pytest.fixture(scope="module")
def reference() -> Any:
    """The network as its authors write it, which reads the weights by torch's own means."""
    weights = files(efficientnet_lite.WEIGHTS_PACKAGE) / efficientnet_lite.WEIGHTS_FILE
    network = reference_networks.EfficientNet.from_pretrained("efficientnet-lite0", str(weights))
    return network.eval()


@pytest.fixture(scope="module")
def detector(model_path: Path) -> OnnxDetector:
    return open_detector(model_path, max_pixels=50_000_000)


@pytest.fixture(scope="module")
def ours(model_path: Path) -> Any:
    """Our graph, with the input of its softmax as an output."""
    model = onnx.load(model_path)
    (softmax,) = [node for node in model.graph.node if node.op_type == "Softmax"]
    logits = softmax.input[0]
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(logits))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (taken,) = session.get_inputs()
    return lambda pixels: session.run([logits], {taken.name: pixels})[0]


@pytest.mark.parametrize("golden", GOLDEN, ids=name_of)
def test_logits_are_torchs(
    reference: Any, ours: Any, detector: OnnxDetector, golden: Golden
) -> None:
    """To four decimals, for every photograph; and the classes are in the same order."""
    content = content_of(golden)
    kind = ImageType.PNG if golden.file.endswith(".png") else ImageType.JPEG
    pixels = detector.prepare(Picture("any", kind, lambda: io.BytesIO(content))).pixels[np.newaxis]
    with torch.inference_mode():
        floats = (pixels.transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128
        expected = reference(torch.from_numpy(floats)).numpy()
    found = ours(pixels)
    assert found == pytest.approx(expected, abs=1e-4)
    assert (np.argsort(-found)[0, :5] == np.argsort(-expected)[0, :5]).all()
