"""ONNX files made from networks' weights, and what their builders share."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from core.domain.errors import LabellingError
from core.storage.durable_files import IncomingFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

OPSET: Final = 17


class WeightsUnreadable(LabellingError):
    """The model's weights are missing, or differ from what the model is built from."""


class Node(NamedTuple):
    """One operation. Its output has the node's name."""

    name: str
    operation: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class Network:
    """A graph: operations in execution order, and their constants."""

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

    def integers(self, name: str, *values: int) -> str:
        """Add a constant of integers and return its name."""
        self.constants[name] = np.array(values, np.int64)
        return name

    def scaled_pictures(self, name: str, mean: float, scale: float) -> str:
        """Append what makes (pixel - mean) / scale of pictures, channels first; return its output.

        The input `name` is uint8 of shape (N, height, width, 3).
        """
        x = self.add("floats", "Cast", name, to=1)  # TensorProto.FLOAT
        x = self.add("channels_first", "Transpose", x, perm=[0, 3, 1, 2])
        x = self.add("centred", "Sub", x, self.constant("mean", mean))
        return self.add("scaled", "Mul", x, self.constant("scale", 1 / scale))

    def convolve(
        self,
        x: str,
        name: str,
        kernels: NDArray[Any],
        bias: NDArray[Any],
        *,
        stride: int = 1,
    ) -> str:
        """Append a convolution and return the name of its output.

        The padding is TensorFlow's SAME, which puts an odd pixel at the right and the bottom. A
        layer whose kernels have one channel is depthwise.
        """
        size = kernels.shape[-1]
        return self.add(
            name,
            "Conv",
            x,
            self.constant(f"{name}.weight", kernels),
            self.constant(f"{name}.bias", bias),
            kernel_shape=[size, size],
            strides=[stride, stride],
            auto_pad="SAME_UPPER",
            group=len(kernels) if kernels.shape[1] == 1 else 1,
        )

    def relu6(self, x: str, name: str) -> str:
        """Append a limit of 0 and 6 and return the name of its output."""
        for limit, value in (("zero", 0.0), ("six", 6.0)):
            if limit not in self.constants:
                self.constant(limit, value)
        return self.add(name, "Clip", x, "zero", "six")


class BatchNorm(NamedTuple):
    """A batch normalisation: one number of each kind per channel."""

    gain: NDArray[Any]
    bias: NDArray[Any]
    mean: NDArray[Any]
    variance: NDArray[Any]
    epsilon: float

    def folded_into(self, kernels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return kernels and bias of the convolution that does both.

        `kernels` are those of a convolution without bias, the output's channels first.
        """
        scale = self.gain / np.sqrt(self.variance + self.epsilon)
        return kernels * scale[:, None, None, None], self.bias - self.mean * scale


def read_weights(package: str, file: str, sha256: str) -> bytes:
    """Return a file of an installed package.

    Raises:
        WeightsUnreadable: it is missing, or not the file with that SHA-256.

    """
    try:
        content = files(package).joinpath(file).read_bytes()
    except (ModuleNotFoundError, OSError) as exc:
        raise WeightsUnreadable(
            f"The weights {package}/{file} can't be read: {exc}. Install requirements/serve.txt."
        ) from exc
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsUnreadable(
            f"The weights {package}/{file} are damaged or not the expected file. "
            "Reinstall requirements/serve.txt."
        )
    return content


def write_model(
    path: Path,
    net: Network,
    *,
    name: str,
    version: int,
    sides: Sequence[int | str],
    outputs: Mapping[str, Sequence[int | str]],
) -> None:
    """Write a network to `path`, completely or not at all. The same network gives the same bytes.

    Its input is `pictures`, uint8 of shape (N, *sides, 3). `outputs` gives each output's shape
    without N. A name stands for any number.
    """
    # onnx is slow to import, and only the first start needs it.
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    graph = helper.make_graph(
        [
            helper.make_node(node.operation, node.inputs, [node.name], node.name, **node.attributes)
            for node in net.nodes
        ],
        name,
        [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", *sides, 3])],
        [
            helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", *shape])
            for output, shape in outputs.items()
        ],
        [numpy_helper.from_array(value, each) for each, value in net.constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="labelling",
        model_version=version,
    )
    onnx.checker.check_model(model, full_check=True)
    _write_atomically(path, model.SerializeToString(deterministic=True))


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = IncomingFile(path.with_name(f".{path.name}.{secrets.token_hex(8)}"), path)
    try:
        incoming.write(content)
        incoming.sync()
        incoming.keep()
        incoming.sync_name()
    finally:
        incoming.discard()
