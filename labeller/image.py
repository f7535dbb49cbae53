"""From the bytes of an uploaded picture to the small square a network looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
from PIL import Image

from labeller.decode import opened
from labeller.shrink import shrunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalogue.blob import ImageType

# Classifiers are trained on the middle of a picture: resize to side / 0.875, then crop.
CROP: Final = 0.875


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """The middle of a picture, and the size of the whole.

    `pixels` are uint8 of shape (side, side, 3), RGB; `width` and `height` count the pixels of the
    full picture as it is displayed. `whole` is all of it, made small, where that was asked for.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    whole: NDArray[np.uint8] | None = None


def load(
    stream: BinaryIO, declared: ImageType, *, side: int, max_pixels: int, whole: int | None = None
) -> LoadedImage:
    """Decode a picture and return its middle, `side` pixels wide and high.

    With `whole`, also all of it, so many pixels on its longer side, or fewer if it has no more.

    Turned as EXIF says, colours in sRGB, transparency laid on white, 16-bit numbers scaled to 8,
    the first frame of an animation. The stream is read from its start and is left open.

    Raises:
        PictureRefused, Unavailable: as `labeller.decode.opened`.

    """
    with opened(stream, declared, max_pixels=max_pixels) as source:
        width, height = source.size
        crop = CROP * min(width, height)
        # Crop and resize at once, so that no pixel outside the crop is worked on.
        middle = (
            (width - crop) / 2,
            (height - crop) / 2,
            (width + crop) / 2,
            (height + crop) / 2,
        )
        square = shrunk(source, (side, side), middle)  # first, as it may need most
        small = None
        if whole:
            scale = min(1.0, whole / max(source.size))
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            # What looks for faces makes no difference between this and what takes twice as long.
            resample = Image.Resampling.HAMMING
            small = np.asarray(shrunk(source, size, oversampling=1, resample=resample))
        return LoadedImage(np.asarray(square), *source.displayed, small)
