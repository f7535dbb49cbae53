"""Images that Pillow and pillow-heif decode: libvips doesn't, or in far more memory."""

from __future__ import annotations

import io
import re
import struct
from typing import TYPE_CHECKING, Any, Final

import pyvips
from PIL import AvifImagePlugin, Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.TiffImagePlugin import TiffImageFile

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused
from labeller.imaging import damage, tiff
from labeller.imaging.header import require_pixels
from labeller.imaging.sources import Source, opaque

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.ImageFile import ImageFile

# Bytes a pixel at the peak of decoding, as measured (docs/decisions/0036), and for alpha.
_AVIF: Final = (8.2, 4)
_HEIC: Final = {8: (5.2, 3), 10: (11, 3), 12: (11, 3)}  # by bits a sample
# Pillow's modes of bytes: bands, and libvips's name for their colours.
_MODES: Final = {
    "L": (1, "b-w"),
    "LA": (2, "b-w"),
    "RGB": (3, "srgb"),
    "RGBA": (4, "srgb"),
    "CMYK": (4, "cmyk"),
    "LAB": (3, "lab"),
}
_HEIF_START: Final = 65_536  # bytes, in which the sizes of images are
_PIXELS_AT_ONCE: Final = 1_000_000
_ORIENTATION: Final = 274  # of EXIF and TIFF

# Pillow's own limit, with a warning at half of it, is below ours.
Image.MAX_IMAGE_PIXELS = None
# An image is the unit of parallel work.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


class _Avif(Source):
    def __init__(self, content: bytes) -> None:
        self._file = AvifImageFile(io.BytesIO(content))
        damage.require_no_zeros(damage.heif_samples(content, self._file.info.get("exif", b"")))
        orientation = self._file.getexif().get(_ORIENTATION, 1)
        super().__init__(ImageType.AVIF, *self._file.size, orientation)
        self.pixel_bytes = _AVIF[0] + _AVIF[1] * (self._file.mode == "RGBA")

    @damage.decoding()
    def stored(self, share: float) -> pyvips.Image:  # noqa: ARG002
        data = self._file._decoder.get_frame(0)[0]  # noqa: SLF001  # Pillow would copy it
        return _raw(data, self._file.size, self._file.mode, self._file.info)


class _Heic(Source):
    """The primary image of a HEIC file. libheif turns it upright by itself, whatever EXIF says."""

    def __init__(self, content: bytes) -> None:
        import pillow_heif  # noqa: PLC0415  # a tenth of a second and 15 MB

        options = pillow_heif.options
        options.DECODE_THREADS = 1
        options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
        file = pillow_heif.open_heif(content)
        self._image: Any = file[file.primary_index]
        info: dict[str, Any] = self._image.info
        damage.require_no_zeros(damage.heif_samples(content, info.get("exif") or b""))
        super().__init__(ImageType.HEIC, *self._image.size)
        pixel, alpha = _HEIC[info["bit_depth"]]
        self.pixel_bytes = pixel + alpha * self._image.has_alpha

    @damage.decoding()
    def stored(self, share: float) -> pyvips.Image:  # noqa: ARG002
        image = self._image
        return _raw(image.data, image.size, image.mode, image.info)


class _Banded(Source):
    """An image that Pillow keeps whole, and that is shrunk some rows at a time."""

    def __init__(self, kind: ImageType, image: ImageFile, orientation: int = 1) -> None:
        super().__init__(kind, *image.size, orientation)
        self.image: Image.Image = image
        self.canvas = image.size
        self.pixel_bytes = 1 if image.mode in ("1", "L", "P") else 4

    @damage.decoding()
    def stored(self, share: float) -> pyvips.Image:
        self.image.load()
        width, height = self.canvas
        by = max(1, int(1 / share))
        rows = max(1, _PIXELS_AT_ONCE // width // by) * by
        whole = None
        for top in range(0, height, rows):
            part = self.rows(top, min(top + rows, height))
            band = opaque(_raw(part.tobytes(), part.size, part.mode, self.image.info))
            band = band.shrink(by, by, ceil=True).copy_memory()
            whole = whole.join(band, "vertical") if whole else band
        return whole

    def rows(self, top: int, bottom: int) -> Image.Image:
        """Return some rows, in a mode that has bytes for samples."""
        part = self.image.crop((0, top, self.image.width, bottom))
        if "transparency" in self.image.info:
            return part.convert("RGBA")
        grey = {"1": "L"}.get(part.mode, "RGB")
        return part if part.mode in _MODES else part.convert(grey)


class _Gif(_Banded):
    """The first frame of a GIF, on a canvas that is transparent beside it."""

    def __init__(self, content: bytes) -> None:
        image = GifImageFile(io.BytesIO(content))
        left, top, right, bottom = image.tile[0].extents or (0, 0, *image.size)
        self._place = (left, top)
        # Of the frame alone: it may lie anywhere, and does not decide the size of the whole.
        image._size = (right - left, bottom - top)  # noqa: SLF001
        image.tile = [image.tile[0]._replace(extents=(0, 0, *image.size))]
        super().__init__(ImageType.GIF, image)
        width, height = struct.unpack_from("<HH", content, 6)
        self.canvas = self.width, self.height = width or right, height or bottom

    def rows(self, top: int, bottom: int) -> Image.Image:
        if self._place == (0, 0) and self.image.size == self.canvas:
            return super().rows(top, bottom)
        left, above = self._place
        canvas = Image.new("RGBA", (self.width, bottom - top))
        first, last = max(top - above, 0), min(bottom - above, self.image.height)
        if first < last:
            canvas.paste(super().rows(first, last), (left, above + first - top))
        return canvas


class _Bmp(_Banded):
    def __init__(self, content: bytes) -> None:
        try:
            super().__init__(ImageType.BMP, BmpImageFile(io.BytesIO(content)))
        except OSError as exc:
            if "Unsupported BMP" not in str(exc):
                raise
            bits, compression = struct.unpack_from("<HI", content, 28)
            raise PictureRefused(
                FailureCode.UNSUPPORTED_FORMAT,
                f"The BMP has {bits} bits a pixel, compression {compression} and rare bit masks or "
                "a rare header, which can't be read. Save it again as PNG or JPEG.",
            ) from exc

    @damage.decoding()
    def stored(self, share: float) -> pyvips.Image:
        self.image.load()
        if self.image.mode == "RGBA" and self.image.getchannel("A").getextrema() == (0, 0):
            self.image = self.image.convert("RGB")  # a program that knows no alpha leaves it zero
        return super().stored(share)


class _Tiff(_Banded):
    """A TIFF in a layout or compression that libvips does not read."""

    def __init__(self, content: bytes) -> None:
        image = TiffImageFile(io.BytesIO(content))
        image.load_end = lambda: None  # type: ignore[method-assign]  # it would turn a copy
        image._size = image._tile_size  # noqa: SLF001  # as stored
        super().__init__(ImageType.TIFF, image, image.tag_v2.get(_ORIENTATION, 1))


@damage.decoding()
def open_source(content: bytes, kind: ImageType, max_pixels: int) -> Source | None:
    """Open an image of that type, none of JPEG, PNG and WebP; None for a TIFF for libvips."""
    match kind:
        case ImageType.AVIF:
            # libavif takes an enormous size for damage.
            for extent in re.finditer(b"ispe.{4}(.{4})(.{4})", content[:_HEIF_START], re.DOTALL):
                width, height = (int.from_bytes(side, "big") for side in extent.groups())
                require_pixels(width, height, max_pixels)
            return _Avif(content)
        case ImageType.BMP:
            return _Bmp(content)
        case ImageType.GIF:
            return _Gif(content)
        case ImageType.HEIC:
            return _Heic(content)
    return _Tiff(content) if tiff.is_for_pillow(content, max_pixels) else None


def _raw(data: bytes, size: tuple[int, int], mode: str, info: Mapping[Any, Any]) -> pyvips.Image:
    """Return Pillow's bytes as an image of libvips."""
    if mode.startswith("I;16"):
        deep = pyvips.Image.new_from_memory(data, *size, 1, "ushort")
        return deep.copy(interpretation="grey16")
    bands, colours = _MODES[mode]
    across = len(data) // size[1] // bands  # rows may be padded
    image = pyvips.Image.new_from_memory(data, across, size[1], bands, "uchar")
    image = image.crop(0, 0, *size).copy(interpretation=colours)
    if profile := info.get("icc_profile"):
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    if mode == "LAB":  # L is 0 to 255; a and b are signed
        image = image.linear([100 / 255, 1, 1], [0, 128, 128]).remainder([256] * 3)
        image = (image - [0, 128, 128]).copy(interpretation="lab")
    return image
