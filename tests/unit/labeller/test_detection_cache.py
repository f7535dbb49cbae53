"""When what was seen in one picture answers for another."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from core.domain.blob import Blob, ImageType, label_again, record_labels
from core.domain.label import BoundingBox, Instance, Label
from labeller.detection_cache import reusable_detection
from labeller.detectors.base import Picture
from labeller.detectors.onnx import OnnxDetector, open_detector
from tests.support.blobs import NOON, a_blob, detection, failed, labelled, uploaded
from tests.support.photos import photo

EYE = "eye 1"


def earlier(**values: Any) -> Blob:
    """A blob in which two things were seen."""
    return labelled(uploaded(a_blob(**values)), ("Cat", 90.0), ("Dog", 60.0))


def later(**values: Any) -> Blob:
    """One with the same bytes, to be labelled."""
    return replace(uploaded(a_blob()), **values)


def names(blob: Blob, like: Blob) -> list[str] | None:
    found = reusable_detection(blob, like, EYE)
    return None if found is None else [label.name for label in found.labels]


def test_the_same_bytes_are_known() -> None:
    """With labels, size and the detector's name."""
    assert reusable_detection(later(), earlier(), EYE) == detection(("Cat", 90.0), ("Dog", 60.0))


@pytest.mark.parametrize(
    "values",
    [
        {"owner": "bert"},
        {"sha256": "b3RoZXI="},
        {"sha256": None},
        {"content_type": ImageType.PNG},
    ],
)
def test_what_differs_is_not_known(values: dict[str, Any]) -> None:
    """Another owner's, other bytes, another type declared."""
    assert reusable_detection(later(**values), earlier(), EYE) is None


def test_what_was_not_seen_to_its_end_is_not_known() -> None:
    """By this detector; a failure, or labels that are being replaced, tell nothing."""
    like = earlier()
    assert reusable_detection(later(), like, "eye 2") is None
    assert reusable_detection(later(), label_again(like), EYE) is None
    assert reusable_detection(later(), failed(uploaded(a_blob())), EYE) is None
    assert reusable_detection(later(), uploaded(a_blob()), EYE) is None
    assert reusable_detection(later(id=like.id), like, EYE) is None


def test_an_earlier_look_can_be_ruled_out() -> None:
    """Whoever asks anew gets none from before the asking."""
    like = earlier()
    for seconds, known in ((-1, True), (0, True), (1, False)):
        since = NOON + timedelta(seconds=seconds)
        assert (reusable_detection(later(), like, EYE, since=since) is not None) is known


def test_what_is_wished_may_be_less_than_what_is_known() -> None:
    """Fewer labels, or surer ones; not more than were kept."""
    assert names(later(min_confidence=70.0), earlier()) == ["Cat"]
    assert names(later(max_labels=1), earlier()) == ["Cat"]
    assert names(later(max_labels=100), earlier()) == ["Cat", "Dog"]
    assert names(later(max_labels=3), earlier(max_labels=2)) is None
    assert names(later(max_labels=2), earlier(max_labels=2)) == ["Cat", "Dog"]
    assert names(later(min_confidence=54.0), earlier()) is None


def test_places_that_are_less_sure_are_left_out() -> None:
    """As the detector would."""
    box = BoundingBox(0, 0, 1, 1)
    face = Label("Face", 95.0, instances=(Instance(box, 95.0), Instance(box, 60.0)))
    like = record_labels(
        uploaded(a_blob()), NOON, replace(detection(), labels=(face, Label("Cat", 90.0)))
    )
    found = reusable_detection(later(min_confidence=70.0), like, EYE)
    assert found is not None
    assert found.labels == (replace(face, instances=face.instances[:1]), Label("Cat", 90.0))


@pytest.fixture(scope="module")
def detector(model_path: Path) -> OnnxDetector:
    return open_detector(model_path, max_pixels=1_000_000, faces=True)


@pytest.mark.parametrize("name", ["astronaut.png", "chelsea.png", "coffee.png"])
def test_it_is_what_the_detector_would_have_seen(detector: OnnxDetector, name: str) -> None:
    """Of real photographs, whatever was wished before and is now."""
    picture = Picture("a", ImageType.PNG, lambda: io.BytesIO(photo(name)))
    wishes = list(product((1, 2, 5, 100), (0.0, 1.0, 55.0, 99.0)))
    saw = {
        (most, least): detector.detect(picture, max_labels=most, min_confidence=least)
        for most, least in wishes
    }
    known = 0
    for (most, least), (more, lesser) in product(wishes, repeat=2):
        blob = later(content_type=ImageType.PNG, max_labels=most, min_confidence=least)
        like = a_blob(content_type=ImageType.PNG, max_labels=more, min_confidence=lesser)
        like = record_labels(uploaded(like), NOON, saw[more, lesser])
        found = reusable_detection(blob, like, detector.name)
        if found is not None:
            known += 1
            assert found == saw[most, least]
    assert known > len(wishes)
