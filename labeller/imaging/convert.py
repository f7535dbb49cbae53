"""Make an image that any recognizer takes: an upright JPEG in RGB, neither too large nor small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from core.domain.label import BoundingBox
from labeller.imaging.decode import opened
from labeller.imaging.views import fitted, resized

if TYPE_CHECKING:
    import pyvips

_QUALITIES: Final = (90, 75)


@dataclass(frozen=True, slots=True)
class Converted:
    """A JPEG, and where in it the image is.

    `width` and `height` count the pixels of the original as it is displayed; `place` is the part
    of the JPEG that it fills.
    """

    content: bytes
    width: int
    height: int
    place: BoundingBox


def to_jpeg(
    stream: BinaryIO, *, max_pixels: int, max_bytes: int, shortest: int, longest: int
) -> Converted:
    """Convert an image to a JPEG of at most `max_bytes`, each side `shortest` to `longest` long.

    Turned as EXIF says, colours in sRGB, transparency laid on white, 16-bit numbers scaled to 8. A
    small image is enlarged; a very narrow one gets white beside it.

    Raises:
        PictureRefused: its format is not read, it has too many pixels, or is damaged.
        Unavailable: the stream or the memory failed, not the image.

    """
    with opened(stream, max_pixels=max_pixels) as source:
        width, height = source.width, source.height
        scale = min(1.0, longest / max(width, height))
        if min(width, height) * scale < shortest:
            scale = min(shortest / min(width, height), longest / max(width, height))
        picture = resized(source.decoded(scale)[0], *fitted(width, height, scale))
        wide, high = max(picture.width, shortest), max(picture.height, shortest)
        whole = picture.gravity("centre", wide, high, extend="white").copy_memory()
    left, top = (wide - picture.width) // 2, (high - picture.height) // 2
    place = BoundingBox(left / wide, top / high, picture.width / wide, picture.height / high)
    return Converted(_encoded(whole, max_bytes), width, height, place)


def _encoded(picture: pyvips.Image, max_bytes: int) -> bytes:
    """Compress an image, harder and then smaller until it fits: noise takes a byte a pixel."""
    while True:
        for quality in _QUALITIES:
            jpeg: bytes = picture.jpegsave_buffer(Q=quality, subsample_mode="on", keep="none")
            if len(jpeg) <= max_bytes:
                return jpeg
        picture = picture.shrink(2, 2).copy_memory()
