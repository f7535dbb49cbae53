"""Small pictures of pictures, for lists of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, Final

from labeller.imaging.decode import opened
from labeller.imaging.shrink import shrunk

if TYPE_CHECKING:
    from core.domain.blob import ImageType

SIDE: Final = 320  # pixels of the longer side, at most
MEDIA_TYPE: Final = "image/webp"
_QUALITY: Final = 75


def thumbnail(stream: BinaryIO, declared: ImageType, *, max_pixels: int) -> bytes:
    """Return a WebP of the picture, as it is displayed, its longer side SIDE pixels or less.

    Raises:
        PictureRefused, Unavailable: as `labeller.imaging.decode.opened`.

    """
    with opened(stream, declared, max_pixels=max_pixels) as source:
        scale = min(1.0, SIDE / max(source.size))
        width, height = (max(1, round(side * scale)) for side in source.size)
        out = io.BytesIO()
        shrunk(source, (width, height)).save(out, "WEBP", quality=_QUALITY)
        return out.getvalue()
