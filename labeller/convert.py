"""Make a picture that any recognizer takes: an upright JPEG in RGB, neither too large nor small."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from catalogue.blob import BoundingBox, FailureCode
from catalogue.errors import PictureRefused
from labeller.decode import eight_bits, on_white, opened, turned

if TYPE_CHECKING:
    from catalogue.blob import ImageType

_QUALITIES: Final = (90, 75, 50)


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

    def original_box(self, box: BoundingBox) -> BoundingBox | None:
        """Return a box of the JPEG as one of the original; None where nothing of it is inside."""
        left, right = _shares(box.left, box.width, self.place.left, self.place.width)
        top, bottom = _shares(box.top, box.height, self.place.top, self.place.height)
        if right <= left or bottom <= top:
            return None
        return BoundingBox(left, top, right - left, bottom - top)


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

    Turned as EXIF says, transparency laid on white, 16-bit numbers scaled to 8. A small picture is
    enlarged; a very narrow one gets white beside it.

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
        if isinstance(source, JpegImageFile):
            source.draft(None, size)
        resized = eight_bits(source).resize(size, Image.Resampling.BICUBIC, reducing_gap=2)
        picture, on_its_side = turned(on_white(resized), source)
    if on_its_side:
        width, height = height, width
    canvas = tuple(max(side, shortest) for side in picture.size)
    corner = tuple((whole - side) // 2 for whole, side in zip(canvas, picture.size, strict=True))
    if canvas != picture.size:
        whole = Image.new("RGB", (canvas[0], canvas[1]), "white")
        whole.paste(picture, (corner[0], corner[1]))
    else:
        whole = picture
    place = BoundingBox(
        corner[0] / canvas[0],
        corner[1] / canvas[1],
        picture.size[0] / canvas[0],
        picture.size[1] / canvas[1],
    )
    return Converted(_encoded(whole, max_bytes), width, height, place)


def _encoded(picture: Image.Image, max_bytes: int) -> bytes:
    for quality in _QUALITIES:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        if out.tell() <= max_bytes:
            return out.getvalue()
    raise PictureRefused(
        FailureCode.TOO_LARGE,
        f"The picture stays larger than {max_bytes:,} bytes however it is compressed.",
    )


def _shares(start: float, length: float, origin: float, whole: float) -> tuple[float, float]:
    """Return both ends as shares of the part that begins at `origin`, cut to 0 to 1."""
    ends = ((start - origin) / whole, (start + length - origin) / whole)
    return min(max(ends[0], 0.0), 1.0), min(max(ends[1], 0.0), 1.0)
