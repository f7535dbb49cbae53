"""The outputs of networks that find objects, as boxes with classes and scores. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from labeller.detectors.box_file import BoxFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labeller.detectors.box_file import BoxNetwork


_ROUNDING: Final = 1e-3  # the allowed error of a score


class WrongOutput(Exception):
    """The outputs don't fit the description: `key` is what to change, the message says how."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class Objects(NamedTuple):
    """Objects: left, top, right and bottom as shares of the input, scores (0 to 1), classes."""

    edges: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.intp]


def objects_in(
    network: BoxNetwork, outputs: Mapping[str, NDArray[Any]], class_count: int
) -> Objects:
    """Return the objects in a network's outputs. Raises WrongOutput."""
    floats = {name: np.asarray(each, np.float64) for name, each in outputs.items()}
    if not all(np.isfinite(each).all() for each in floats.values()):
        raise WrongOutput("model", "returns numbers that are not finite; check input.scale")
    match network.format:
        case BoxFormat.YOLO:
            found = _yolo(network, _only(floats), class_count)
        case BoxFormat.END_TO_END:
            found = _end_to_end(network, _only(floats))
        case BoxFormat.SSD:
            found = _ssd(network, floats)
        case BoxFormat.DETR:
            found = _detr(network, floats, class_count)
    if ((found.scores < -_ROUNDING) | (found.scores > 1 + _ROUNDING)).any():
        raise WrongOutput("output.format", "doesn't fit: the scores are not from 0 to 1")
    wrong = found.classes[(found.classes < 0) | (found.classes >= class_count)]
    if wrong.size:
        raise WrongOutput(
            "labels",
            f"has {class_count} lines, but the model returns class "
            f"{wrong[0] + network.first_class}; write one line per class, and set "
            "output.first_class to the number of the first",
        )
    return found


def _yolo(network: BoxNetwork, numbers: NDArray[np.float64], class_count: int) -> Objects:
    widths = (4 + class_count, 5 + class_count)
    if numbers.ndim == 3 and numbers.shape[2] not in widths and numbers.shape[1] in widths:  # noqa: PLR2004  # one picture's rows
        numbers = numbers.transpose(0, 2, 1)
    if numbers.ndim != 3 or numbers.shape[2] not in widths:  # noqa: PLR2004
        raise WrongOutput(
            "labels",
            f"has {class_count} lines, so the model should return {widths[0]} or {widths[1]} "
            f"numbers for a box, but its output is {list(numbers.shape)}; write one line per "
            "class, or set another output.format",
        )
    rows = numbers[0]
    scores = rows[:, 4:] if rows.shape[1] == widths[0] else rows[:, 4:5] * rows[:, 5:]
    edges = _from_centres(rows[:, :4]) / _sides(network)
    return Objects(edges, scores.max(1), scores.argmax(1))


def _end_to_end(network: BoxNetwork, numbers: NDArray[np.float64]) -> Objects:
    if numbers.ndim != 3 or numbers.shape[2] != 6:  # noqa: PLR2004  # box, score and class
        raise WrongOutput(
            "output.format",
            f'is "{network.format}", which returns six numbers for a box, but the model\'s output '
            f'is {list(numbers.shape)}; set it to "{BoxFormat.YOLO}"',
        )
    rows = numbers[0]
    return _with_classes(network, rows[:, :4] / _sides(network), rows[:, 4], rows[:, 5])


def _ssd(network: BoxNetwork, outputs: Mapping[str, NDArray[np.float64]]) -> Objects:
    boxes = _named(network, outputs, "boxes").reshape(-1, 4)
    scores, classes = (_named(network, outputs, key).reshape(-1) for key in ("scores", "classes"))
    if not len(boxes) == len(scores) == len(classes):
        raise WrongOutput(
            "output.boxes",
            f"has {len(boxes)} boxes for {len(scores)} scores and {len(classes)} classes; name the "
            "outputs that belong together",
        )
    if network.edges == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    if network.units == "pixels":
        boxes = boxes / _sides(network)
    return _with_classes(network, boxes, scores, classes)


def _detr(
    network: BoxNetwork, outputs: Mapping[str, NDArray[np.float64]], class_count: int
) -> Objects:
    logits, boxes = _named(network, outputs, "scores"), _named(network, outputs, "boxes")
    logits = logits.reshape(-1, logits.shape[-1])
    boxes = boxes.reshape(-1, 4)
    classes = class_count + (network.activation == "softmax")  # the last stands for none
    if logits.shape != (len(boxes), classes):
        raise WrongOutput(
            "labels",
            f"has {class_count} lines, so with {network.activation} the model should return "
            f"{classes} scores for each of {len(boxes)} boxes, but returns {list(logits.shape)}; "
            "write one line per class, or set another output.activation",
        )
    if network.activation == "softmax":
        powers = np.exp(logits - logits.max(1, keepdims=True))
        scores = (powers / powers.sum(1, keepdims=True))[:, :-1]
    else:
        scores = (1 + np.tanh(logits / 2)) / 2
    return Objects(_from_centres(boxes), scores.max(1), scores.argmax(1))


def _only(outputs: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    if len(outputs) != 1:
        raise WrongOutput(
            "output.format",
            f"has one output, but the model returns {', '.join(outputs)}; export it with one, or "
            "set another format",
        )
    return next(iter(outputs.values()))


def _named(
    network: BoxNetwork, outputs: Mapping[str, NDArray[np.float64]], key: str
) -> NDArray[np.float64]:
    name = network.outputs[key]
    if name not in outputs:
        raise WrongOutput(
            f"output.{key}", f'is "{name}", but the model returns {", ".join(outputs)}'
        )
    return outputs[name]


def _with_classes(
    network: BoxNetwork,
    edges: NDArray[np.float64],
    scores: NDArray[np.float64],
    classes: NDArray[np.float64],
) -> Objects:
    """Return the boxes that are no padding, whose score is 0."""
    kept = scores > 0
    numbers = np.rint(classes[kept]).astype(np.intp) - network.first_class
    return Objects(edges[kept], scores[kept], numbers)


def _from_centres(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return left, top, right and bottom of boxes given by centre, width and height."""
    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.hstack([middle - half, middle + half])


def _sides(network: BoxNetwork) -> NDArray[np.float64]:
    frame = network.input.frame
    return np.tile([float(frame.width), float(frame.height)], 2)
