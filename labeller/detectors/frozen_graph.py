"""Reader for TensorFlow's frozen graphs (GraphDef messages), without TensorFlow.

Format: protobuf.dev/programming-guides/encoding, and TensorFlow's graph.proto, node_def.proto,
attr_value.proto and tensor.proto.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labeller.detectors.onnx_file import WeightsUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

# Wire types: a varint, a length and so many bytes, and the bytes of those of fixed length.
_VARINT: Final = 0
_LENGTH: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_MORE: Final = 0x80  # bit of a varint's byte that is not the last
# The numbers of the messages' fields.
_NODES: Final = 1  # GraphDef
_NAME, _OPERATION, _INPUT, _ATTRIBUTE = 1, 2, 3, 5  # NodeDef
_KEY, _VALUE = 1, 2  # an entry of a map
_LIST, _STRING, _NUMBER, _TENSOR = 1, 2, 4, 8  # AttrValue
_INTEGERS: Final = 3  # AttrValue.ListValue
_TYPE, _SHAPE, _CONTENT, _FLOATS = 1, 2, 4, 5  # TensorProto
_SIDES, _SIDE = 2, 1  # TensorShapeProto, and its Dim
_FLOAT: Final = 1  # DataType.DT_FLOAT


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One operation: its kind, the names of its inputs, and its attributes as encoded messages."""

    operation: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, bytes]

    def tensor(self) -> NDArray[np.float32]:
        """Return a constant's numbers. Raises ValueError if they are not floats."""
        fields = _last(_last(self.attributes["value"])[_TENSOR])
        if fields[_TYPE] != _FLOAT:
            raise ValueError("a constant is not of floats")
        sides = [_last(each)[_SIDE] for key, each in _fields(fields[_SHAPE]) if key == _SIDES]
        content = fields[_CONTENT] if _CONTENT in fields else fields[_FLOATS]
        return np.frombuffer(content, "<f4").reshape(sides)

    def number(self, name: str) -> float:
        """Return an attribute that is a float."""
        (value,) = struct.unpack("<f", _last(self.attributes[name])[_NUMBER])
        return float(value)

    def text(self, name: str) -> str:
        """Return an attribute that is a string."""
        return str(_last(self.attributes[name])[_STRING], "utf-8")

    def integers(self, name: str) -> list[int]:
        """Return an attribute that is a list of integers, none of them negative."""
        packed = _last(_last(self.attributes[name])[_LIST])[_INTEGERS]
        numbers, at = [], 0
        while at < len(packed):
            number, at = _varint(packed, at)
            numbers.append(number)
        return numbers


def read_graph(content: bytes) -> dict[str, GraphNode]:
    """Return a frozen graph's nodes by name.

    Raises:
        WeightsUnreadable: the content is truncated, or not a frozen graph.

    """
    try:
        nodes = dict(_node(node) for key, node in _fields(content) if key == _NODES)
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as exc:
        raise WeightsUnreadable(f"Not a frozen graph of TensorFlow: {exc}") from exc
    if not nodes:
        raise WeightsUnreadable("Not a frozen graph of TensorFlow: it has no nodes")
    return nodes


def _node(content: bytes) -> tuple[str, GraphNode]:
    fields, inputs, attributes = _last(content), [], {}
    for key, value in _fields(content):
        if key == _INPUT:
            inputs.append(str(value, "utf-8"))
        elif key == _ATTRIBUTE:
            entry = _last(value)
            attributes[str(entry[_KEY], "utf-8")] = entry.get(_VALUE, b"")
    name, operation = (str(fields[key], "utf-8") for key in (_NAME, _OPERATION))
    return name, GraphNode(operation, tuple(inputs), attributes)


def _last(message: bytes) -> dict[int, Any]:
    """Return a message's fields by number, of repeated ones the last."""
    return dict(_fields(message))


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Return number and value of each field: an integer, or bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == _LENGTH:
            size, at = _varint(message, at)
        else:
            size = _FIXED[kind]
        if at + size > len(message):
            raise ValueError("it is truncated")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the integer at a position, and the position behind it."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & ~_MORE) << shift
        at, shift = at + 1, shift + 7
        if not byte & _MORE:
            return number, at
