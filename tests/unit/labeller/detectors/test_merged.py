"""Several networks at once: their labels and boxes become one list."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from core.domain.blob import ImageType
from core.domain.label import BoundingBox, Instance, Label
from labeller.detectors.base import Options, Picture
from labeller.detectors.described import open_described
from labeller.detectors.merged import merged
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.registry import create_detector
from tests.support.images.classifiers import colour_classifier, describe, fixed
from tests.support.images.models import people_model
from tests.support.images.photos import photo

MAX = 50_000_000
LEFT, RIGHT = BoundingBox(0, 0, 0.5, 1), BoundingBox(0.5, 0, 0.5, 1)
NEARLY_LEFT = BoundingBox(0.05, 0, 0.5, 1)  # shares 0.82 of the union with LEFT


def test_same_label_has_the_highest_confidence_and_all_parents() -> None:
    one = Label("Dog", 60.0, ("Pet", "Animal"), aliases=("Hound",))
    other = Label("dog", 80.0, ("Animal", "Mammal"), aliases=("Canine",), categories=("Animals",))
    expected = Label(
        "Dog", 80.0, ("Pet", "Animal", "Mammal"), (), ("Hound", "Canine"), ("Animals",)
    )
    assert merged([[one], [other]], 0.6) == (expected,)


def test_labels_are_ordered_by_confidence_and_name() -> None:
    lists = [[Label("Cat", 50.0), Label("Sky", 40.0)], [Label("Ant", 50.0)], []]
    assert [label.name for label in merged(lists, 0.6)] == ["Ant", "Cat", "Sky"]


def test_boxes_that_overlap_are_one_object() -> None:
    """That with the higher confidence; boxes elsewhere stay."""
    one = Label("Dog", 60.0, instances=(Instance(LEFT, 60.0),))
    other = Label("Dog", 80.0, instances=(Instance(NEARLY_LEFT, 80.0), Instance(RIGHT, 50.0)))
    (label,) = merged([[one], [other]], 0.6)
    assert label.instances == (Instance(NEARLY_LEFT, 80.0), Instance(RIGHT, 50.0))
    (label,) = merged([[one], [other]], 0.9)
    assert [each.confidence for each in label.instances] == [80.0, 60.0, 50.0]


# By file.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a classifier of colours and a detector of one car."""
    colours = tmp_path / "colours"
    cars = tmp_path / "cars"
    for each in (colours, cars):
        each.mkdir()
    colour_classifier(colours)
    fixed(cars / "model.onnx", {"o": [[[10, 20, 20, 40, 0.9]]]})
    given = {"size": 40, "resize": "stretch"}
    describe(cars, "Car\tVehicle\n", given, {"format": "yolo"}, type="boxes", name="cars")
    return tmp_path


def file_of(folder: Path, *networks: str, more: str = "") -> Path:
    file = folder / "merged.toml"
    listed = ", ".join(f'"{each}"' for each in networks)
    file.write_text(f'type = "merged"\nname = "mine"\nversion = "4"\nnetworks = [{listed}]\n{more}')
    return file


BOTH = ("colours/classifier.toml", "cars/classifier.toml")


def rocket() -> Picture:
    return Picture("key", ImageType.JPEG, lambda: io.BytesIO(photo("rocket.jpg")))


def test_every_network_labels_the_picture(folder: Path) -> None:
    """Within the limits of the request."""
    detector = open_described(file_of(folder, *BOTH), max_pixels=MAX)
    found = detector.detect(rocket(), max_labels=20, min_confidence=30)
    names = [label.name for label in found.labels]
    assert {"Colour", "Car", "Vehicle"} <= {*names}
    assert len(next(each for each in found.labels if each.name == "Car").instances) == 1
    assert (found.detector, found.width, found.height) == ("mine/4", 640, 427)
    assert found.embedding is None
    few = detector.detect(rocket(), max_labels=2, min_confidence=30)
    assert [label.name for label in few.labels] == names[:2]


def test_own_classifier_and_people_take_part(folder: Path, model_path: Path) -> None:
    """The picture can be compared with others as without the other networks."""
    options = Options(
        MAX,
        MAX,
        faces=True,
        classifier=file_of(folder, "default", BOTH[1]),
        model=model_path,
        people_model=people_model(model_path),
    )
    detector = create_detector("onnx", options)
    astronaut = Picture("key", ImageType.PNG, lambda: io.BytesIO(photo("astronaut.png")))
    found = detector.detect(astronaut, max_labels=20, min_confidence=55)
    assert {"Person", "Face", "Car"} <= {label.name for label in found.labels}
    assert found.detector == detector.name == "mine/4+ssdlite+mtcnn"
    alone = create_detector("onnx", Options(MAX, MAX, model=model_path))
    assert found.embedding == alone.detect(astronaut, max_labels=1, min_confidence=0).embedding


@pytest.mark.parametrize(
    ("networks", "more", "says"),
    [
        ((), "", "networks is []: write a list of texts in quotes."),
        (("cars.toml",), "", "cars.toml can't be read"),
        (("merged.toml",), "", "type is 'merged': choose"),
        (("default",), "", "has no model"),
        (BOTH, "overlap = 1.5\n", "overlap is 1.5: give a number above 0 and at most 1."),
        (BOTH, "model = 'x'\n", "model is an unknown key"),
    ],
)
def test_file_that_does_not_fit_is_refused(
    folder: Path, networks: tuple[str, ...], more: str, says: Any
) -> None:
    with pytest.raises(ModelUnusable) as error:
        open_described(file_of(folder, *networks, more=more), max_pixels=MAX)
    assert says in str(error.value)
