"""Any ONNX classifier, used as its file says: what it is given, and what its numbers mean."""

from __future__ import annotations

import io
import math
from importlib import resources
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.domain.blob import ImageType
from core.domain.errors import Unavailable
from core.domain.label import Detection
from labeller.detectors.base import Options, Picture
from labeller.detectors.classifier import ClassifierDetector, activate, open_classifier
from labeller.detectors.onnx import open_detector
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.registry import create_detector
from labeller.detectors.taxonomy import Taxonomy, labels_from
from tests.support.classifiers import (
    colour_classifier,
    colours,
    describe,
    echo,
    efficientnet_logits,
)
from tests.support.photos import photo

MAX = 50_000_000
PHOTOS = (
    "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "astronaut.png", "camera.png",
    "cell.png", "horse.png", "page.png", "hubble_deep_field.jpg", "color.png",
)  # fmt: skip
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def labels_for(count: int) -> str:
    return "".join(f"Class {number:04}\n" for number in range(count))


def png(image: Image.Image) -> Picture:
    out = io.BytesIO()
    image.save(out, "PNG")
    return Picture("key", ImageType.PNG, lambda: io.BytesIO(out.getvalue()))


def of_photo(name: str) -> Picture:
    kind = ImageType.PNG if name.endswith("png") else ImageType.JPEG
    return Picture(name, kind, lambda: io.BytesIO(photo(name)))


def flat(*colour: int, size: tuple[int, int] = (6, 6)) -> Picture:
    return png(Image.new("RGB", size, colour))


def given_to(detector: ClassifierDetector, picture: Picture) -> NDArray[np.float64]:
    """The numbers that an echo of six classes or more is given: its labels, by class, undone."""
    detection = detector.detect(picture, max_labels=10_000, min_confidence=0)
    shares = {label.name: label.confidence / 100 for label in detection.labels}
    numbers = [shares.get(f"Class {i:04}", 0) for i in range(detector._taxonomy.class_count)]
    return np.array(numbers)


def undone(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a sigmoid gave these shares for."""
    result: NDArray[np.float64] = np.log(shares / (1 - shares))
    return result


# What the model is given.


@pytest.mark.parametrize(
    ("layout", "channels", "kind", "batch"),
    list(product(["NCHW", "NHWC"], ["RGB", "BGR"], ["float32", "float16"], ["N", 1])),
)
def test_numbers_are_as_the_file_says(
    tmp_path: Path, layout: str, channels: str, kind: str, batch: Any
) -> None:
    """Every combination of layout, order, number type and batch: (pixel * scale - mean) / std."""
    shape = [batch, 3, 2, 2] if layout == "NCHW" else [batch, 2, 2, 3]
    echo(tmp_path / "model.onnx", shape, kind)
    given = {"layout": layout, "channels": channels, "scale": 1 / 255}
    given |= {"mean": list(MEAN), "std": list(STD)}
    file = describe(tmp_path, labels_for(12), given, {"activation": "sigmoid"})
    detector = open_classifier(file, max_pixels=MAX)

    colour = [10, 100, 200] if channels == "RGB" else [200, 100, 10]
    wanted = (np.array(colour) / 255 - MEAN) / STD
    cube = np.broadcast_to(wanted, (2, 2, 3))
    expected = cube.transpose(2, 0, 1) if layout == "NCHW" else cube
    found = undone(given_to(detector, flat(10, 100, 200)))
    assert found == pytest.approx(expected.reshape(-1), abs=2e-3)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_pixels_are_given_as_they_are_to_a_model_of_bytes(tmp_path: Path, layout: str) -> None:
    """Its numbers are the picture's."""
    shape = [1, 3, 2, 2] if layout == "NCHW" else [1, 2, 2, 3]
    echo(tmp_path / "model.onnx", shape, "uint8")
    given = {"layout": layout}
    file = describe(
        tmp_path, labels_for(12), given, {"activation": "softmax", "temperature": 100.0}
    )
    detector = open_classifier(file, max_pixels=MAX)
    cube = np.broadcast_to(np.array([10, 100, 200]), (2, 2, 3))
    expected = (cube.transpose(2, 0, 1) if layout == "NCHW" else cube).reshape(-1)
    powers = np.exp(expected / 100)
    found = given_to(detector, flat(10, 100, 200))
    assert found == pytest.approx(powers / powers.sum(), abs=1e-5)


def test_a_model_of_any_size_looks_at_the_size_that_is_said(tmp_path: Path) -> None:
    """Height before width."""
    echo(tmp_path / "model.onnx", ["N", 3, None, "W"])
    file = describe(tmp_path, labels_for(3 * 4 * 6), {"size": [4, 6]}, {"activation": "sigmoid"})
    detector = open_classifier(file, max_pixels=MAX)
    assert detector.tensor(np.zeros((4, 6, 3), np.uint8)).shape == (1, 3, 4, 6)
    assert detector.detect(flat(0, 0, 0), max_labels=1, min_confidence=0).labels


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        # A picture of 80 x 40, red and blue side by side on green below.
        ("crop", 8, {(2, 1): "R", (2, 6): "B", (6, 1): "G", (6, 6): "G", (1, 4): None}),
        ("stretch", 8, {(1, 1): "R", (1, 6): "B", (6, 1): "G", (6, 6): "G"}),
        ("pad", 8, {(0, 4): "K", (7, 4): "K", (3, 1): "R", (3, 6): "B", (5, 1): "G"}),
        ("stretch", [4, 12], {(1, 2): "R", (1, 9): "B", (3, 2): "G"}),
        ("pad", [4, 12], {(1, 0): "K", (1, 11): "K", (0, 3): "R", (0, 8): "B", (3, 5): "G"}),
        ("crop", [12, 4], {(2, 0): "R", (2, 3): "B", (9, 0): "G"}),
    ],
)
def test_pictures_are_fitted_as_the_file_says(
    tmp_path: Path, resize: str, size: Any, expected: dict[tuple[int, int], str | None]
) -> None:
    """Its middle, all of it out of shape, or all of it on black."""
    height, width = size if isinstance(size, list) else (size, size)
    echo(tmp_path / "model.onnx", ["N", height, width, 3])
    given = {"size": size, "resize": resize, "layout": "NHWC", "scale": 1 / 255}
    file = describe(tmp_path, labels_for(height * width * 3), given, {"activation": "none"})
    detector = open_classifier(file, max_pixels=MAX)
    picture = Image.new("RGB", (80, 40), (0, 255, 0))
    picture.paste((255, 0, 0), (0, 0, 40, 20))
    picture.paste((0, 0, 255), (40, 0, 80, 20))

    cube = given_to(detector, png(picture)).reshape(height, width, 3)
    colours_by_name = {"R": (1, 0, 0), "G": (0, 1, 0), "B": (0, 0, 1), "K": (0, 0, 0)}
    for place, name in expected.items():
        if name:
            assert cube[place] == pytest.approx(colours_by_name[name], abs=0.12), (place, name)


@pytest.mark.parametrize(("share", "edge"), [(1.0, 255), (0.5, 0)])
def test_a_crop_takes_its_share(tmp_path: Path, share: float, edge: int) -> None:
    """With half of it, a frame around the middle half isn't seen."""
    echo(tmp_path / "model.onnx", ["N", 8, 8, 3], "uint8")
    given = {"size": 8, "layout": "NHWC", "crop_share": share}
    file = describe(tmp_path, labels_for(192), given, {"activation": "sigmoid"})
    detector = open_classifier(file, max_pixels=MAX)
    picture = Image.new("RGB", (160, 160), (255, 255, 255))
    picture.paste((0, 0, 0), (36, 36, 124, 124))
    seen: list[NDArray[np.uint8]] = []
    detector.infer = lambda image: (seen.append(image.pixels), np.zeros(192))[1]  # type: ignore[method-assign]
    detector.detect(png(picture), max_labels=1, min_confidence=0)
    assert seen[0][0, 0].tolist() == [edge] * 3
    assert seen[0][4, 4].tolist() == [0] * 3


# What its numbers mean.


def test_softmax_and_sigmoid_and_temperature() -> None:
    """By hand."""
    numbers = np.array([1.0, 2.0, -1000.0, 1000.0])
    one, two = (1 / (1 + math.exp(-each)) for each in (1, 2))
    assert activate(numbers, "sigmoid", 1.0) == pytest.approx([one, two, 0, 1])
    half = 1 / (1 + math.exp(-0.5))
    assert activate(numbers, "sigmoid", 2.0)[0] == pytest.approx(half)
    assert activate(numbers, "softmax", 1.0) == pytest.approx([0, 0, 0, 1])
    three = np.exp([0.5, 1.0]) / np.exp([0.5, 1.0]).sum()
    assert activate(numbers[:2], "softmax", 2.0) == pytest.approx(three)
    assert activate(numbers, "none", 1.0) is numbers


def seen_in(file: Path, picture: Picture, **limits: float) -> dict[str, float]:
    limits = {"max_labels": 100, "min_confidence": 0, **limits}
    detection = open_classifier(file, max_pixels=MAX).detect(picture, **limits)  # type: ignore[arg-type]
    return {label.name: label.confidence for label in detection.labels}


def test_a_softmax_is_added_up(tmp_path: Path) -> None:
    """A parent is as sure as its classes together, most confident first."""
    found = seen_in(colour_classifier(tmp_path), flat(255, 0, 51))
    red, green, blue = np.exp([4, 0, 0.8]) / np.exp([4, 0, 0.8]).sum() * 100
    assert found == pytest.approx(
        {"Colour": 100, "Red": red, "Warm": red, "Blue": blue, "Cold": blue, "Green": green},
        abs=6e-4,
    )
    assert list(found) == ["Colour", "Red", "Warm", "Blue", "Cold", "Green"]


def test_several_classes_at_once_are_not_added_up(tmp_path: Path) -> None:
    """A parent is as sure as the surest of its classes."""
    file = colour_classifier(tmp_path)
    file.write_text(file.read_text() + 'activation = "sigmoid"\n')
    found = seen_in(file, flat(255, 0, 51))
    red, half, blue = (100 / (1 + math.exp(-each)) for each in (4, 0, 0.8))
    expected = {"Colour": red, "Red": red, "Warm": red, "Blue": blue, "Cold": blue, "Green": half}
    assert found == pytest.approx(expected, abs=6e-4)


def test_probabilities_are_taken_as_they_are(tmp_path: Path) -> None:
    """And cut as the caller says."""
    colours(tmp_path / "model.onnx", gain=1 / 3)
    file = describe(
        tmp_path,
        "Red\tColour\nGreen\tColour\nBlue\tColour\n",
        {"scale": 1 / 255},
        {"activation": "none"},
    )
    found = seen_in(file, flat(255, 255, 51), min_confidence=33)
    assert found == pytest.approx({"Colour": 73.333, "Green": 33.333, "Red": 33.333})
    assert list(found) == ["Colour", "Green", "Red"]
    assert list(seen_in(file, flat(255, 255, 51), max_labels=2)) == ["Colour", "Green"]


def test_classes_of_one_name_are_one_label(tmp_path: Path) -> None:
    """Their probabilities together."""
    colours(tmp_path / "model.onnx", gain=0.0)
    file = describe(tmp_path, "A\nB\nA\n")
    assert seen_in(file, flat(1, 2, 3)) == pytest.approx({"A": 66.667, "B": 33.333})


# The network that comes with the service, as a user would bring it.


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imagenet")
    efficientnet_logits(folder / "model.onnx")
    given = {"size": 224, "mean": [127] * 3, "std": [128] * 3}
    return describe(folder, "\n".join(imagenet_labels()) + "\n", given, name="lite0")


def imagenet_labels() -> list[str]:
    table = resources.files("labeller.detectors").joinpath("classes.tsv").read_text()
    return [row.split("\t")[2] for row in table.splitlines()]


@pytest.mark.parametrize("name", PHOTOS)
def test_our_own_network_as_a_users_sees_the_same(
    imagenet: Path, model_path: Path, name: str
) -> None:
    """Floats, NCHW and logits, by the file's numbers, against the graph that has all that in it."""
    ours = open_detector(model_path, max_pixels=MAX)
    labels = imagenet_labels()
    expected = labels_from(
        ours.infer(ours.prepare(of_photo(name))),
        Taxonomy.build(labels, dict.fromkeys(labels, ())),
        max_labels=10,
        min_confidence=0,
    )
    seen = open_classifier(imagenet, max_pixels=MAX).detect(
        of_photo(name), max_labels=10, min_confidence=0
    )
    assert [each.name for each in seen.labels] == [each.name for each in expected]
    for label, other in zip(seen.labels, expected, strict=True):
        assert label.confidence == pytest.approx(other.confidence, abs=0.01)


def test_people_are_found_beside_it(imagenet: Path) -> None:
    """By their faces, as with the network that comes with the service."""
    detector = create_detector("onnx", Options(MAX, MAX, faces=True, classifier=imagenet))
    assert detector.name.startswith("lite0/2+mtcnn")
    seen = detector.detect(of_photo("astronaut.png"), max_labels=5, min_confidence=55)
    assert [label.name for label in seen.labels][:2] == ["Person", "Face"]
    assert seen.detector == detector.name
    assert len(seen.labels[1].instances) == 1


def test_it_is_named_by_its_file(imagenet: Path) -> None:
    """Name and version, and nothing of ours."""
    detector = open_classifier(imagenet, max_pixels=MAX)
    seen: Detection = detector.detect(of_photo("coffee.png"), max_labels=1, min_confidence=0)
    assert detector.name == seen.detector == "lite0/2"
    assert (seen.width, seen.height) == (600, 400)


# What doesn't fit together is told when it is opened.


def unusable(file: Path) -> str:
    with pytest.raises(ModelUnusable) as error:
        open_classifier(file, max_pixels=MAX)
    return str(error.value).removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("shape", "kind", "given", "says"),
    [
        (
            ["N", 2, 2, 3],
            "float32",
            {},
            'input.layout is "NCHW", but the model takes [\'N\', 2, 2, 3]; set it to "NHWC".',
        ),
        (
            [1, 3, 2, 2],
            "float32",
            {"layout": "NHWC"},
            'input.layout is "NHWC", but the model takes [1, 3, 2, 2]; set it to "NCHW".',
        ),
        (
            [1, 3, 4, 4],
            "float32",
            {},
            (
                "input.size and input.layout make [1, 3, 2, 2], but the model takes [1, 3, 4, 4]; "
                "set both as the model needs, which must take 3 channels and one picture at a time."
            ),
        ),
        (
            [8, 3, 2, 2],
            "float32",
            {},
            (
                "input.size and input.layout make [1, 3, 2, 2], but the model takes [8, 3, 2, 2]; "
                "set both as the model needs, which must take 3 channels and one picture at a time."
            ),
        ),
        (
            [1, 1, 2, 2],
            "float32",
            {},
            (
                "input.size and input.layout make [1, 3, 2, 2], but the model takes [1, 1, 2, 2]; "
                "set both as the model needs, which must take 3 channels and one picture at a time."
            ),
        ),
        (
            [1, 3, 2, 2],
            "float64",
            {},
            (
                "model takes tensor(double); "
                "export it to take tensor(uint8), tensor(float16), tensor(float)."
            ),
        ),
        (
            [1, 3, 2, 2],
            "uint8",
            {"scale": 0.5},
            "input.scale and mean and std have no effect: the model takes uint8; remove them.",
        ),
    ],
)
def test_an_input_that_the_model_does_not_take_is_told(
    tmp_path: Path, shape: list[Any], kind: str, given: dict[str, Any], says: str
) -> None:
    """With the key and what to set it to."""
    echo(tmp_path / "model.onnx", shape, kind)
    assert unusable(describe(tmp_path, labels_for(12), given)) == says


@pytest.mark.parametrize(
    ("gain", "labels", "output", "says"),
    [
        (
            4,
            "Red\nGreen\n",
            {},
            (
                "labels has 2 lines, but the model returns 3 numbers; "
                "write one line per class, in the model's order."
            ),
        ),
        (
            4,
            "Red\nGreen\nBlue\n",
            {"activation": "none"},
            (
                'output.activation is "none", but the model returns numbers from 0 to 1.02e+03; '
                'set it to "softmax", or to "sigmoid" if several classes can be right.'
            ),
        ),
        (
            math.nan,
            "Red\nGreen\nBlue\n",
            {},
            "model returns numbers that are not finite; check input.scale, mean and std.",
        ),
    ],
)
def test_an_output_that_does_not_fit_is_told(
    tmp_path: Path, gain: float, labels: str, output: dict[str, Any], says: str
) -> None:
    """Once it has been tried out, before any picture comes."""
    colours(tmp_path / "model.onnx", gain=gain)
    assert unusable(describe(tmp_path, labels, output=output)) == says


def test_a_softmax_of_probabilities_is_told(tmp_path: Path) -> None:
    """Labels would come out right, and all of them unsure."""
    model = onnx.load(colours(tmp_path / "model.onnx"))
    model.graph.node.append(onnx.helper.make_node("Softmax", ["logits"], ["shares"]))
    model.graph.output[0].name = "shares"
    onnx.save(model, tmp_path / "model.onnx")
    file = describe(tmp_path, "Red\nGreen\nBlue\n")
    assert unusable(file) == (
        'output.activation is "softmax", but the model already returns probabilities; '
        'set it to "none".'
    )
    file.write_text(file.read_text() + 'activation = "none"\n')
    assert next(iter(seen_in(file, flat(200, 0, 0)))) == "Red"


def test_a_model_of_two_inputs_is_told(tmp_path: Path) -> None:
    """We would not know what to give it."""
    model = onnx.load(colours(tmp_path / "model.onnx"))
    other = onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, [1])
    model.graph.input.append(other)
    onnx.save(model, tmp_path / "model.onnx")
    says = unusable(describe(tmp_path, "Red\nGreen\nBlue\n"))
    assert says == "model must have one input and one output; export it so."


def test_a_model_that_fails_on_pictures_is_told(tmp_path: Path) -> None:
    """What it says of its input may be wrong."""
    model = onnx.load(echo(tmp_path / "model.onnx", ["N", 3, "H", "W"]))
    shape = onnx.helper.make_tensor("five", onnx.TensorProto.INT64, [2], [1, 5])
    model.graph.initializer.append(shape)
    model.graph.node[1].CopyFrom(onnx.helper.make_node("Reshape", ["floats", "five"], ["numbers"]))
    onnx.save(model, tmp_path / "model.onnx")
    says = unusable(describe(tmp_path, labels_for(12)))
    assert says.startswith("model fails on a picture: ")
    assert says.endswith("; check input.size and input.layout.")


def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    """With the file that names it."""
    (tmp_path / "model.onnx").write_bytes(b"no model")
    file = describe(tmp_path, "Red\n")
    says = unusable(file)
    assert says.startswith(f"The model at {tmp_path}/model.onnx can't be loaded: ")
    assert says.endswith(f"Set another model in {file}, or export it again.")


def test_a_model_that_fails_later_is_tried_again(tmp_path: Path) -> None:
    """That is not the picture's fault; numbers that mean nothing are never labels."""
    detector = open_classifier(colour_classifier(tmp_path), max_pixels=MAX)
    session = detector._session

    def run(*_: object) -> Any:
        raise RuntimeError("out of handles")

    names = {"get_inputs": session.get_inputs, "get_outputs": session.get_outputs}
    detector._session = SimpleNamespace(run=run, **names)
    with pytest.raises(Unavailable, match=r"colours/2 failed: out of handles"):
        detector.detect(flat(1, 2, 3), max_labels=1, min_confidence=0)
    nothing = np.full((1, 3), np.nan, np.float32)
    detector._session = SimpleNamespace(run=lambda *_: [nothing], **names)
    with pytest.raises(Unavailable, match="not finite"):
        detector.detect(flat(1, 2, 3), max_labels=1, min_confidence=0)
