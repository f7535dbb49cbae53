"""Small images of images, for lists of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from labeller.imaging.decode import opened
from labeller.imaging.views import fitted, resized

if TYPE_CHECKING:
    from core.domain.thumbnail import ThumbnailSize

_QUALITY: Final = 75


def thumbnail(stream: BinaryIO, size: ThumbnailSize, *, max_pixels: int) -> bytes:
    """Return a WebP of the image, as it is displayed, its longer side as long as `size` or less.

    Raises:
        PictureRefused, Unavailable: as `labeller.imaging.decode.opened`.

    """
    with opened(stream, max_pixels=max_pixels) as source:
        scale = min(1.0, size.side / max(source.width, source.height))
        width, height = fitted(source.width, source.height, scale)
        small = resized(source.decoded(scale)[0], width, height)
        webp: bytes = small.webpsave_buffer(Q=_QUALITY, keep="none")
        return webp
