"""The calibration of confidences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeller.detectors.calibration import calibrate, colour_entropy, temperature

NOISE = np.random.default_rng(3).integers(0, 256, (224, 224, 3), dtype=np.uint8)
BLACK = np.zeros((224, 224, 3), np.uint8)


def logits(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=3, size=1000)


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max())
    return powers / powers.sum()


@given(st.integers(0, 1000))
def test_calibration_equals_the_softmax_at_the_temperature(seed: int) -> None:
    """It is computed from probabilities, without the logits."""
    given_by_network = softmax(logits(seed)).astype(np.float32)
    assert calibrate(given_by_network, NOISE) == pytest.approx(
        softmax(logits(seed) / temperature(colour_entropy(NOISE))), abs=1e-6
    )


@given(st.integers(0, 1000))
def test_calibration_keeps_order_and_sum(seed: int) -> None:
    before = softmax(logits(seed))
    after = calibrate(before, BLACK)
    assert (np.argsort(after) == np.argsort(before)).all()
    assert after.sum() == pytest.approx(1)


def test_photographs_gain_and_silhouettes_lose_confidence() -> None:
    """Below 7 bits, fewer colours mean less confidence."""
    assert temperature(9) == temperature(7) == 0.8
    assert 0.9 < temperature(6) < temperature(1.3)
    assert temperature(0) == pytest.approx(2.0)
    before = softmax(logits(1))
    assert calibrate(before, NOISE).max() > before.max() > calibrate(before, BLACK).max()


def test_colour_entropy_is_in_bits() -> None:
    """0 for one colour, 1 for two halves. Differences below eight levels don't count."""
    halves = BLACK.copy()
    halves[:112] = 255
    quarters = halves.copy()
    quarters[:, :112, 0] ^= 255
    assert [colour_entropy(picture) for picture in (BLACK, halves, quarters)] == [0, 1, 2]
    assert colour_entropy(BLACK + NOISE % 8) == 0
    assert colour_entropy(NOISE) > 14


def test_zero_probability_stays_zero_without_warnings() -> None:
    certain = np.zeros(1000, np.float32)
    certain[3] = 1
    assert (calibrate(certain, BLACK) == certain).all()
