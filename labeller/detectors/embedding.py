"""The vectors of an embedding: a network's pooled features, and a picture's outline. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST: Final = 127
_SIDE: Final = 7  # of an outline: coarse, so that it changes little when the picture is cropped


def quantised(features: NDArray[np.floating[Any]]) -> bytes:
    """Return features as signed bytes in proportion to them; the largest becomes 127 or -127.

    The cosine of two such vectors differs from that of their features by less than a hundredth.
    """
    largest = float(np.abs(features).max(initial=0))
    factor = _LARGEST / largest if largest else 0.0
    vector: NDArray[np.int8] = np.rint(features * factor).astype(np.int8)
    return vector.tobytes()


def outline_of(pixels: NDArray[np.uint8]) -> bytes:
    """Return how light each of 7 by 7 parts of a picture is, from the mean, as signed bytes.

    `pixels` have the shape (height, width, 3), RGB. A picture of one colour has zeros.
    """
    small = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    lightness = np.asarray(small, np.float64).reshape(-1)
    return quantised(lightness - lightness.mean())
