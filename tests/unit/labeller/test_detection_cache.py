"""The reuse of an earlier detection."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from core.domain.blob import Blob, ImageType, label_again, record_labels
from core.domain.corrections import DecisionKind
from core.domain.label import BoundingBox, Instance, Label
from labeller.detection_cache import reusable_detection
from labeller.detectors.base import Picture
from labeller.detectors.onnx import OnnxDetector
from tests.support.blobs import NOON, a_blob, corrected, detection, failed, labelled, uploaded
from tests.support.images.models import open_with_people
from tests.support.images.photos import photo

EYE = "eye 1"


def earlier(**values: Any) -> Blob:
    """A blob with two labels."""
    return labelled(uploaded(a_blob(**values)), ("Cat", 90.0), ("Dog", 60.0))


def later(**values: Any) -> Blob:
    """A blob with the same bytes that waits for its labels."""
    return replace(uploaded(a_blob()), **values)


def names(blob: Blob, other: Blob) -> list[str] | None:
    found = reusable_detection(blob, other, EYE)
    return None if found is None else [label.name for label in found.labels]


def test_same_bytes_reuse_the_detection() -> None:
    """Labels, size, the detector's name and the type; whatever type was declared."""
    expected = replace(detection(("Cat", 90.0), ("Dog", 60.0)), content_type=earlier().content_type)
    assert reusable_detection(later(), earlier(), EYE) == expected
    assert reusable_detection(later(content_type=ImageType.PNG), earlier(), EYE) == expected


def test_corrections_are_not_taken_over() -> None:
    """Another picture with the same bytes gets what the detector found."""
    other = corrected(corrected(earlier(), DecisionKind.REMOVED, "Cat"), DecisionKind.ADDED, "Cow")
    assert names(later(), other) == ["Cat", "Dog"]


@pytest.mark.parametrize(
    "values",
    [
        {"owner": "bert"},
        {"sha256": "b3RoZXI="},
        {"sha256": None},
    ],
)
def test_different_picture_reuses_nothing(values: dict[str, Any]) -> None:
    """Another owner, or other bytes."""
    assert reusable_detection(later(**values), earlier(), EYE) is None


def test_unfinished_or_failed_labelling_is_not_reused() -> None:
    """Nor one by another detector, one that is being replaced, or the blob's own."""
    other = earlier()
    assert reusable_detection(later(), other, "eye 2") is None
    assert reusable_detection(later(), label_again(other, other.created_at), EYE) is None
    assert reusable_detection(later(), failed(uploaded(a_blob())), EYE) is None
    assert reusable_detection(later(), uploaded(a_blob()), EYE) is None
    assert reusable_detection(later(id=other.id), other, EYE) is None


def test_since_excludes_earlier_detections() -> None:
    """A relabelling reuses only what was detected after its request."""
    other = earlier()
    for seconds, known in ((-1, True), (0, True), (1, False)):
        since = NOON + timedelta(seconds=seconds)
        assert (reusable_detection(later(), other, EYE, since=since) is not None) is known


def test_fewer_or_more_confident_labels_can_be_reused() -> None:
    """But not more than the other blob has."""
    assert names(later(min_confidence=70.0), earlier()) == ["Cat"]
    assert names(later(max_labels=1), earlier()) == ["Cat"]
    assert names(later(max_labels=100), earlier()) == ["Cat", "Dog"]
    assert names(later(max_labels=3), earlier(max_labels=2)) is None
    assert names(later(max_labels=2), earlier(max_labels=2)) == ["Cat", "Dog"]
    assert names(later(min_confidence=54.0), earlier()) is None


def test_instances_below_the_confidence_are_left_out() -> None:
    """As the detector does."""
    box = BoundingBox(0, 0, 1, 1)
    face = Label("Face", 95.0, instances=(Instance(box, 95.0), Instance(box, 60.0)))
    other = record_labels(
        uploaded(a_blob()), NOON, replace(detection(), labels=(face, Label("Cat", 90.0)))
    )
    found = reusable_detection(later(min_confidence=70.0), other, EYE)
    assert found is not None
    assert found.labels == (replace(face, instances=face.instances[:1]), Label("Cat", 90.0))


@pytest.fixture(scope="module")
def detector(model_path: Path) -> OnnxDetector:
    return open_with_people(model_path, max_pixels=1_000_000)


@pytest.mark.parametrize("name", ["astronaut.png", "chelsea.png", "coffee.png"])
def test_reused_detection_equals_a_new_one(detector: OnnxDetector, name: str) -> None:
    """For photographs and all combinations of limits."""
    picture = Picture("a", ImageType.PNG, lambda: io.BytesIO(photo(name)))
    limits = list(product((1, 2, 5, 100), (0.0, 1.0, 55.0, 99.0)))
    detections = {
        (most, least): detector.detect(picture, max_labels=most, min_confidence=least)
        for most, least in limits
    }
    known = 0
    for (most, least), (more, lesser) in product(limits, repeat=2):
        blob = later(content_type=ImageType.PNG, max_labels=most, min_confidence=least)
        other = a_blob(content_type=ImageType.PNG, max_labels=more, min_confidence=lesser)
        other = record_labels(uploaded(other), NOON, detections[more, lesser])
        found = reusable_detection(blob, other, detector.name)
        if found is not None:
            known += 1
            # The embedding is stored beside the blob, not in it.
            assert found == replace(detections[most, least], embedding=None)
    assert known > len(limits)
