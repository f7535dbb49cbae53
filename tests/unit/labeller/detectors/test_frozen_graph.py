"""Frozen graphs of TensorFlow, as bytes made by hand."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from labeller.detectors.frozen_graph import read_graph
from labeller.detectors.onnx_file import WeightsUnreadable

FLOAT, INT32 = 1, 3  # DataType


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def node(name: str, operation: str, *inputs: str, **attributes: bytes) -> bytes:
    parts = [field(1, name.encode()), field(2, operation.encode())]
    parts += [field(3, each.encode()) for each in inputs]
    parts += [
        field(5, field(1, key.encode()) + field(2, value)) for key, value in attributes.items()
    ]
    return field(1, b"".join(parts))


def tensor(content: bytes, *sides: int, kind: int = FLOAT, at: int = 4) -> bytes:
    shape = b"".join(field(2, field(1, side)) for side in sides)
    return field(8, field(1, kind) + field(2, shape) + field(at, content))


def test_nodes_have_operation_inputs_and_attributes() -> None:
    """In the order of the file; a name of more than 127 bytes has a length of two."""
    long = "layer/" * 30
    strides = field(1, field(3, bytes([1, 2, 2, 1])))
    epsilon = varint(4 << 3 | 5) + struct.pack("<f", 0.5)
    content = node(long, "Conv2D", "x", "w", strides=strides, padding=field(2, b"SAME"))
    graph = read_graph(content + node("norm", "FusedBatchNorm", long, epsilon=epsilon))
    assert list(graph) == [long, "norm"]
    assert (graph[long].operation, graph[long].inputs) == ("Conv2D", ("x", "w"))
    assert graph[long].integers("strides") == [1, 2, 2, 1]
    assert graph[long].text("padding") == "SAME"
    assert graph["norm"].number("epsilon") == 0.5


@pytest.mark.parametrize("at", [4, 5])
def test_constants_have_shape_and_numbers(at: int) -> None:
    """As raw bytes, and as a list of floats."""
    content = np.arange(6, dtype="<f4").tobytes()
    graph = read_graph(node("w", "Const", value=tensor(content, 2, 3, at=at)))
    assert graph["w"].tensor().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_constant_of_integers_is_refused() -> None:
    graph = read_graph(node("n", "Const", value=tensor(b"\1\0\0\0", 1, kind=INT32)))
    with pytest.raises(ValueError, match="not of floats"):
        graph["n"].tensor()


def test_other_content_is_refused() -> None:
    """Truncated anywhere in a node, empty, or of another kind."""
    content = node("relu", "Relu6", "x")
    for end in range(1, len(content)):
        with pytest.raises(WeightsUnreadable, match="Not a frozen graph"):
            read_graph(content[:end])
    for other in (b"", b"PK\3\4 a zip", b"\xff" * 20, b"\x0b\x0c"):
        with pytest.raises(WeightsUnreadable, match="Not a frozen graph"):
            read_graph(other)
