"""From a decoded picture to a small one, in little more memory than the small one takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from PIL import Image

from labeller.imaging.colours import eight_bits, on_white, to_srgb

if TYPE_CHECKING:
    from labeller.imaging.sources import Pixels, Source

# A reduced-size decode leaves this many times the pixels a side that are wanted, and so does the
# first, coarse step of resizing. Below 2 the labels of some photographs change by ten points
# (docs/decisions/0003).
OVERSAMPLING: Final = 2
_ROWS_AT_ONCE: Final = 1_000_000  # pixels whose copies are no matter

_MARGIN: Final = 2  # cells of the coarse step that a bicubic filter looks at beyond the box

# What undoes the camera's turn, by EXIF's Orientation.
_UNTURN: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Rectangle = tuple[float, float, float, float]


def shrunk(
    source: Source,
    size: tuple[int, int],
    box: Rectangle | None = None,
    *,
    oversampling: int = OVERSAMPLING,
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> Image.Image:
    """Return a part of a picture at that size, upright, in RGB (sRGB), transparency on white.

    `size` and `box` (left, top, right, bottom; all of it when None) are in pixels as stored, before
    the picture is turned. A JPEG is decoded at a size that leaves `oversampling` times the pixels a
    side, once: to see parts of it at several sizes, begin with the one that needs most.
    """
    width, height = source.size
    left, top, right, bottom = box or (0, 0, width, height)
    wanted = (size[0] / (right - left), size[1] / (bottom - top))
    scale = oversampling * max(wanted)
    pixels = source.decode((math.ceil(scale * width), math.ceil(scale * height)))
    across, down = pixels.size[0] / width, pixels.size[1] / height
    box = (left * across, top * down, right * across, bottom * down)
    small = _resized(pixels, size, box, resample)
    small = to_srgb(on_white(small), source.profile)
    return small.transpose(_UNTURN[source.orientation]) if source.orientation > 1 else small


def _resized(
    pixels: Pixels, size: tuple[int, int], box: Rectangle, resample: Image.Resampling
) -> Image.Image:
    left, top, right, bottom = box
    coarse = (
        max(1, int((right - left) / size[0] / OVERSAMPLING)),
        max(1, int((bottom - top) / size[1] / OVERSAMPLING)),
    )
    region = (
        max(0, int(left) - _MARGIN * coarse[0]),
        max(0, int(top) - _MARGIN * coarse[1]),
        min(pixels.size[0], math.ceil(right) + _MARGIN * coarse[0]),
        min(pixels.size[1], math.ceil(bottom) + _MARGIN * coarse[1]),
    )
    if coarse == (1, 1) and isinstance(pixels, Image.Image) and _is_small(pixels):
        return eight_bits(pixels).resize(size, resample, box=box)
    reduced = _reduced(pixels, region, coarse)
    within = (
        (left - region[0]) / coarse[0],
        (top - region[1]) / coarse[1],
        min((right - region[0]) / coarse[0], reduced.width),
        min((bottom - region[1]) / coarse[1], reduced.height),
    )
    return reduced.resize(size, resample, box=within)


def _is_small(pixels: Pixels) -> bool:
    return pixels.size[0] * pixels.size[1] <= _ROWS_AT_ONCE


def _reduced(
    pixels: Pixels, region: tuple[int, int, int, int], coarse: tuple[int, int]
) -> Image.Image:
    """Average cells of so many pixels, some rows at a time."""
    left, top, right, bottom = region
    rows = max(1, _ROWS_AT_ONCE // (right - left) // coarse[1]) * coarse[1]

    def band(begin: int) -> Image.Image:
        part = eight_bits(pixels.crop((left, begin, right, min(begin + rows, bottom))))
        return part if coarse == (1, 1) else part.reduce(coarse)

    first = band(top)
    if top + rows >= bottom:
        return first
    whole = Image.new(first.mode, (first.width, math.ceil((bottom - top) / coarse[1])))
    whole.paste(first)
    for begin in range(top + rows, bottom, rows):
        whole.paste(band(begin), (0, (begin - top) // coarse[1]))
    return whole
