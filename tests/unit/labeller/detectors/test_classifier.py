"""The classifier detector uses a model as its file describes."""

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
from tests.support.images.classifiers import (
    colour_classifier,
    colours,
    describe,
    echo,
    efficientnet_logits,
)
from tests.support.images.models import people_model
from tests.support.images.photos import photo

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
    """The input of a model that returns it, decoded from its labels."""
    detection = detector.detect(picture, max_labels=10_000, min_confidence=0)
    shares = {label.name: label.confidence / 100 for label in detection.labels}
    numbers = [shares.get(f"Class {i:04}", 0) for i in range(detector._taxonomy.class_count)]
    return np.array(numbers)


def undone(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logits for which a sigmoid returns these probabilities."""
    result: NDArray[np.float64] = np.log(shares / (1 - shares))
    return result


# Input.


@pytest.mark.parametrize(
    ("layout", "channels", "kind", "batch"),
    list(product(["NCHW", "NHWC"], ["RGB", "BGR"], ["float32", "float16"], ["N", 1])),
)
def test_input_follows_the_file(
    tmp_path: Path, layout: str, channels: str, kind: str, batch: Any
) -> None:
    """All combinations of layout, order, number type and batch: (pixel * scale - mean) / std."""
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
def test_uint8_model_receives_unscaled_pixels(tmp_path: Path, layout: str) -> None:
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


def test_model_with_free_size_receives_the_files_size(tmp_path: Path) -> None:
    """The height comes before the width."""
    echo(tmp_path / "model.onnx", ["N", 3, None, "W"])
    file = describe(tmp_path, labels_for(3 * 4 * 6), {"size": [4, 6]}, {"activation": "sigmoid"})
    detector = open_classifier(file, max_pixels=MAX)
    assert detector._input.of(np.zeros((4, 6, 3), np.uint8)).shape == (1, 3, 4, 6)
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
def test_resize_modes_crop_stretch_and_pad(
    tmp_path: Path, resize: str, size: Any, expected: dict[tuple[int, int], str | None]
) -> None:
    """The middle, the stretched picture, or the whole on black."""
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


@pytest.mark.parametrize(("share", "edge"), [(1.0, 1.0), (0.5, 0.5)])
def test_crop_share_limits_the_visible_part(tmp_path: Path, share: float, edge: float) -> None:
    """With one half, a frame around the middle half is not visible.

    The sigmoid makes 1 of a white pixel's 255 and 0.5 of a black one's 0.
    """
    echo(tmp_path / "model.onnx", ["N", 8, 8, 3], "uint8")
    given = {"size": 8, "layout": "NHWC", "crop_share": share}
    file = describe(tmp_path, labels_for(192), given, {"activation": "sigmoid"})
    detector = open_classifier(file, max_pixels=MAX)
    picture = Image.new("RGB", (160, 160), (255, 255, 255))
    picture.paste((0, 0, 0), (36, 36, 124, 124))
    cube = given_to(detector, png(picture)).reshape(8, 8, 3)
    assert cube[0, 0].tolist() == [edge] * 3
    assert cube[4, 4].tolist() == [0.5] * 3


# Output.


def test_activations_equal_values_computed_by_hand() -> None:
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


def test_softmax_sums_classes_to_parents(tmp_path: Path) -> None:
    """The labels are sorted by confidence."""
    found = seen_in(colour_classifier(tmp_path), flat(255, 0, 51))
    red, green, blue = np.exp([4, 0, 0.8]) / np.exp([4, 0, 0.8]).sum() * 100
    assert found == pytest.approx(
        {"Colour": 100, "Red": red, "Warm": red, "Blue": blue, "Cold": blue, "Green": green},
        abs=6e-4,
    )
    assert list(found) == ["Colour", "Red", "Warm", "Blue", "Cold", "Green"]


def test_sigmoid_gives_parents_the_highest_class(tmp_path: Path) -> None:
    file = colour_classifier(tmp_path)
    file.write_text(file.read_text() + 'activation = "sigmoid"\n')
    found = seen_in(file, flat(255, 0, 51))
    red, half, blue = (100 / (1 + math.exp(-each)) for each in (4, 0, 0.8))
    expected = {"Colour": red, "Red": red, "Warm": red, "Blue": blue, "Cold": blue, "Green": half}
    assert found == pytest.approx(expected, abs=6e-4)


def test_activation_none_keeps_the_probabilities(tmp_path: Path) -> None:
    """The caller's limits apply."""
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


def test_classes_with_the_same_name_are_summed(tmp_path: Path) -> None:
    colours(tmp_path / "model.onnx", gain=0.0)
    file = describe(tmp_path, "A\nB\nA\n")
    assert seen_in(file, flat(1, 2, 3)) == pytest.approx({"A": 66.667, "B": 33.333})


# The service's own network as a user's classifier.


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
def test_exported_efficientnet_returns_the_same_labels(
    imagenet: Path, model_path: Path, name: str
) -> None:
    """Its input and output are described by a file; the service's graph contains both."""
    ours = open_detector(model_path, max_pixels=MAX)
    labels = imagenet_labels()
    expected = labels_from(
        ours.infer(ours.prepare(of_photo(name)).pixels).probabilities,
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


def test_people_are_found_with_a_classifier(imagenet: Path, model_path: Path) -> None:
    """As with the service's own network."""
    options = Options(
        MAX, MAX, faces=True, classifier=imagenet, people_model=people_model(model_path)
    )
    detector = create_detector("onnx", options)
    assert detector.name == "lite0/2+ssdlite+mtcnn"
    seen = detector.detect(of_photo("astronaut.png"), max_labels=5, min_confidence=55)
    assert [label.name for label in seen.labels][:2] == ["Person", "Face"]
    assert seen.detector == detector.name
    assert len(seen.labels[1].instances) == 1


def test_name_consists_of_the_files_name_and_version(imagenet: Path) -> None:
    detector = open_classifier(imagenet, max_pixels=MAX)
    seen: Detection = detector.detect(of_photo("coffee.png"), max_labels=1, min_confidence=0)
    assert detector.name == seen.detector == "lite0/2"
    assert (seen.width, seen.height) == (600, 400)


# Checks at the start.


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
def test_wrong_input_is_reported_with_key_and_remedy(
    tmp_path: Path, shape: list[Any], kind: str, given: dict[str, Any], says: str
) -> None:
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
def test_wrong_output_is_reported_with_key_and_remedy(
    tmp_path: Path, gain: float, labels: str, output: dict[str, Any], says: str
) -> None:
    """Before the first picture, because the model is run at the start."""
    colours(tmp_path / "model.onnx", gain=gain)
    assert unusable(describe(tmp_path, labels, output=output)) == says


def test_softmax_over_probabilities_is_reported(tmp_path: Path) -> None:
    """The labels would be right, but all with low confidence."""
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


def test_model_with_two_inputs_is_refused(tmp_path: Path) -> None:
    model = onnx.load(colours(tmp_path / "model.onnx"))
    other = onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, [1])
    model.graph.input.append(other)
    onnx.save(model, tmp_path / "model.onnx")
    says = unusable(describe(tmp_path, "Red\nGreen\nBlue\n"))
    assert says == "model must have one input and one output; export it so."


def test_model_that_fails_on_a_test_picture_is_refused(tmp_path: Path) -> None:
    """The description of its input may be wrong."""
    model = onnx.load(echo(tmp_path / "model.onnx", ["N", 3, "H", "W"]))
    shape = onnx.helper.make_tensor("five", onnx.TensorProto.INT64, [2], [1, 5])
    model.graph.initializer.append(shape)
    model.graph.node[1].CopyFrom(onnx.helper.make_node("Reshape", ["floats", "five"], ["numbers"]))
    onnx.save(model, tmp_path / "model.onnx")
    says = unusable(describe(tmp_path, labels_for(12)))
    assert says.startswith("model fails on a picture: ")
    assert says.endswith("; check input.size and input.layout.")


def test_invalid_model_file_is_reported_with_its_toml(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    file = describe(tmp_path, "Red\n")
    says = unusable(file)
    assert says.startswith(f"The model at {tmp_path}/model.onnx can't be loaded: ")
    assert says.endswith(f"Set another model in {file}, or export it again.")


def test_later_model_failure_raises_unavailable(tmp_path: Path) -> None:
    """The picture is not at fault. Numbers that are not finite never become labels."""
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
