"""The TOML file that describes an ONNX network which finds objects and their boxes.

docs/detectors.md describes each key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from labeller.detectors.network_input import NetworkInput, read_input

if TYPE_CHECKING:
    from pathlib import Path

    from labeller.detectors.toml_table import Table

TYPE: Final = "boxes"


class BoxFormat(StrEnum):
    """How a network returns boxes. N is their number, and C that of the classes.

    YOLO: one output of (1, 4 + C, N) or (1, N, 4 + C), or with 5 + C where an object's score comes
    before those of the classes; centre, width and height in pixels of the input. END_TO_END: one
    output of (1, N, 6): left, top, right and bottom in pixels, score and class. SSD: outputs of
    boxes (N, 4), scores (N) and classes (N). DETR: an output of scores of the classes (N, C) or
    (N, C + 1), of which the last is that of no object, and one of boxes (N, 4): centre, width and
    height as shares of the input.
    """

    YOLO = "yolo"
    END_TO_END = "end-to-end"
    SSD = "ssd"
    DETR = "detr"


# The outputs of SSD and DETR, as TensorFlow's and Hugging Face's exports name them.
_OUTPUTS: Final = {
    BoxFormat.SSD: {
        "boxes": "detection_boxes",
        "scores": "detection_scores",
        "classes": "detection_classes",
    },
    BoxFormat.DETR: {"boxes": "pred_boxes", "scores": "logits"},
}
_OVERLAP: Final = 0.45  # of YOLO's boxes; the others have each object once


@dataclass(frozen=True, slots=True)
class BoxNetwork:
    """A network as described by `file`.

    `outputs` are the names of the outputs by `boxes`, `scores` and `classes`, where the format has
    several. `edges` is the order of the sides in an SSD's boxes, and `units` is `shares` or
    `pixels`. `first_class` is the number of the first class. Boxes of one class that share more
    than `overlap` of their union are one object.
    """

    file: Path
    name: str
    version: str
    model: Path
    labels: Path
    input: NetworkInput
    format: BoxFormat
    outputs: dict[str, str]
    activation: str
    edges: str
    units: str
    first_class: int
    overlap: float


def read_box_network(file: Path, top: Table) -> BoxNetwork:
    """Read a network's file. Raises ModelUnusable, which names the key and the remedy."""
    top.choice("type", [TYPE])
    given, output = top.table("input"), top.table("output")
    kind = BoxFormat(output.choice("format", [each.value for each in BoxFormat]))
    network = BoxNetwork(
        file=file,
        name=top.name("name"),
        version=top.name("version"),
        model=top.path("model"),
        labels=top.path("labels"),
        input=read_input(given),
        format=kind,
        outputs={key: output.text(key, name) for key, name in _OUTPUTS.get(kind, {}).items()},
        activation=_only_for(BoxFormat.DETR, output, "activation", ["softmax", "sigmoid"], kind),
        edges=_only_for(BoxFormat.SSD, output, "edges", ["yxyx", "xyxy"], kind),
        units=_only_for(BoxFormat.SSD, output, "units", ["shares", "pixels"], kind),
        first_class=output.whole("first_class", 0),
        overlap=output.number("overlap", _OVERLAP if kind is BoxFormat.YOLO else 1.0, most=1),
    )
    for table in (top, given, output):
        table.refuse_unknown_keys()
    if output.has("first_class") and kind in (BoxFormat.YOLO, BoxFormat.DETR):
        output.refuse("first_class", "is for classes that are numbers: leave it out")
    top.require_files("model", "labels")
    return network


def _only_for(
    needed: BoxFormat, output: Table, key: str, choices: list[str], kind: BoxFormat
) -> str:
    value = output.choice(key, choices)
    if output.has(key) and kind is not needed:
        output.refuse(key, f'is for format = "{needed}": leave it out')
    return value
