"""Networks that find objects are used as their files describe."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.domain.blob import ImageType
from core.domain.label import Detection
from labeller.detectors.base import Options, Picture
from labeller.detectors.box_detector import BoxDetector
from labeller.detectors.described import open_described
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.registry import create_detector
from tests.support.images.classifiers import describe, fixed
from tests.support.images.models import people_model
from tests.support.images.photos import photo

MAX = 50_000_000
LABELS = "Car\tVehicle\nDog\tAnimal\nCat\tAnimal\n"
SIDE = 40
SIDES = ("left", "top", "width", "height")
# Two boxes of one dog, one of a car and one of a cat, all in an input of 40 x 40 pixels: centre x,
# centre y, width and height in pixels, then the scores of car, dog and cat.
DOG = [10, 20, 10, 20, 0.1, 0.9, 0.0]
SAME_DOG = [11, 20, 10, 20, 0.0, 0.8, 0.0]
CAR = [30, 20, 20, 40, 0.7, 0.0, 0.1]
FAINT_CAT = [20, 20, 4, 4, 0.0, 0.0, 0.3]
ROWS = np.array([SAME_DOG, DOG, FAINT_CAT, CAR])


def picture(width: int = 80, height: int = 80) -> Picture:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (9, 99, 199)).save(out, "PNG")
    return Picture("key", ImageType.PNG, lambda: io.BytesIO(out.getvalue()))


def opened(
    folder: Path,
    outputs: dict[str, Any],
    output: dict[str, Any],
    given: dict[str, Any] | None = None,
    labels: str = LABELS,
) -> BoxDetector:
    fixed(folder / "model.onnx", outputs)
    given = {"size": SIDE, "resize": "stretch", **(given or {})}
    detector = open_described(describe(folder, labels, given, output, type="boxes"), max_pixels=MAX)
    assert isinstance(detector, BoxDetector)
    return detector


def seen(detector: BoxDetector, of: Picture | None = None, **limits: Any) -> Detection:
    return detector.detect(of or picture(), **{"max_labels": 20, "min_confidence": 50, **limits})


def boxes(detection: Detection) -> dict[str, list[list[float]]]:
    """Return left, top, width and height of each label's boxes, to two decimals."""
    return {
        label.name: [
            [
                round(getattr(each.bounding_box, side), 2)
                for side in ("left", "top", "width", "height")
            ]
            for each in label.instances
        ]
        for label in detection.labels
    }


def corners(rows: np.ndarray) -> np.ndarray:
    """Return left, top, right and bottom of rows that begin with centre, width and height."""
    return np.hstack([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2])


def logits(scores: np.ndarray) -> np.ndarray:
    return np.log(np.clip(scores, 1e-6, None) / np.clip(1 - scores, 1e-6, None))


EXPECTED = {
    "Animal": [],
    "Dog": [[0.12, 0.25, 0.25, 0.5]],
    "Vehicle": [],
    "Car": [[0.5, 0.0, 0.5, 1.0]],
}
CLASSES, SCORES = ROWS[:, 4:].argmax(1), ROWS[:, 4:].max(1)
NAMED = {"boxes": "b", "scores": "s", "classes": "c"}
PADDING = [[0.0] * 6]
# The same objects in each layout: outputs, and the table that describes them.
LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "YOLOv8": ({"o": ROWS.T[np.newaxis]}, {"format": "yolo"}),
    "YOLO, a row a box": ({"o": ROWS[np.newaxis]}, {"format": "yolo"}),
    "YOLOv5": (
        {"o": np.insert(ROWS, 4, 1.0, axis=1)[np.newaxis]},
        {"format": "yolo"},
    ),
    "YOLOv10": (
        {"o": np.vstack([np.c_[corners(ROWS), SCORES, CLASSES][1:], PADDING])[np.newaxis]},
        {"format": "end-to-end"},
    ),
    "TensorFlow": (
        {
            "detection_boxes": corners(ROWS)[np.newaxis, 1:][..., [1, 0, 3, 2]] / SIDE,
            "detection_scores": SCORES[np.newaxis, 1:],
            "detection_classes": CLASSES[np.newaxis, 1:] + 1,
            "num_detections": [3.0],
        },
        {"format": "ssd", "first_class": 1},
    ),
    "torchvision": (
        {"b": corners(ROWS)[1:], "s": SCORES[1:], "c": CLASSES[1:]},
        {"format": "ssd", "edges": "xyxy", "units": "pixels", **NAMED},
    ),
    "RT-DETR": (
        {"pred_boxes": ROWS[np.newaxis, 1:, :4] / SIDE, "logits": logits(ROWS[np.newaxis, 1:, 4:])},
        {"format": "detr", "activation": "sigmoid"},
    ),
    "DETR": (
        {
            "b": ROWS[np.newaxis, 1:, :4] / SIDE,
            "s": np.log(np.c_[ROWS[1:, 4:], 1.001 - ROWS[1:, 4:].sum(1)] + 1e-9)[np.newaxis],
        },
        {"format": "detr", "boxes": "b", "scores": "s"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_objects_are_found_in_every_layout(tmp_path: Path, layout: str) -> None:
    """Once each, with their boxes; parents have the confidence and no box."""
    found = seen(opened(tmp_path, *LAYOUTS[layout]))
    assert boxes(found) == EXPECTED
    confidences = {label.name: label.confidence for label in found.labels}
    assert confidences == pytest.approx(
        {"Animal": 90, "Dog": 90, "Vehicle": 70, "Car": 70}, abs=0.2
    )
    assert (found.width, found.height, found.detector) == (80, 80, "colours/2")


def test_overlapping_boxes_are_several_where_the_file_says_so(tmp_path: Path) -> None:
    outputs, output = LAYOUTS["YOLOv8"]
    found = seen(opened(tmp_path, outputs, {**output, "overlap": 0.95}))
    assert len(boxes(found)["Dog"]) == 2


def test_object_score_multiplies_those_of_the_classes(tmp_path: Path) -> None:
    """As YOLOv5 returns them."""
    rows = np.insert(ROWS, 4, 0.5, axis=1)[np.newaxis]
    found = seen(opened(tmp_path, {"o": rows}, {"format": "yolo"}), min_confidence=40)
    assert [(each.name, each.confidence) for each in found.labels] == [("Animal", 45), ("Dog", 45)]


def test_limits_are_those_of_the_request(tmp_path: Path) -> None:
    """A box below the confidence is left out of a label's boxes too."""
    detector = opened(tmp_path, *LAYOUTS["YOLOv8"])
    assert "Cat" in boxes(seen(detector, min_confidence=25))
    assert "Cat" not in boxes(seen(detector, min_confidence=31))
    assert [each.name for each in seen(detector, max_labels=1).labels] == ["Animal"]
    noise = opened(tmp_path, {"o": [[[9, 9, 9, 9, 0.04, 0, 0]]]}, {"format": "yolo"})
    assert seen(noise, min_confidence=0).labels == ()


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        # The frame's left half, on a picture of 160 x 80 or 80 x 160.
        ("stretch", (160, 80), [0.0, 0.0, 0.5, 1.0]),
        ("crop", (160, 80), [0.25, 0.0, 0.25, 1.0]),
        ("crop", (80, 160), [0.0, 0.25, 0.5, 0.5]),
        ("pad", (160, 80), [0.0, 0.0, 0.5, 1.0]),
        ("pad", (80, 160), [0.0, 0.0, 0.5, 1.0]),
    ],
)
def test_boxes_are_placed_on_the_whole_picture(
    tmp_path: Path, resize: str, size: tuple[int, int], expected: list[float]
) -> None:
    """Whatever part of it the network sees, and how; what is on the padding is cut off."""
    given: dict[str, Any] = {"resize": resize}
    given |= {"crop_share": 1} if resize == "crop" else {}
    rows = [[[10, 20, 20, 40, 0.9, 0, 0]]]
    found = seen(opened(tmp_path, {"o": rows}, {"format": "yolo"}, given), picture(*size))
    assert boxes(found)["Car"] == [expected]


def test_class_with_a_dash_is_left_out(tmp_path: Path) -> None:
    """As the numbers that COCO's list skips."""
    found = seen(opened(tmp_path, *LAYOUTS["YOLOv8"], labels="-\nDog\n-\n"))
    assert list(boxes(found)) == ["Dog"]


def test_people_are_added(tmp_path: Path, model_path: Path) -> None:
    fixed(tmp_path / "model.onnx", LAYOUTS["YOLOv8"][0])
    given = {"size": SIDE, "resize": "stretch"}
    file = describe(tmp_path, LABELS, given, {"format": "yolo"}, type="boxes")
    model = people_model(model_path)
    options = Options(MAX, MAX, faces=True, classifier=file, people_model=model)
    detector = create_detector("onnx", options)
    astronaut = Picture("key", ImageType.PNG, lambda: io.BytesIO(photo("astronaut.png")))
    found = detector.detect(astronaut, max_labels=20, min_confidence=55)
    assert {"Person", "Dog"} <= {label.name for label in found.labels}
    assert found.detector == "colours/2+ssdlite+mtcnn"


# Checks at the start.


@pytest.mark.parametrize(
    ("layout", "output", "labels", "says"),
    [
        (
            "YOLOv8", {}, "Car\n",
            ("labels has 1 lines, so the model should return 5 or 6 numbers for a box, but its "
            "output is [1, 7, 4]; write one line per class, or set another output.format."),
        ),
        (
            "YOLOv8", {"format": "end-to-end"}, LABELS,
            ('output.format is "end-to-end", which returns six numbers for a box, but the model\'s '
            'output is [1, 7, 4]; set it to "yolo".'),
        ),
        (
            "TensorFlow", {"format": "yolo", "first_class": None}, LABELS,
            ("output.format has one output, but the model returns detection_boxes, "
            "detection_scores, detection_classes, num_detections; export it with one, or set "
            "another format."),
        ),
        (
            "TensorFlow", {"first_class": 0}, LABELS,
            ("labels has 3 lines, but the model returns class 3; write one line per class, and set "
            "output.first_class to the number of the first."),
        ),
        (
            "TensorFlow", {"scores": "s"}, LABELS,
            ('output.scores is "s", but the model returns detection_boxes, detection_scores, '
            "detection_classes, num_detections."),
        ),
        (
            "RT-DETR", {"activation": "softmax"}, LABELS,
            ("labels has 3 lines, so with softmax the model should return 4 scores for each of 3 "
            "boxes, but returns [3, 3]; write one line per class, or set another "
            "output.activation."),
        ),
        ("YOLOv8", {"edges": "xyxy"}, LABELS, 'output.edges is for format = "ssd": leave it out.'),
        (
            "YOLOv8", {"first_class": 1}, LABELS,
            "output.first_class is for classes that are numbers: leave it out.",
        ),
        (
            "YOLOv8", {"overlap": 2}, LABELS,
            "output.overlap is 2: give a number above 0 and at most 1.",
        ),
        (
            "YOLOv8", {"format": "yolov8"}, LABELS,
            "output.format is 'yolov8': choose \"yolo\" or \"end-to-end\" or \"ssd\" or \"detr\".",
        ),
    ],
)  # fmt: skip
def test_file_that_does_not_fit_is_refused(
    tmp_path: Path, layout: str, output: dict[str, Any], labels: str, says: str
) -> None:
    """With the key and what to set."""
    outputs, described = LAYOUTS[layout]
    with pytest.raises(ModelUnusable) as error:
        opened(tmp_path, outputs, {**described, **output}, labels=labels)
    assert str(error.value).removeprefix(f"{tmp_path / 'classifier.toml'}: ") == says


def test_scores_that_are_no_shares_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"the scores are not from 0 to 1"):
        opened(tmp_path, {"o": [[[9, 9, 9, 9, 4.0, 0, 0]]]}, {"format": "yolo"})


def test_unknown_type_is_refused(tmp_path: Path) -> None:
    file = describe(tmp_path, LABELS, type="box")
    with pytest.raises(ModelUnusable, match='"classifier" or "boxes" or "zero-shot" or "merged"'):
        open_described(file, max_pixels=MAX)
