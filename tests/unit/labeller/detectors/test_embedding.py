"""Features become small vectors in the same direction."""

from __future__ import annotations

import numpy as np
import pytest

from labeller.detectors.embedding import quantised


def test_vector_keeps_the_direction_of_the_features() -> None:
    features = np.random.default_rng(1).gamma(0.5, size=(2, 1280)).astype(np.float32)
    vectors = [np.frombuffer(quantised(each), np.int8).astype(float) for each in features]
    assert [each.max() for each in vectors] == [127, 127]
    assert cosine(*vectors) == pytest.approx(cosine(*features), abs=0.01)


def test_features_of_zeros_become_zeros() -> None:
    assert quantised(np.zeros(3, np.float32)) == bytes(3)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
