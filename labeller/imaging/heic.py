"""HEIC pictures, by libheif and libde265 (docs/decisions/0021)."""

from __future__ import annotations

from typing import BinaryIO, Final

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused
from labeller.imaging.sources import Pixels, Raw, Source, length_of

try:
    import pillow_heif
except ImportError:  # where a budget of bytes leaves it out
    pillow_heif = None  # type: ignore[assignment]

# Bytes a pixel at the peak of decoding, as measured.
_PIXEL: Final = 5.2
_DEEP_PIXEL: Final = 11
_ALPHA: Final = 3
_EIGHT_BITS: Final = 8


class Heic(Source):
    """The primary picture of a HEIC file. libheif turns it upright by itself."""

    kind = ImageType.HEIC

    def __init__(self, stream: BinaryIO) -> None:
        if pillow_heif is None:
            raise PictureRefused(
                FailureCode.UNSUPPORTED_FORMAT,
                "HEIC pictures can't be decoded by this service; save it as JPEG.",
            )
        options = pillow_heif.options
        options.DECODE_THREADS = 1  # a picture is the unit of parallel work
        options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
        self.held = 2 * length_of(stream)
        file = pillow_heif.open_heif(stream.read())
        self._heif = file[file.primary_index]
        self.size = self._heif.size
        self._pixels = None

    def decode(self, least: tuple[int, int]) -> Pixels:
        """Return all pixels: a thumbnail may show something else."""
        del least
        if self._pixels is None:
            self._make_room(self._need() + self.held)
            self._pixels = self._decoded()
        return self._pixels

    @property
    def orientation(self) -> int:
        """Upright, whatever EXIF says: HEIF's own properties have turned it."""
        return 1

    @property
    def profile(self) -> bytes | None:
        """Its ICC profile."""
        profile = self._heif.info.get("icc_profile")
        return profile if isinstance(profile, bytes) else None

    def _need(self) -> float:
        width, height = self.size
        pixel = _PIXEL if self._heif.info["bit_depth"] == _EIGHT_BITS else _DEEP_PIXEL
        return width * height * (pixel + _ALPHA * self._heif.has_alpha)

    def _decoded(self) -> Pixels:
        return Raw(self._heif.data, self._heif.size, self._heif.mode, self._heif.mode)
