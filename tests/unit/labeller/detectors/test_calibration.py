"""Confidences are as high as they deserve, and lower for drawings."""

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
def test_it_is_the_softmax_at_another_temperature(seed: int) -> None:
    """Probabilities are enough: the logits aren't asked for."""
    given_by_network = softmax(logits(seed)).astype(np.float32)
    assert calibrate(given_by_network, NOISE) == pytest.approx(
        softmax(logits(seed) / temperature(colour_entropy(NOISE))), abs=1e-6
    )


@given(st.integers(0, 1000))
def test_the_order_stays(seed: int) -> None:
    """A class is never passed by another, and all of them are still one."""
    before = softmax(logits(seed))
    after = calibrate(before, BLACK)
    assert (np.argsort(after) == np.argsort(before)).all()
    assert after.sum() == pytest.approx(1)


def test_photographs_are_surer_and_silhouettes_less_sure() -> None:
    """The fewer colours, the less sure, from 7 bits down."""
    assert temperature(9) == temperature(7) == 0.8
    assert 0.8 < temperature(6) < 1 < temperature(1.3)
    assert temperature(0) == 2
    before = softmax(logits(1))
    assert calibrate(before, NOISE).max() > before.max() > calibrate(before, BLACK).max()


def test_colours_are_counted_in_bits() -> None:
    """None for one colour, one for two halves; what differs by less than eight levels is one."""
    halves = BLACK.copy()
    halves[:112] = 255
    quarters = halves.copy()
    quarters[:, :112, 0] ^= 255
    assert [colour_entropy(picture) for picture in (BLACK, halves, quarters)] == [0, 1, 2]
    assert colour_entropy(BLACK + NOISE % 8) == 0
    assert colour_entropy(NOISE) > 14


def test_a_class_without_a_chance_has_none() -> None:
    """A zero stays one, and nothing is warned of."""
    certain = np.zeros(1000, np.float32)
    certain[3] = 1
    assert (calibrate(certain, BLACK) == certain).all()
