"""Small pictures of pictures, for lists of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, Final

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from labeller.decode import eight_bits, on_white, opened, turned

if TYPE_CHECKING:
    from catalogue.blob import ImageType

SIDE: Final = 320  # pixels of the longer side, at most
MEDIA_TYPE: Final = "image/webp"
_QUALITY: Final = 75
_OVERSAMPLING: Final = 2  # pixels a side that a reduced-size decode leaves for each that is wanted


def thumbnail(stream: BinaryIO, declared: ImageType, *, max_pixels: int) -> bytes:
    """Return a WebP of the picture, as it is displayed, its longer side SIDE pixels or less.

    Raises:
        PictureRefused, Unavailable: as `labeller.decode.opened`.

    """
    with opened(stream, declared, max_pixels=max_pixels) as image:
        if isinstance(image, JpegImageFile):
            image.draft(None, (_OVERSAMPLING * SIDE, _OVERSAMPLING * SIDE))
        small = eight_bits(image)
        scale = SIDE / max(small.size)
        if scale < 1:
            small = small.resize(
                (max(1, round(small.width * scale)), max(1, round(small.height * scale))),
                Image.Resampling.BICUBIC,
                reducing_gap=_OVERSAMPLING,
            )
        shown, _ = turned(on_white(small), image)
        out = io.BytesIO()
        shown.save(out, "WEBP", quality=_QUALITY)
        return out.getvalue()
