"""Make a picture that any recognizer takes: an upright JPEG in RGB, neither too large nor small."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from PIL import Image

from core.domain.label import BoundingBox
from labeller.imaging.decode import opened
from labeller.imaging.shrink import shrunk

if TYPE_CHECKING:
    from core.domain.blob import ImageType

_QUALITIES: Final = (90, 75)


@dataclass(frozen=True, slots=True)
class Converted:
    """A JPEG, and where in it the picture is.

    `width` and `height` count the pixels of the original as it is displayed; `place` is the part
    of the JPEG that it fills.
    """

    content: bytes
    width: int
    height: int
    place: BoundingBox


def to_jpeg(
    stream: BinaryIO,
    declared: ImageType,
    *,
    max_pixels: int,
    max_bytes: int,
    shortest: int,
    longest: int,
) -> Converted:
    """Convert a picture to a JPEG of at most `max_bytes`, each side `shortest` to `longest` long.

    Turned as EXIF says, colours in sRGB, transparency laid on white, 16-bit numbers scaled to 8. A
    small picture is enlarged; a very narrow one gets white beside it.

    Raises:
        PictureRefused: it is not what was declared, has too many pixels, or is damaged.
        Unavailable: the stream or the memory failed, not the picture.

    """
    with opened(stream, declared, max_pixels=max_pixels) as source:
        width, height = source.size
        scale = min(1.0, longest / max(width, height))
        if min(width, height) * scale < shortest:
            scale = min(shortest / min(width, height), longest / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = shrunk(source, size, oversampling=1)
        width, height = source.displayed
    whole, place = _padded(picture, shortest)
    return Converted(_encoded(whole, max_bytes), width, height, place)


def _padded(picture: Image.Image, shortest: int) -> tuple[Image.Image, BoundingBox]:
    """Lay a picture in the middle of a white one of at least that size; tell its place there."""
    width, height = picture.size
    whole_width, whole_height = max(width, shortest), max(height, shortest)
    left, top = (whole_width - width) // 2, (whole_height - height) // 2
    place = BoundingBox(
        left / whole_width, top / whole_height, width / whole_width, height / whole_height
    )
    if (whole_width, whole_height) == picture.size:
        return picture, place
    whole = Image.new("RGB", (whole_width, whole_height), "white")
    whole.paste(picture, (left, top))
    return whole, place


def _encoded(picture: Image.Image, max_bytes: int) -> bytes:
    """Compress a picture, harder and then smaller until it fits: noise takes a byte a pixel."""
    while True:
        for quality in _QUALITIES:
            out = io.BytesIO()
            picture.save(out, "JPEG", quality=quality)
            if out.tell() <= max_bytes:
                return out.getvalue()
        picture = picture.reduce(2)
