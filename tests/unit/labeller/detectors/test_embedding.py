"""Features and outlines become small vectors that can be compared."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from labeller.detectors.embedding import outline_of, quantised
from tests.support.images.photos import as_jpeg, photo


def test_vector_keeps_the_direction_of_the_features() -> None:
    features = np.random.default_rng(1).gamma(0.5, size=(2, 1280)).astype(np.float32)
    vectors = [np.frombuffer(quantised(each), np.int8).astype(float) for each in features]
    assert [each.max() for each in vectors] == [127, 127]
    assert cosine(*vectors) == pytest.approx(cosine(*features), abs=0.01)


def test_features_of_zeros_become_zeros() -> None:
    assert quantised(np.zeros(3, np.float32)) == bytes(3)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def outlines(*pictures: Image.Image) -> list[np.ndarray]:
    return [
        np.frombuffer(outline_of(np.asarray(each.convert("RGB"))), np.int8).astype(float)
        for each in pictures
    ]


def test_outline_changes_little_with_size_quality_and_light() -> None:
    """And much from one photograph to another."""
    cat, coffee = (Image.open(io.BytesIO(photo(n))) for n in ("chelsea.png", "coffee.png"))
    poor = Image.open(io.BytesIO(as_jpeg(photo("chelsea.png"), (60, 40))))
    whole, *copies, other = outlines(
        cat, poor, cat.convert("L"), cat.point(lambda x: x // 2), coffee
    )
    assert [cosine(whole, each) > 0.98 for each in copies] == [True] * 3
    assert cosine(whole, other) < 0.5


def test_picture_of_one_colour_has_no_outline() -> None:
    assert not outlines(Image.new("RGB", (224, 224), (10, 200, 30)))[0].any()
