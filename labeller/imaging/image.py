"""From the bytes of an uploaded picture to the few pixels a network looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
from PIL import Image

from labeller.imaging.decode import opened
from labeller.imaging.header import ON_ITS_SIDE
from labeller.imaging.shrink import OVERSAMPLING, shrunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.domain.blob import ImageType
    from labeller.imaging.sources import Source

# Classifiers are trained on the middle of a picture: resize to side / 0.875, then crop.
CROP: Final = 0.875


class Fit(StrEnum):
    """How a picture of another shape gets into a frame."""

    CROP = "crop"  # its middle, without what is outside
    STRETCH = "stretch"  # all of it, out of shape
    PAD = "pad"  # all of it, in the middle, on black


@dataclass(frozen=True, slots=True)
class Frame:
    """What a network looks at, in pixels.

    Cropped, it is the middle of a picture of the frame's own shape, and of that `share` a side.
    """

    width: int
    height: int
    fit: Fit = Fit.CROP
    share: float = CROP


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """A picture in its frame, and the size of the whole.

    `pixels` are uint8 of shape (height, width, 3), RGB; `width` and `height` count those of the
    full picture as it is displayed. `whole` is all of it, made small, where that was asked for.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    whole: NDArray[np.uint8] | None = None


def load(
    stream: BinaryIO,
    declared: ImageType,
    *,
    frame: Frame,
    max_pixels: int,
    whole: int | None = None,
) -> LoadedImage:
    """Decode a picture and return what a network is to see of it.

    With `whole`, also all of it, so many pixels on its longer side, or fewer if it has no more.

    Turned as EXIF says, colours in sRGB, transparency laid on white, 16-bit numbers scaled to 8,
    the first frame of an animation. The stream is read from its start and is left open.

    Raises:
        PictureRefused, Unavailable: as `labeller.imaging.decode.opened`.

    """
    with opened(stream, declared, max_pixels=max_pixels) as source:
        width, height = source.size
        framed = _framed(source, frame)  # first, as it may need most
        small = None
        if whole:
            scale = min(1.0, whole / max(source.size))
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            # What looks for faces makes no difference between this and what takes twice as long.
            resample = Image.Resampling.HAMMING
            small = np.asarray(shrunk(source, size, oversampling=1, resample=resample))
        return LoadedImage(np.asarray(framed), *source.displayed, small)


def _framed(source: Source, frame: Frame) -> Image.Image:
    width, height = source.size  # as stored
    wide, high = frame.width, frame.height
    if wide != high:
        # Whether it lies on its side is known once it is decoded: for the larger of both needs.
        scale = OVERSAMPLING * max(wide, high) / frame.share / min(width, height)
        source.decode((math.ceil(scale * width), math.ceil(scale * height)))
        if source.orientation in ON_ITS_SIDE:
            wide, high = high, wide
    match frame.fit:
        case Fit.CROP:
            across = frame.share * min(width, height * (wide / high))
            down = frame.share * min(height, width * (high / wide))
            # Crop and resize at once, so that no pixel outside the crop is worked on.
            middle = (
                (width - across) / 2,
                (height - down) / 2,
                (width + across) / 2,
                (height + down) / 2,
            )
            return shrunk(source, (wide, high), middle)
        case Fit.STRETCH:
            return shrunk(source, (wide, high))
        case Fit.PAD:
            scale = min(wide / width, high / height)
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            upright = shrunk(source, size)
            padded = Image.new("RGB", (frame.width, frame.height))
            place = ((padded.width - upright.width) // 2, (padded.height - upright.height) // 2)
            padded.paste(upright, place)
            return padded
