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
from PIL.ExifTags import Base as Tag
from PIL.GifImagePlugin import GifImageFile
from PIL.TiffImagePlugin import TiffImageFile

from core.domain.blob import ImageType
from labeller.imaging import damage, tiff
from labeller.imaging.header import not_read, require_pixels
from labeller.imaging.sources import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Bytes a pixel at the peak of decoding, as measured (docs/decisions/0036), and for alpha.
_AVIF: Final = (8.2, 4)
_HEIC: Final = {8: (5.2, 3), 10: (11, 3), 12: (11, 3)}  # by bits a sample
_FEW, _MANY = 2.2, 8.2  # Pillow's, for one sample and for more
# Pillow's modes of bytes: bands, and libvips's name for their colours.
_MODES: Final = {
    "L": (1, "b-w"),
    "LA": (2, "b-w"),
    "RGB": (3, "srgb"),
    "RGBA": (4, "srgb"),
    "CMYK": (4, "cmyk"),
    "LAB": (3, "lab"),
}
_ROWS: Final = 256
_HEIF_START: Final = 65_536  # bytes, in which the sizes of images are
_ORIENTATION: Final = 274  # of EXIF

# Pillow's own limit, with a warning at half of it, is below ours.
Image.MAX_IMAGE_PIXELS = None
# An image is the unit of parallel work.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


@damage.decoding()
def open_source(content: bytes, kind: ImageType, max_pixels: int) -> Source | None:
    """Open an image of that type, none of JPEG, PNG and WebP; None for a TIFF for libvips."""
    match kind:
        case ImageType.AVIF:
            return _avif(content, max_pixels)
        case ImageType.BMP:
            return _bmp(content)
        case ImageType.GIF:
            return _gif(content, max_pixels)
        case ImageType.HEIC:
            return _heic(content)
    if not tiff.is_for_pillow(content, max_pixels):
        return None
    image = TiffImageFile(io.BytesIO(content))  # which turns it upright, too
    source = _fed(kind, image.size, lambda: _samples(image), _bytes_of(image))
    across, down = image.tag_v2.get(Tag.TileWidth, 0), image.tag_v2.get(Tag.TileLength, 0)
    source.memory += across * down * _bytes_of(image)
    return source


def _fed(
    kind: ImageType,
    size: tuple[int, int],
    decode: Callable[[], pyvips.Image],
    pixel_bytes: float,
    orientation: int = 1,
) -> Source:
    """Return an image that `decode` decodes all of, in so many bytes a pixel."""
    decoded = damage.decoding()(decode)
    return Source(kind, size, lambda _: decoded(), size[0] * size[1] * pixel_bytes, orientation)


def _avif(content: bytes, max_pixels: int) -> Source:
    # libavif takes an enormous size for damage.
    for extent in re.finditer(b"ispe.{4}(.{4})(.{4})", content[:_HEIF_START], re.DOTALL):
        width, height = (int.from_bytes(side, "big") for side in extent.groups())
        require_pixels(width, height, max_pixels)
    file = AvifImageFile(io.BytesIO(content))
    damage.require_no_zeros(content, file.info.get("exif", b""))

    def decode() -> pyvips.Image:
        data = file._decoder.get_frame(0)[0]  # noqa: SLF001  # Pillow would copy it
        return _from_bytes(data, file.size, file.mode, file.info)

    pixel_bytes = _AVIF[0] + _AVIF[1] * (file.mode == "RGBA")
    orientation = file.getexif().get(_ORIENTATION, 1)
    return _fed(ImageType.AVIF, file.size, decode, pixel_bytes, orientation)


def _heic(content: bytes) -> Source:
    """Open the primary image. libheif turns it upright by itself, whatever EXIF says."""
    import pillow_heif  # noqa: PLC0415  # a tenth of a second and 15 MB

    options = pillow_heif.options
    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    file = pillow_heif.open_heif(content)
    image: Any = file[file.primary_index]
    damage.require_no_zeros(content, image.info.get("exif") or b"")

    def decode() -> pyvips.Image:
        return _from_bytes(image.data, image.size, image.mode, image.info)

    pixel, alpha = _HEIC[image.info["bit_depth"]]
    return _fed(ImageType.HEIC, image.size, decode, pixel + alpha * image.has_alpha)


def _bmp(content: bytes) -> Source:
    try:
        image = BmpImageFile(io.BytesIO(content))
    except OSError as exc:
        if "Unsupported BMP" not in str(exc):
            raise
        bits, compression = struct.unpack_from("<HI", content, 28)
        raise not_read(f"The BMP has {bits} bits a pixel, compression {compression}") from exc

    def decode() -> pyvips.Image:
        samples = _samples(image)
        # A program that knows no alpha leaves it zero.
        clear = image.mode == "RGBA" and samples[3].max() == 0
        return samples[:3] if clear else samples

    return _fed(ImageType.BMP, image.size, decode, _bytes_of(image))


def _gif(content: bytes, max_pixels: int) -> Source:
    """Open the first frame, on a canvas that is transparent beside it.

    Raises PictureRefused for a frame of more than `max_pixels`, whatever the canvas shows of it.
    """
    image = GifImageFile(io.BytesIO(content))
    left, top, right, bottom = image.tile[0].extents or (0, 0, *image.size)
    # Pillow would make the canvas as large as the frame needs, which may lie anywhere.
    image._size = (right - left, bottom - top)  # noqa: SLF001
    image.tile = [image.tile[0]._replace(extents=(0, 0, *image.size))]
    require_pixels(*image.size, max_pixels)
    width, height = struct.unpack_from("<HH", content, 6)
    width, height = width or right, height or bottom

    def decode() -> pyvips.Image:
        samples = _samples(image)
        if (left, top, right, bottom) == (0, 0, width, height):
            return samples
        samples = samples if samples.hasalpha() else samples.bandjoin(255)
        canvas = pyvips.Image.black(width, height, bands=samples.bands)
        return canvas.copy(interpretation=samples.interpretation).insert(samples, left, top)

    source = _fed(ImageType.GIF, (width, height), decode, _bytes_of(image))
    if (left, top, right, bottom) != (0, 0, width, height):
        source.memory += image.width * image.height * _bytes_of(image)
    return source


def _bytes_of(image: Image.Image) -> float:
    """Return the bytes a pixel that Pillow takes for an image, and a copy of its samples."""
    return _FEW if image.mode in ("1", "L", "P") else _MANY


def _samples(image: Image.Image) -> pyvips.Image:
    """Decode with Pillow."""
    image.load()
    samples, mode = bytearray(), image.mode
    for top in range(0, image.height, _ROWS):  # at once, Pillow would copy them twice
        part = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
        if mode not in ("P", *_MODES):
            part = part.convert("L" if mode == "1" else "RGB")
        samples += part.tobytes()
    if mode != "P":
        found = _from_bytes(samples, image.size, part.mode, image.info)
        clear = image.info.get("transparency")  # a grey, of a GIF
        return found if clear is None else found.bandjoin(found != clear)
    bands = 4 if "transparency" in image.info else 3
    image.apply_transparency()
    palette = bytes(image.getpalette("RGBA"[:bands]) or [])
    palette += bytes([0, 0, 0, 255][:bands] * 256)
    colours = pyvips.Image.new_from_memory(palette[: 256 * bands], 256, 1, bands, "uchar")
    return _from_bytes(samples, image.size, "L", {}).maplut(colours)


def _from_bytes(
    data: bytes | bytearray, size: tuple[int, int], mode: str, info: Mapping[Any, Any]
) -> pyvips.Image:
    """Return Pillow's bytes as an image of libvips."""
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
