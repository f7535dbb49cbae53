"""Small images of images, for lists of them."""

from __future__ import annotations

from typing import BinaryIO, Final

from labeller.imaging.decode import opened
from labeller.imaging.views import fitted, resized

SIDE: Final = 320  # pixels of the longer side, at most
_QUALITY: Final = 75


def thumbnail(stream: BinaryIO, *, max_pixels: int) -> bytes:
    """Return a WebP of the image, as it is displayed, its longer side SIDE pixels or less.

    Raises:
        PictureRefused, Unavailable: as `labeller.imaging.decode.opened`.

    """
    with opened(stream, max_pixels=max_pixels) as source:
        scale = min(1.0, SIDE / max(source.width, source.height))
        size = fitted(source.width, source.height, scale)
        small = resized(source.decoded(scale)[0], *size)
        webp: bytes = small.webpsave_buffer(Q=_QUALITY, keep="none")
        return webp
