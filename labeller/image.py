"""From the bytes of an uploaded JPEG or PNG to the small square a network looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from labeller.decode import eight_bits, on_white, opened, turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalogue.blob import ImageType

# Classifiers are trained on the middle of a picture: resize to side / 0.875, then crop.
CROP: Final = 0.875
# A reduced-size JPEG decode leaves this many times the pixels a side that the network takes, and
# so does the first, coarse step of resizing. Below 2 the labels of some photographs change by ten
# points (docs/decisions/0003).
OVERSAMPLING: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """The middle of a picture, and the size of the whole.

    `pixels` are uint8 of shape (side, side, 3), RGB; `width` and `height` count the pixels of the
    full picture as it is displayed.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int


def load(stream: BinaryIO, declared: ImageType, *, side: int, max_pixels: int) -> LoadedImage:
    """Decode a picture and return its middle, `side` pixels wide and high.

    Turned as EXIF says, transparency laid on white, 16-bit numbers scaled to 8, the first frame
    of an animation. The stream is read from its start and is left open.

    Raises:
        PictureRefused: it is neither JPEG nor PNG, or not what was declared, or has more than
            `max_pixels` (found out before decoding), or is damaged.
        Unavailable: the stream or the memory failed, not the picture.

    """
    with opened(stream, declared, max_pixels=max_pixels) as image:
        width, height = image.size
        if isinstance(image, JpegImageFile):
            shortest = math.ceil(OVERSAMPLING * side / CROP)
            image.draft(None, (shortest, shortest))
        square, on_its_side = turned(on_white(_middle(eight_bits(image), side)), image)
        if on_its_side:
            width, height = height, width
        return LoadedImage(np.asarray(square), width, height)


def _middle(pixels: Image.Image, side: int) -> Image.Image:
    """Crop and resize at once, so that no pixel outside the crop is worked on."""
    width, height = pixels.size
    crop = CROP * min(width, height)
    return pixels.resize(
        (side, side),
        Image.Resampling.BICUBIC,
        box=((width - crop) / 2, (height - crop) / 2, (width + crop) / 2, (height + crop) / 2),
        reducing_gap=OVERSAMPLING,
    )
