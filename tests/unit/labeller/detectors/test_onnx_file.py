"""What the builders of ONNX models share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from labeller.detectors.onnx_file import BatchNorm, Network, write_model


def computed(net: Network, output: str, path: Path, pixels: np.ndarray) -> np.ndarray:
    """Write a network, and run it on one picture."""
    shape = ("channels", "height", "width")
    write_model(path, net, name="net", version=3, sides=("h", "w"), outputs={output: shape})
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run([output], {"pictures": pixels[np.newaxis]})
    return found[0]


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("depthwise", [False, True])
def test_batch_normalisation_is_folded_in(
    side: int, stride: int, depthwise: bool, tmp_path: Path
) -> None:
    """The folded convolution equals the convolution followed by the normalisation."""
    chance = np.random.default_rng(1)
    kernels = chance.normal(size=(3, 1 if depthwise else 3, 3, 3))
    gain, bias, average = chance.normal(size=(3, 3))
    variance = chance.uniform(0.5, 2, 3)
    folded, plain = Network(), Network()
    norm = BatchNorm(gain, bias, average, variance, epsilon=1e-3)
    for net, layer in ((folded, norm.folded_into(kernels)), (plain, (kernels, np.zeros(3)))):
        net.convolve(net.scaled_pictures("pictures", 128, 128), "c", *layer, stride=stride)
    pixels = chance.integers(0, 256, (side, side, 3), np.uint8)
    found, before = (computed(net, "c", tmp_path / "net.onnx", pixels) for net in (folded, plain))
    column = (slice(None), None, None)
    expected = (before - average[column]) / np.sqrt(variance + 1e-3)[column]
    expected = expected * gain[column] + bias[column]
    assert found.shape == (3, -(-side // stride), -(-side // stride))
    assert found == pytest.approx(expected, abs=1e-5)


def test_odd_pixel_of_padding_is_at_the_end(tmp_path: Path) -> None:
    """As in TensorFlow: a kernel of 3 that strides by 2 over an even side begins at its edge."""
    net = Network()
    x = net.scaled_pictures("pictures", 0, 1)
    net.convolve(x, "sums", np.ones((1, 3, 3, 3)), np.zeros(1), stride=2)
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0, 0, 0], pixels[3, 3, 0] = 1, 10
    assert computed(net, "sums", tmp_path / "net.onnx", pixels)[0].tolist() == [[1, 0], [0, 10]]
    pixels[2, 2, 0] = 100
    assert computed(net, "sums", tmp_path / "net.onnx", pixels)[0].tolist() == [
        [101, 100],
        [100, 110],
    ]


def test_written_network_computes_what_its_nodes_say(tmp_path: Path) -> None:
    """Pixels of value 200 become (200 - 100) / 50, which is then limited to 6."""
    net = Network()
    x = net.scaled_pictures("pictures", 100, 50)
    x = net.convolve(x, "five", np.full((1, 3, 1, 1), 5 / 3), np.zeros(1))
    net.relu6(x, "limited")
    pixels = np.full((2, 2, 3), 200, np.uint8)
    pixels[0, 0] = 110
    found = computed(net, "limited", tmp_path / "net.onnx", pixels)
    assert found[0] == pytest.approx(np.array([[1, 6], [6, 6]]))
