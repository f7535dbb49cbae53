"""People, found by their faces in real photographs."""

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
from labeller.detectors.people import with_people
from tests.support.photos import photo

# scikit-image's photographs of people, with the face's box by eye, and the others.
PORTRAITS = {
    "astronaut.png": BoundingBox(0.34, 0.13, 0.20, 0.26),
    "camera.png": BoundingBox(0.38, 0.22, 0.12, 0.16),
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
    return open_detector(model_path, max_pixels=50_000_000, faces=True)


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
    """The face's box is at the face and inside the person's."""
    person, face = seen(detector, photo(name)).labels[:2]
    assert (person.name, face.name, face.parents) == ("Person", "Face", ("Person",))
    assert person.confidence == face.confidence >= 99
    (found,) = face.instances
    assert share(found.bounding_box, PORTRAITS[name]) > 0.4, found
    (body,) = person.instances
    assert body.bounding_box.left <= found.bounding_box.left
    assert body.bounding_box.height > found.bounding_box.height


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
    assert share(face.instances[0].bounding_box, PORTRAITS["astronaut.png"]) > 0.4


def test_two_people_get_two_boxes(finder: FaceFinder) -> None:
    """The most confident first."""
    one = Image.open(io.BytesIO(photo("astronaut.png"))).convert("RGB").crop((0, 0, 400, 400))
    both = Image.new("RGB", (800, 400))
    both.paste(one, (0, 0))
    both.paste(one.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (400, 0))
    found = finder.find(np.asarray(both.resize((640, 320))))
    assert len(found) == 2
    assert found[0].confidence >= found[1].confidence >= 99
    assert share(found[0].bounding_box, found[1].bounding_box) == 0


@pytest.mark.parametrize("size", [(1, 1), (11, 2000), (12, 12), (640, 1)])
def test_noise_of_any_shape_has_no_faces(finder: FaceFinder, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert finder.find(noise) == ()


def test_faces_can_be_switched_off(model_path: Path) -> None:
    """The detector then has another name."""
    plain = open_detector(model_path, max_pixels=50_000_000)
    labels = seen(plain, photo("astronaut.png")).labels
    assert not any(label.name == "Face" for label in labels)
    assert "+mtcnn" not in plain.name


def test_max_labels_includes_people(detector: OnnxDetector) -> None:
    picture = Picture("any", ImageType.PNG, lambda: io.BytesIO(photo("astronaut.png")))
    labels = detector.detect(picture, max_labels=1, min_confidence=0).labels
    assert [label.name for label in labels] == ["Person"]


def test_altered_network_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its SHA-256 differs."""
    monkeypatch.setitem(faces.SHA256, faces.OUTPUT_NET, "0" * 64)  # type: ignore[index]
    with pytest.raises(ModelUnusable, match="switch faces off"):
        open_face_finder()


FACE = Instance(BoundingBox(0.4, 0.1, 0.2, 0.2), 99.5)


def test_person_of_a_class_gets_the_faces_confidence() -> None:
    """It is returned once, before less confident labels."""
    labels = (Label("Bridegroom", 99.9), Label("Person", 60.0), Label("Suit", 55.0))
    found = with_people(labels, [FACE])
    names = [(label.name, label.confidence) for label in found]
    assert names == [("Bridegroom", 99.9), ("Person", 99.5), ("Face", 99.5), ("Suit", 55.0)]


def test_a_persons_box_stays_inside_the_picture() -> None:
    """It holds head and shoulders where there is room."""
    edge = Instance(BoundingBox(0.0, 0.0, 0.5, 0.9), 99.0)
    person, _ = with_people((), [edge])
    assert person.instances == (Instance(BoundingBox(0, 0, 1.0, 1.0), 99.0),)
