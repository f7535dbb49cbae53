"""Calibration of confidences, with less confidence for drawings and silhouettes. Pure.

Guo, Pleiss, Sun, Weinberger: "On Calibration of Modern Neural Networks", 2017 (temperature
scaling). docs/decisions/0025-calibrated-labels.md and 0056 tell how the constants were found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Below 1: the network was trained with smoothed labels, so its probabilities are too low.
PHOTO_TEMPERATURE: Final = 0.8
# The network was trained on photographs and is less reliable for pictures with less colour entropy
# than this, in bits. A picture of one colour raises the temperature by `FLAT_FACTOR` times itself.
PHOTO_ENTROPY: Final = 7.0
FLAT_FACTOR: Final = 1.5
# The bits per channel that count, of eight, so that noise and JPEG artefacts add no colours.
BITS_PER_CHANNEL: Final = 5


def calibrate(
    probabilities: NDArray[np.floating[Any]], pixels: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the probabilities as the softmax at the picture's temperature.

    `pixels` is the network's input: uint8 of shape (height, width, 3), RGB.
    """
    return at_temperature(probabilities, temperature(colour_entropy(pixels)))


def at_temperature(probabilities: NDArray[np.floating[Any]], value: float) -> NDArray[np.float64]:
    """Return the probabilities as the softmax at a temperature."""
    powers = np.power(probabilities, 1 / value, dtype=np.float64)
    result: NDArray[np.float64] = powers / powers.sum()
    return result


def temperature(entropy: float) -> float:
    """Return the temperature for a picture with that colour entropy, in bits."""
    return PHOTO_TEMPERATURE * (1 + FLAT_FACTOR * max(0.0, 1 - entropy / PHOTO_ENTROPY))


def colour_entropy(pixels: NDArray[np.uint8]) -> float:
    """Return the entropy of a picture's colours in bits: 0 for one colour, about 8 for a photo."""
    coarse = (pixels >> (8 - BITS_PER_CHANNEL)).reshape(-1, 3)
    colours = coarse[:, 0].astype(np.uint16)
    for channel in (1, 2):
        colours <<= BITS_PER_CHANNEL
        colours |= coarse[:, channel]
    counts = np.bincount(colours)
    shares = counts[counts > 0] / colours.size
    return float(-(shares * np.log2(shares)).sum())
