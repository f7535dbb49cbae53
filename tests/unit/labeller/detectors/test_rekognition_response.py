"""Reading what Rekognition answers.

The responses in tests/events/rekognition_*.json were written after the "DetectLabels" page of the
Amazon Rekognition API reference, not recorded from a call.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.label import BoundingBox, Instance, Label
from labeller.detectors.rekognition_response import labels_in
from tests.support.aws.rekognition_stub import (
    WHOLE,
    Rekognition,
    chelsea,
    encode,
    example_response,
    seen,
)
from tests.support.images.photos import photo


def test_documented_response_is_read(rekognition: Rekognition) -> None:
    """Name, confidence, parents, instances, aliases, categories; most confident first."""
    rekognition.expect_object()
    labels = seen(rekognition, photo("rocket.jpg")).labels
    assert [(label.name, round(label.confidence)) for label in labels] == [
        ("Car", 99), ("Transportation", 99), ("Vehicle", 99), ("Person", 92), ("Road", 71),
    ]  # fmt: skip
    car, *_, road = labels
    assert car.parents == ("Vehicle", "Transportation")
    assert car.aliases == ("Automobile",)
    assert car.categories == ("Vehicles and Automotive",)
    assert [round(instance.confidence) for instance in car.instances] == [99, 97]
    box = car.instances[1].bounding_box
    assert (box.left, box.top) == (0.7309805154800415, 0.5251884460449219)
    assert (box.width, box.height) == pytest.approx((0.2429988533258438, 0.21577216684818268))
    assert road == Label("Road", 71.46966552734375, categories=("Travel and Adventure",))


def test_response_without_labels_is_a_result(rekognition: Rekognition) -> None:
    rekognition.stub.add_response("detect_labels", example_response("nothing"))
    assert seen(rekognition, photo("rocket.jpg")).labels == ()


def test_optional_fields_may_be_missing() -> None:
    """All but name and confidence."""
    response = {"Labels": [{"Name": "Cat", "Confidence": 99.0}]}
    labels = labels_in(response, WHOLE, max_labels=9, min_confidence=0)
    assert labels == (Label("Cat", 99.0),)
    assert labels_in({}, WHOLE, max_labels=9, min_confidence=0) == ()


def test_duplicate_names_are_merged() -> None:
    """They differ in case only. The highest confidence counts."""
    response = [("cat", 50.0), ("Dog", 70.0), ("Cat", 90.0), ("Ant", 70.0)]
    labels = labels_in(
        {"Labels": [{"Name": name, "Confidence": sure} for name, sure in response]},
        WHOLE,
        max_labels=9,
        min_confidence=0,
    )
    assert [(label.name, label.confidence) for label in labels] == [
        ("Cat", 90.0), ("Ant", 70.0), ("Dog", 70.0),
    ]  # fmt: skip


numbers = st.floats(-0.5, 1.5)
boxes = st.fixed_dictionaries(dict.fromkeys(("Left", "Top", "Width", "Height"), numbers))
places = st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.01, 0.5)).map(
    lambda sides: BoundingBox(sides[0], sides[1], sides[2], sides[2])
)


@given(
    response=st.lists(
        st.fixed_dictionaries(
            {
                "Name": st.sampled_from(["Cat", "cat", "Dog", "Tree", "Sky", "Straße", "STRASSE"]),
                "Confidence": st.floats(-1, 101),
                "Instances": st.lists(
                    st.fixed_dictionaries({"BoundingBox": boxes, "Confidence": st.floats(-1, 101)}),
                    max_size=3,
                ),
            }
        ),
        max_size=8,
    ),
    place=st.just(WHOLE) | places,
    max_labels=st.integers(1, 5),
    min_confidence=st.floats(0, 100),
)
def test_labels_keep_the_ports_contract_for_any_response(
    response: list[dict[str, Any]], place: BoundingBox, max_labels: int, min_confidence: float
) -> None:
    """Their number, confidence, order and uniqueness, and boxes inside the picture."""
    labels = labels_in(
        {"Labels": response}, place, max_labels=max_labels, min_confidence=min_confidence
    )
    assert len(labels) <= max_labels
    assert all(min_confidence <= label.confidence <= 100 for label in labels)
    assert list(labels) == sorted(labels, key=lambda label: (-label.confidence, label.name))
    assert len({label.name.casefold() for label in labels}) == len(labels)
    for instance in (instance for label in labels for instance in label.instances):
        box = instance.bounding_box
        assert 0 <= instance.confidence <= 100
        assert 0 <= box.left < box.left + box.width <= 1 + 1e-9
        assert 0 <= box.top < box.top + box.height <= 1 + 1e-9


def box_told(place: BoundingBox, **sides: float) -> tuple[Instance, ...]:
    response = {"Name": "Cat", "Confidence": 90, "Instances": [{"BoundingBox": sides}]}
    (label,) = labels_in({"Labels": [response]}, place, max_labels=1, min_confidence=0)
    return label.instances


corners = (
    st.tuples(st.floats(0, 1), st.floats(0, 1))
    .map(sorted)
    .filter(lambda ends: ends[1] - ends[0] > 0.001)
)


@given(place=st.just(WHOLE) | places, across=corners, down=corners)
def test_boxes_of_a_padded_picture_round_trip(
    place: BoundingBox, across: list[float], down: list[float]
) -> None:
    """A box of the original, expressed for the converted picture, is read back unchanged."""
    (instance,) = box_told(
        place,
        Left=place.left + across[0] * place.width,
        Top=place.top + down[0] * place.height,
        Width=(across[1] - across[0]) * place.width,
        Height=(down[1] - down[0]) * place.height,
    )
    box = instance.bounding_box
    assert (box.left, box.left + box.width) == pytest.approx(across, abs=1e-9)
    assert (box.top, box.top + box.height) == pytest.approx(down, abs=1e-9)


def test_boxes_in_the_padding_are_dropped_or_cropped(rekognition: Rekognition) -> None:
    strip = BoundingBox(0.25, 0, 0.5, 1)
    (inside,) = box_told(strip, Left=0.5, Top=0.5, Width=0.125, Height=0.25)
    assert inside == Instance(BoundingBox(0.5, 0.5, 0.25, 0.25), 90)
    (across,) = box_told(strip, Left=0, Top=0, Width=0.5, Height=1)
    assert across.bounding_box == BoundingBox(0, 0, 0.5, 1)
    assert box_told(strip, Left=0, Top=0, Width=0.2, Height=1) == ()
    assert box_told(WHOLE, Left=0.2, Top=0.2, Width=0, Height=0.5) == ()

    narrow = encode(chelsea(10, 2000), "PNG")  # 20 of 80 columns are the picture
    rekognition.expect_bytes()
    car, *_, person, _ = seen(rekognition, narrow).labels
    assert rekognition.sent().size == (80, 4096)
    assert car.instances == ()
    box = person.instances[0].bounding_box
    assert (box.left, box.width) == pytest.approx(((0.43735 - 0.375) / 0.2625, 0.7374), abs=0.03)
    assert (box.top, box.height) == pytest.approx((0.35072, 0.27422), abs=1e-4)
