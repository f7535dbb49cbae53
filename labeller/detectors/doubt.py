"""Other views of pictures whose labels are doubtful or missing. Pure.

A network that recognises a thing does so in other views too; a chance likeness is often gone.
docs/decisions/0056-scenes-from-the-features.md has the figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from core.domain.label import Label

# Labels are shown from this confidence by default. One below `SURE` is doubtful.
SHOWN: Final = 55.0
SURE: Final = 90.0
# Labels of this confidence in every view are mostly right; they are shown where no other one is.
AGREED: Final = 45.0


def is_doubtful(labels: Sequence[Label]) -> bool:
    """Return whether a most specific label of a picture is shown without being sure.

    A label whose child is shown does not count.
    """
    shown = [label for label in labels if label.confidence >= SHOWN]
    general = {parent for label in shown for parent in label.parents}
    return any(label.confidence < SURE and label.name not in general for label in shown)


def is_undecided(confidences: NDArray[np.float64]) -> bool:
    """Return whether no label is shown, but one would be if all views agreed on it."""
    highest = float(confidences.max(initial=0))
    return AGREED <= highest < SHOWN


def agreed(confidences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lowest confidences of all views, so raised that the labels agreed on are shown."""
    return np.where(confidences >= AGREED, confidences + (SHOWN - AGREED), confidences)


def mirrored(whole: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return all of a picture, mirrored and out of shape, `side` pixels wide and high.

    `whole` is uint8 of shape (height, width, 3), as is the result.
    """
    height, width, _ = whole.shape
    return _resized(whole, side, (0, 0, width, height))[:, ::-1]


def largest_square(whole: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the largest square in a picture's middle, `side` pixels wide and high.

    `whole` is as in `mirrored`.
    """
    height, width, _ = whole.shape
    least = min(height, width)
    left, top = (width - least) / 2, (height - least) / 2
    return _resized(whole, side, (left, top, left + least, top + least))


# In the order in which they are tried while labels are doubtful or undecided.
OTHER_VIEWS: Final[tuple[Callable[[NDArray[np.uint8], int], NDArray[np.uint8]], ...]] = (
    mirrored,
    largest_square,
)


def _resized(
    whole: NDArray[np.uint8], side: int, box: tuple[float, float, float, float]
) -> NDArray[np.uint8]:
    picture = Image.fromarray(whole)
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR, box))
