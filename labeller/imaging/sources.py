"""Pictures of each format as their libraries give them: opened, not yet decoded.

A source knows its size, and what decoding takes in memory, before it decodes; its pixels are then
read band by band, so that no second copy of all of them is made.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from PIL import AvifImagePlugin, Image, ImageChops
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import (
    ROWSPERSTRIP,
    STRIPOFFSETS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
    TiffImageFile,
)
from PIL.WebPImagePlugin import WebPImageFile

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused
from labeller.imaging.header import ON_ITS_SIDE, name_of, orientation_in, require_pixels
from labeller.imaging.jpeg import (
    END_OF_IMAGE,
    coefficient_bytes,
    require_few_scans,
    require_few_segments,
    scans_in,
)
from labeller.imaging.memory import give_back
from labeller.imaging.metadata import require_few_blocks, require_few_chunks
from labeller.imaging.webp import PREFIX_BYTES as WEBP_PREFIX
from labeller.imaging.webp import webp_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.ImageFile import ImageFile

# What decoding one picture may take. Beside a process with its model in it, 512 MB are not passed.
MAX_MEMORY: Final = 405_000_000  # bytes
# From there on what earlier pictures left is first given back, so that it doesn't come on top.
MUCH_MEMORY: Final = 64_000_000  # bytes
MAX_TILES: Final = 100_000  # of a TIFF: 100 megapixels in tiles of 32 x 32
MIN_SHARE: Final = 0.75  # of a broken-off JPEG that must be there

# Bytes a pixel at the peak of decoding, as measured (docs/decisions/0021).
_PIXEL: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
_ANY_PIXEL: Final = 4
_WEBP_PIXEL: Final = 12.5
_AVIF_PIXEL: Final = 8.2
_AVIF_ALPHA: Final = 4
_TILE: Final = 300  # bytes of a TIFF's tile or strip, as Pillow lists it
_GREY: Final = 128  # what libjpeg makes of blocks that are not there
_GREY_SPREAD: Final = 3
_ORIENTATION: Final = 0x0112
_ORIENTATIONS: Final = range(1, 9)

Box = tuple[int, int, int, int]

# Pillow's own limit, with a warning at half of it, is below ours.
Image.MAX_IMAGE_PIXELS = None
# A picture is the unit of parallel work.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


class Pixels(Protocol):
    """The decoded picture, or a smaller one that was decoded instead."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""

    def crop(self, box: Box) -> Image.Image:
        """Return a part: left, top, right and bottom in pixels."""


class Source:
    """An opened picture.

    `size` is as stored, in pixels. Decoding raises PictureRefused where it would take more than
    MOST_MEMORY, and whatever its library raises for a damaged picture.
    """

    kind: ImageType
    # Bytes of the file itself that its library holds in memory.
    held = 0

    def __init__(self, image: ImageFile) -> None:
        self.image = image
        self.size: tuple[int, int] = image.size
        self._pixels: Pixels | None = None

    def decode(self, least: tuple[int, int]) -> Pixels:
        """Return the pixels, of no fewer a side than `least`, or all. Decodes once."""
        if self._pixels is None:
            self.image.draft(None, least)  # by which a JPEG becomes smaller
            self._make_room(self._need() + self.held)
            self._pixels = self._decoded()
        return self._pixels

    @property
    def orientation(self) -> int:
        """EXIF's, 1 to 8. To be asked for once it is decoded: a PNG may have it at its end."""
        # A PNG may also have a text of that name.
        exif = self.image.info.get("exif")
        return orientation_in(exif) if isinstance(exif, bytes) else 1

    @property
    def profile(self) -> bytes | None:
        """Its ICC profile."""
        profile = self.image.info.get("icc_profile")
        return profile if isinstance(profile, bytes) else None

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height as a viewer shows it."""
        width, height = self.size
        return (height, width) if self.orientation in ON_ITS_SIDE else (width, height)

    def _need(self) -> float:
        """Return the bytes that decoding takes."""
        width, height = self.image.size
        return width * height * _PIXEL.get(self.image.mode, _ANY_PIXEL)

    def _decoded(self) -> Pixels:
        self.image.load()
        return self.image

    def _make_room(self, need: float) -> None:
        if need > MAX_MEMORY:
            width, height = self.size
            raise PictureRefused(
                FailureCode.TOO_MANY_PIXELS,
                f"To decode {width:,} x {height:,} pixels of this kind of {name_of(self.kind)} "
                f"would take {need / 1e6:,.0f} MB of memory; at most {MAX_MEMORY / 1e6:,.0f} are "
                "used. Save it with fewer pixels.",
            )
        if need > MUCH_MEMORY:
            give_back()


class _Jpeg(Source):
    kind = ImageType.JPEG

    def __init__(self, stream: BinaryIO) -> None:
        content = stream.read()
        require_few_segments(content)
        self._scans = scans_in(content)
        require_few_scans(self._scans)
        if not self._scans.ended:
            # libjpeg makes the best of a picture that is broken off, if it is told of its end.
            content += END_OF_IMAGE
        self.held = len(content)
        super().__init__(_JpegFile(io.BytesIO(content)))
        self.image.decodermaxblock = len(content)  # all at once, rather than by 64 kB

    def _need(self) -> float:
        need = super()._need()
        if self._scans.count > 1:
            need += coefficient_bytes(*self.size, self.image.sampling)
        return need

    def _decoded(self) -> Pixels:
        pixels = super()._decoded()
        if not self._scans.ended:
            _require_most(self.image)
        return pixels

    image: _JpegFile


class _JpegFile(JpegImageFile):
    @property
    def sampling(self) -> list[tuple[int, int]]:
        """Each component's horizontal and vertical factor."""
        return [(across, down) for _, across, down, _ in self.layer]

    def _read_dpi_from_exif(self) -> None:
        """Leave EXIF alone: the resolution is of no use here, and Pillow warns of every oddity."""


def _require_most(image: Image.Image) -> None:
    """Refuse a JPEG whose lower part is nothing but the grey of missing blocks."""
    missing = Image.new(image.mode, image.size, (_GREY,) * len(image.getbands()))
    there = ImageChops.difference(image, missing).point(lambda value: 255 * (value > _GREY_SPREAD))
    box = there.getbbox(alpha_only=False)
    share = box[3] / image.height if box else 0.0
    if share < MIN_SHARE:
        raise PictureRefused(
            FailureCode.CORRUPT_IMAGE,
            f"The picture is broken off: {share:.0%} of it are there. Upload it again.",
        )


class _Png(Source):
    kind = ImageType.PNG

    def __init__(self, stream: BinaryIO) -> None:
        require_few_chunks(stream)
        stream.seek(0)
        super().__init__(PngImageFile(stream))


class _Gif(Source):
    kind = ImageType.GIF

    def __init__(self, stream: BinaryIO) -> None:
        require_few_blocks(stream)
        stream.seek(0)
        super().__init__(GifImageFile(stream))


class _Bmp(Source):
    kind = ImageType.BMP

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(BmpImageFile(stream))


class _Tiff(Source):
    kind = ImageType.TIFF
    image: _TiffFile

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(_TiffFile(stream))
        self.size = self.image.stored_size

    @property
    def orientation(self) -> int:
        """TIFF's own, which is where EXIF has it from."""
        value = self.image.tag_v2.get(_ORIENTATION)
        return value if isinstance(value, int) and value in _ORIENTATIONS else 1

    def _need(self) -> float:
        need = super()._need()
        if self.image.use_load_libtiff:
            need += self.image.piece_pixels * _ANY_PIXEL
        return need + len(self.image.tile) * _TILE

    def _decoded(self) -> Pixels:
        return self.image.as_stored()


class _TiffFile(TiffImageFile):
    def _setup(self) -> None:
        tags = self.tag_v2._tagdata  # noqa: SLF001  # before millions of numbers are made of it
        if max(len(tags.get(tag, b"")) for tag in (STRIPOFFSETS, TILEOFFSETS)) > 4 * MAX_TILES:
            raise PictureRefused(
                FailureCode.CORRUPT_IMAGE,
                f"The picture is in more than {MAX_TILES:,} parts. "
                "Save it again as an ordinary TIFF.",
            )
        super()._setup()

    @property
    def stored_size(self) -> tuple[int, int]:
        return self._tile_size

    @property
    def piece_pixels(self) -> int:
        """The pixels of a tile or strip: libtiff decodes as many at once."""
        width, height = self._tile_size
        across = self.tag_v2.get(TILEWIDTH, width)
        down = self.tag_v2.get(TILELENGTH, self.tag_v2.get(ROWSPERSTRIP, height))
        if not isinstance(across, int) or not isinstance(down, int):
            raise TypeError("its tiles have no size")
        # A tile may be larger than the picture, a strip in effect is not.
        return across * (down if TILELENGTH in self.tag_v2 else min(down, height))

    def as_stored(self) -> Image.Image:
        self.load()
        return self._new(self.im)

    def load_end(self) -> None:
        """Leave the picture as it is stored: Pillow would turn a whole copy of it."""


class Raw:
    """Pixels as a library's plain bytes, which Pillow then needn't copy."""

    def __init__(self, data: bytes, size: tuple[int, int], mode: str, rawmode: str) -> None:
        self.size = size
        self._data = memoryview(data)
        self._modes = mode, rawmode
        self._stride = len(data) // size[1]

    def crop(self, box: Box) -> Image.Image:
        """Return a part, as Pixels promises."""
        left, top, right, bottom = box
        rows = self._data[top * self._stride : bottom * self._stride]
        mode, rawmode = self._modes
        width = self.size[0]
        band = Image.frombytes(mode, (width, bottom - top), rows, "raw", rawmode, self._stride)
        return band if (left, right) == (0, width) else band.crop((left, 0, right, bottom - top))


class _WebP(Source):
    kind = ImageType.WEBP
    image: _WebPFile

    def __init__(self, stream: BinaryIO, max_pixels: int) -> None:
        # The library takes memory for the whole picture when it is opened.
        self.size = webp_size(stream.read(WEBP_PREFIX))
        require_pixels(*self.size, max_pixels)
        self._make_room(self.size[0] * self.size[1] * _WEBP_PIXEL + length_of(stream))
        super().__init__(_WebPFile(stream))

    def _decoded(self) -> Pixels:
        return self.image.first_frame()


class _WebPFile(WebPImageFile):
    def first_frame(self) -> Raw:
        data = self._get_next()[0]
        self._decoder = None  # with two more copies of the picture
        return Raw(data, self.size, self.mode, self.rawmode)


class _Avif(Source):
    kind = ImageType.AVIF
    image: _AvifFile

    def __init__(self, stream: BinaryIO) -> None:
        self.held = length_of(stream)
        super().__init__(_AvifFile(stream))

    def _need(self) -> float:
        width, height = self.size
        return width * height * (_AVIF_PIXEL + _AVIF_ALPHA * (self.image.mode == "RGBA"))

    def _decoded(self) -> Pixels:
        return self.image.first_frame()


class _AvifFile(AvifImageFile):
    def first_frame(self) -> Raw:
        data = self._decoder.get_frame(0)[0]
        self._decoder = None
        return Raw(data, self.size, self.mode, self.mode)


def length_of(stream: BinaryIO) -> int:
    """Return how many bytes a stream has, which is then at its start."""
    length = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return length


def _heic(stream: BinaryIO, _max_pixels: int) -> Source:
    # Its libraries take a tenth of a second and 15 MB, which most services' pictures do without.
    from labeller.imaging.heic import Heic  # noqa: PLC0415

    return Heic(stream)


_OPENERS: Final[dict[ImageType, Callable[[BinaryIO, int], Source]]] = {
    ImageType.JPEG: lambda stream, _: _Jpeg(stream),
    ImageType.PNG: lambda stream, _: _Png(stream),
    ImageType.GIF: lambda stream, _: _Gif(stream),
    ImageType.BMP: lambda stream, _: _Bmp(stream),
    ImageType.TIFF: lambda stream, _: _Tiff(stream),
    ImageType.WEBP: _WebP,
    ImageType.AVIF: lambda stream, _: _Avif(stream),
    ImageType.HEIC: _heic,
}


def open_source(stream: BinaryIO, kind: ImageType, max_pixels: int) -> Source:
    """Open a picture of that type from the start of a stream.

    Raises PictureRefused for one of more than `max_pixels`, and whatever its library raises for a
    damaged one.
    """
    # The plugins themselves: Image.open would take a JPEG with a second picture inside for
    # another format.
    source = _OPENERS[kind](stream, max_pixels)
    require_pixels(*source.size, max_pixels)
    return source
