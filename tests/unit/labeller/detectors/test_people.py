"""People and their faces in real photographs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.domain.blob import ImageType
from core.domain.label import BoundingBox, Detection, Instance, Label
from labeller.detectors import faces
from labeller.detectors.base import Picture
from labeller.detectors.faces import FaceFinder, open_face_finder
from labeller.detectors.onnx import OnnxDetector, open_detector
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.people import CANDIDATE, People, calibrated, with_people
from tests.support.images.models import open_with_people
from tests.support.images.photos import photo

# scikit-image's photographs of people, with the boxes of face and body by eye, and the others.
PORTRAITS = {
    "astronaut.png": (BoundingBox(0.34, 0.13, 0.20, 0.26), BoundingBox(0.0, 0.03, 0.75, 0.97)),
    "camera.png": (BoundingBox(0.38, 0.22, 0.12, 0.16), BoundingBox(0.1, 0.14, 0.5, 0.86)),
}
NOBODY = (
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "horse.png",
    "motorcycle_left.png",
    "hubble_deep_field.jpg",
    "moon.png",
    "retina.jpg",
    "clock_motion.png",
    "coins.png",
    "brick.png",
    "grass.png",
    "gravel.png",
    "page.png",
    "text.png",
    "logo.png",
    "ihc.png",
    "cell.png",
)


@pytest.fixture(scope="module")
def detector(model_path: Path) -> OnnxDetector:
    return open_with_people(model_path)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return open_face_finder()


def seen(detector: OnnxDetector, content: bytes, kind: ImageType = ImageType.PNG) -> Detection:
    picture = Picture("any", kind, lambda: io.BytesIO(content))
    return detector.detect(picture, max_labels=10, min_confidence=50)


def share(one: BoundingBox, other: BoundingBox) -> float:
    """The intersection of two boxes, as a share of their union."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    both = max(0, width) * max(0, height)
    return both / (one.width * one.height + other.width * other.height - both)


@pytest.mark.parametrize("name", PORTRAITS)
def test_portrait_gets_person_first(detector: OnnxDetector, name: str) -> None:
    """The boxes are at the face and around the whole person."""
    person, face = seen(detector, photo(name)).labels[:2]
    assert (person.name, face.name, face.parents) == ("Person", "Face", ("Person",))
    assert person.confidence >= face.confidence >= 99
    for label, box in zip((face, person), PORTRAITS[name], strict=True):
        (found,) = label.instances
        assert share(found.bounding_box, box) > 0.5, found


@pytest.mark.parametrize("name", NOBODY)
def test_picture_without_people_gets_none(detector: OnnxDetector, name: str) -> None:
    """Neither Person nor Face, at any confidence."""
    kind = ImageType.JPEG if name.endswith(".jpg") else ImageType.PNG
    picture = Picture("any", kind, lambda: io.BytesIO(photo(name)))
    labels = detector.detect(picture, max_labels=100, min_confidence=5).labels
    assert {label.name for label in labels}.isdisjoint({"Person", "Face"})


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_portrait_is_recognised_at_any_size(detector: OnnxDetector, scale: float) -> None:
    picture = Image.open(io.BytesIO(photo("astronaut.png"))).convert("RGB")
    out = io.BytesIO()
    picture.resize([round(side * scale) for side in picture.size]).save(out, "JPEG")
    assert seen(detector, out.getvalue(), ImageType.JPEG).labels[0].name == "Person"


@pytest.mark.parametrize("turn", [3, 6, 8])
def test_rotated_portrait_is_analysed_upright(detector: OnnxDetector, turn: int) -> None:
    """EXIF holds the rotation. The box is that of the displayed picture."""
    upright = Image.open(io.BytesIO(photo("astronaut.png"))).convert("RGB")
    undo = {
        3: Image.Transpose.ROTATE_180,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = turn
    out = io.BytesIO()
    upright.transpose(undo[turn]).save(out, "JPEG", exif=exif, quality=95)
    person, face = seen(detector, out.getvalue(), ImageType.JPEG).labels[:2]
    assert person.name == "Person"
    for label, box in zip((face, person), PORTRAITS["astronaut.png"], strict=True):
        assert share(label.instances[0].bounding_box, box) > 0.5


def side_by_side() -> bytes:
    """Two halves, each with a person; the second is the first in a mirror."""
    one = Image.open(io.BytesIO(photo("astronaut.png"))).convert("RGB").crop((0, 0, 400, 512))
    both = Image.new("RGB", (800, 512))
    both.paste(one, (0, 0))
    both.paste(one.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (400, 0))
    out = io.BytesIO()
    both.save(out, "PNG")
    return out.getvalue()


def test_two_people_get_two_boxes(detector: OnnxDetector) -> None:
    """Of bodies and of faces, each once, the most confident first."""
    person, face = seen(detector, side_by_side()).labels[:2]
    for label in (person, face):
        one, other = label.instances
        assert one.confidence >= other.confidence >= 90
        assert share(one.bounding_box, other.bounding_box) < 0.2


def test_close_face_is_a_person(detector: OnnxDetector) -> None:
    """Head only, to the edges of the picture."""
    head = Image.open(io.BytesIO(photo("astronaut.png"))).convert("RGB").crop((165, 50, 285, 205))
    out = io.BytesIO()
    head.resize((480, 620)).save(out, "PNG")
    assert seen(detector, out.getvalue()).labels[0].name == "Person"


@pytest.mark.parametrize("size", [(1, 1), (11, 2000), (36, 36), (640, 1)])
def test_noise_of_any_shape_has_no_people(
    detector: OnnxDetector, finder: FaceFinder, size: tuple[int, int]
) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert not finder.find(Image.fromarray(noise)).scores.size
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    assert {label.name for label in seen(detector, out.getvalue()).labels}.isdisjoint(
        {"Person", "Face"}
    )


def test_confidence_is_the_share_of_boxes_that_are_people() -> None:
    """It rises with the score. Candidates are below the default of 55."""
    scores = np.array([0, CANDIDATE, 0.35, 0.4, 0.5, 0.7, 1])
    confidences = calibrated(scores)
    assert (np.diff(confidences) > 0).all()
    assert confidences[1] < confidences[2] < 0.55 < confidences[3]
    assert confidences[4] == pytest.approx(1 / (1 + np.exp(-1.3)))


def test_faces_can_be_switched_off(model_path: Path) -> None:
    """The detector then has another name."""
    plain = open_detector(model_path, max_pixels=50_000_000)
    labels = seen(plain, photo("astronaut.png")).labels
    assert not {"Person", "Face"} & {label.name for label in labels}
    assert "+" not in plain.name


def test_max_labels_includes_people(detector: OnnxDetector) -> None:
    picture = Picture("any", ImageType.PNG, lambda: io.BytesIO(photo("astronaut.png")))
    labels = detector.detect(picture, max_labels=1, min_confidence=0).labels
    assert [label.name for label in labels] == ["Person"]


def test_altered_network_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its SHA-256 differs."""
    monkeypatch.setitem(faces.SHA256, faces.OUTPUT_NET, "0" * 64)  # type: ignore[index]
    with pytest.raises(ModelUnusable, match="switch faces off"):
        open_face_finder()


BODY = Instance(BoundingBox(0.3, 0.1, 0.4, 0.9), 99.7)
FACE = Instance(BoundingBox(0.4, 0.1, 0.2, 0.2), 99.5)
DOUBTFUL = Instance(BoundingBox(0.8, 0.5, 0.1, 0.3), 30.0)


def named(people: People, *labels: Label, max_labels: int = 10, min_confidence: float = 55) -> list:
    found = with_people(labels, people, max_labels=max_labels, min_confidence=min_confidence)
    return [(label.name, label.confidence) for label in found]


def test_person_of_a_class_gets_the_bodys_confidence() -> None:
    """It is returned once, before less confident labels."""
    labels = (Label("Bridegroom", 99.9), Label("Person", 60.0), Label("Suit", 55.0))
    found = named(People((BODY,), (FACE,)), *labels)
    assert found == [("Bridegroom", 99.9), ("Person", 99.7), ("Face", 99.5), ("Suit", 55.0)]
    assert named(People((BODY,)), *labels, max_labels=2) == found[:2]


def test_doubtful_people_are_left_out_above_their_confidence() -> None:
    """With a lower limit they are instances of Person too."""
    people = People((BODY, DOUBTFUL), (FACE,))
    (person, _) = with_people((), people, max_labels=9, min_confidence=55)
    assert person.instances == (BODY,)
    (person, _) = with_people((), people, max_labels=9, min_confidence=0)
    assert person.instances == (BODY, DOUBTFUL)
    assert named(People((DOUBTFUL,))) == []
    assert named(People((DOUBTFUL,)), min_confidence=0) == [("Person", 30.0)]
