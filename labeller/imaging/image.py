"""From the bytes of an uploaded image to the few pixels a network looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from labeller.imaging.decode import opened, refusals
from labeller.imaging.views import fitted, resized

if TYPE_CHECKING:
    import pyvips
    from numpy.typing import NDArray

    from core.domain.blob import ImageType

# Classifiers are trained on the middle of an image: resize to side / 0.875, then crop.
CROP: Final = 0.875
# Decoding leaves this many times the pixels a side that a network looks at. Below 2 the labels of
# some photographs change by ten points (docs/decisions/0003).
OVERSAMPLING: Final = 2
_MOST: Final = 4_000_000  # pixels that are kept of a very narrow image


class Fit(StrEnum):
    """How an image of another shape gets into a frame."""

    CROP = "crop"  # its middle, without what is outside
    STRETCH = "stretch"  # all of it, out of shape
    PAD = "pad"  # all of it, in the middle, on black


@dataclass(frozen=True, slots=True)
class Frame:
    """What a network looks at, in pixels.

    Cropped, it is the middle of an image of the frame's own shape, and of that `share` a side.
    """

    width: int
    height: int
    fit: Fit = Fit.CROP
    share: float = CROP


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image in its frame, and the type and size of the whole.

    `pixels` are uint8 of shape (height, width, 3), RGB; `width` and `height` count those of the
    full image as it is displayed. `coarse` is all of it as it was decoded, if `whole` may be
    needed, which has `whole_pixels` or fewer.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    kind: ImageType
    coarse: pyvips.Image | None = None
    whole_pixels: int = 0

    @cached_property
    def whole(self) -> NDArray[np.uint8] | None:
        """All of the image, made small when it is first needed. None if that was not asked for.

        uint8 of shape (height, width, 3), RGB. Raises PictureRefused.
        """
        if self.coarse is None:
            return None
        scale = min(1.0, math.sqrt(self.whole_pixels / (self.width * self.height)))
        with refusals():
            return _array(resized(self.coarse, *fitted(self.width, self.height, scale)))


def load(
    stream: BinaryIO, *, frame: Frame, max_pixels: int, whole: int | None = None
) -> LoadedImage:
    """Decode an image and return what a network is to see of it.

    With `whole`, the result can also show all of it in so many pixels, or fewer if it has no more.

    Turned as EXIF says, colours in sRGB, transparency laid on white, 16-bit numbers scaled to 8,
    the first frame of an animation. The stream is read from its start and is left open.

    Raises:
        PictureRefused, Unavailable: as `labeller.imaging.decode.opened`.

    """
    with opened(stream, max_pixels=max_pixels) as source:
        width, height = source.width, source.height
        across, down = _part(frame, width, height)
        scale = OVERSAMPLING * max(frame.width / across, frame.height / down)
        scale = max(scale, math.sqrt((whole or 0) / (width * height)))
        scale = min(1.0, scale, math.sqrt(_MOST / (width * height)))
        coarse, density = source.decoded(scale)
        shares = across * density / coarse.width, down * density / coarse.height
        size = frame.width, frame.height
        if frame.fit is Fit.PAD:
            size = fitted(width, height, min(frame.width / width, frame.height / height))
        framed = resized(coarse, *size, shares)
        left, top = (frame.width - size[0]) // 2, (frame.height - size[1]) // 2
        pixels = _array(framed.embed(left, top, frame.width, frame.height))
        if not whole:
            return LoadedImage(pixels, width, height, source.kind)
        return LoadedImage(pixels, width, height, source.kind, coarse, whole)


def place_of(frame: Frame, width: int, height: int) -> tuple[float, float, float, float]:
    """Return where a frame lies on an image: its edges as shares of the image's sides.

    Left, top, right and bottom; they are outside of 0 to 1 where the image is padded.
    """
    if frame.fit is Fit.PAD:
        inner = fitted(width, height, min(frame.width / width, frame.height / height))
        across, down = frame.width / inner[0], frame.height / inner[1]
    else:
        part = _part(frame, width, height)
        across, down = part[0] / width, part[1] / height
    return (1 - across) / 2, (1 - down) / 2, (1 + across) / 2, (1 + down) / 2


def _part(frame: Frame, width: int, height: int) -> tuple[float, float]:
    """Return the width and height of the middle that is in the frame."""
    if frame.fit is not Fit.CROP:
        return width, height
    shape = frame.width / frame.height
    return frame.share * min(width, height * shape), frame.share * min(height, width / shape)


def _array(image: pyvips.Image) -> NDArray[np.uint8]:
    pixels = np.frombuffer(image.write_to_memory(), np.uint8)
    return pixels.reshape(image.height, image.width, image.bands)
