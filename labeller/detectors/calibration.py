"""Confidences that mean what they say, and less of it for drawings and silhouettes. Pure.

Guo, Pleiss, Sun, Weinberger: "On Calibration of Modern Neural Networks", 2017 (temperature
scaling). How the numbers were found: docs/decisions/0025-calibrated-labels.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The network was trained with smoothed labels and is surer than it says.
PHOTOGRAPH: Final = 0.8
# A picture of fewer colours than that, in bits, tells a network that was trained on photographs the
# less; for one of a single colour the temperature is raised by `FEW` times itself.
ENOUGH_BITS: Final = 7.0
FEW: Final = 1.5
# Of eight bits a channel these count: neither noise nor a JPEG's artefacts make a colour.
BITS_A_CHANNEL: Final = 5


def calibrated(
    probabilities: NDArray[np.floating[Any]], pixels: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return a softmax as it would be at the temperature that suits the picture.

    `pixels` are what the network looked at: uint8 of shape (height, width, 3), RGB.
    """
    powers = np.power(probabilities, 1 / temperature(bits_of_colour(pixels)), dtype=np.float64)
    result: NDArray[np.float64] = powers / powers.sum()
    return result


def temperature(bits: float) -> float:
    """Return what to divide logits by, for a picture whose colours have that entropy."""
    return PHOTOGRAPH * (1 + FEW * max(0.0, 1 - bits / ENOUGH_BITS))


def bits_of_colour(pixels: NDArray[np.uint8]) -> float:
    """Return the entropy of a picture's colours: 0 for a single one, 8 or so for a photograph."""
    coarse = (pixels >> (8 - BITS_A_CHANNEL)).reshape(-1, 3)
    colours = coarse[:, 0].astype(np.uint16)
    for channel in (1, 2):
        colours <<= BITS_A_CHANNEL
        colours |= coarse[:, channel]
    counts = np.bincount(colours)
    shares = counts[counts > 0] / colours.size
    return float(-(shares * np.log2(shares)).sum())
