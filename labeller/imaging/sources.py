"""Images as libvips decodes them: opened, and their pixels when they are asked for."""

from __future__ import annotations

import ctypes
import gc
import zlib
from typing import TYPE_CHECKING, Any, Final

import pyvips

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused
from labeller.imaging import damage
from labeller.imaging.header import require_pixels, type_of
from labeller.imaging.views import opaque

if TYPE_CHECKING:
    from collections.abc import Callable

# What decoding one image may take. Beside a process with its model in it, 512 MB are not passed.
MAX_MEMORY: Final = 405_000_000  # bytes
# From there on what earlier images left is first given back, so that it doesn't come on top.
MUCH_MEMORY: Final = 64_000_000  # bytes
_ROWS: Final = 1200  # that libvips keeps of a stream at most, as measured; or 1.5 times all of it
MIN_SHARE: Final = 0.75  # of a broken-off JPEG that must be there
_DAMAGE: Final = "Corrupt JPEG"  # libjpeg's warnings of its samples begin with
_GREY: Final = 128  # what libjpeg makes of blocks that are not there
_GREY_SPREAD: Final = 3
_EVERYDAY: Final = (*damage.SEQUENTIAL, 0xC2)  # and progressive
_HEADER_END: Final = 33  # of a PNG's first chunk
_FIRST_ON_ITS_SIDE: Final = 5  # of EXIF's orientations


class Source:
    """An opened image: its type, its size in pixels as displayed, and its pixels.

    `memory` is how many bytes decoding takes beside the file. `stored` decodes all pixels as they
    are stored, or makes a smaller image of at least a given share of each side.
    """

    def __init__(
        self,
        kind: ImageType,
        size: tuple[int, int],
        stored: Callable[[float], pyvips.Image],
        memory: float,
        orientation: int = 1,
    ) -> None:
        self.kind = kind
        self.stored = stored
        self.memory = memory
        self.orientation = orientation if orientation in range(1, 9) else 1
        self.width, self.height = size[::-1] if self.orientation >= _FIRST_ON_ITS_SIDE else size

    def decoded(self, share: float) -> tuple[pyvips.Image, float]:
        """Decode to that share of each side or more: upright, on white, in its own colours.

        Returns the image and what its pixels are as a share of the whole's, both a side.
        """
        share = min(1.0, share)
        image = opaque(self.stored(share))
        density = max(image.width, image.height) / max(self.width, self.height)
        by = max(1, int(density / share))
        if by > 1:
            # Whole cells, with as much left out on each side.
            across, down = (max(side // by, 1) * by for side in (image.width, image.height))
            image = image.gravity("centre", across, down, extend="copy").shrink(by, by)
        image = image.copy_memory()
        image.set_type(pyvips.GValue.gint_type, "orientation", self.orientation)
        return image.autorot(), density / by


def open_source(content: bytes, kind: ImageType, max_pixels: int) -> Source:
    """Open an image of that type.

    Raises PictureRefused for one of more than `max_pixels`, or that takes more than MAX_MEMORY, or
    is damaged, and pyvips.Error.
    """
    match kind:
        case ImageType.JPEG:
            source = _jpeg(content)
        case ImageType.PNG:
            source = _png(content, max_pixels)
        case ImageType.WEBP:
            source = _webp(content)
        case _:
            # Pillow takes 80 ms and 15 MB, which most services' images do without.
            from labeller.imaging import pillow  # noqa: PLC0415

            source = pillow.open_source(content, kind, max_pixels) or _tiff(content)
    require_pixels(source.width, source.height, max_pixels)
    if source.width * source.height == 0:
        raise damage.damaged("no pixels")
    need = source.memory + len(content)
    if need > MAX_MEMORY:
        raise PictureRefused(
            FailureCode.TOO_MANY_PIXELS,
            f"To decode {source.width:,} x {source.height:,} pixels of this kind of {kind.name} "
            f"would take {need / 1e6:,.0f} MB of memory; at most {MAX_MEMORY / 1e6:,.0f} are "
            "used. Save it with fewer pixels.",
        )
    if need > MUCH_MEMORY:
        give_back()
    return source


def give_back() -> None:
    """Return what the last images left to the system.

    A damaged one may hang in a cycle, by the frames of its exception. What is free lies in
    scattered pieces that glibc keeps unless it is asked (malloc_trim(3)); others don't.
    """
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def everyday_header(start: bytes) -> Source | None:
    """Open the beginning of a JPEG or PNG that any program reads: 8 bits, grey or RGB.

    None for others, and where these first bytes don't hold all that comes before the pixels.
    """
    kind = type_of(start)
    if kind not in (ImageType.JPEG, ImageType.PNG):
        return None
    try:
        usual = kind is ImageType.PNG or damage.read_jpeg(start).frame in _EVERYDAY
        header = _stream(kind, start)
    except (PictureRefused, pyvips.Error):
        return None
    usual = usual and header.interpretation in ("b-w", "srgb")
    return _streamed(kind, header, lambda _: header) if usual else None


def _stream(kind: ImageType, content: bytes, fail_on: str = "error", **options: Any) -> Any:
    """Return a new stream of an image's pixels."""
    load = getattr(pyvips.Image, f"{kind.name.lower()}load_source")
    source = pyvips.Source.new_from_memory(content)  # a buffer would be copied
    return load(source, access="sequential", fail_on=fail_on, **options)


def _field(header: pyvips.Image, name: str, default: Any = 0) -> Any:
    """Return what libvips found of that name."""
    return header.get(name) if header.get_typeof(name) else default


def _streamed(
    kind: ImageType, header: pyvips.Image, stored: Callable[[float], pyvips.Image]
) -> Source:
    """Return an image that libvips decodes row by row, unless it is an interlaced PNG."""
    whole = kind is ImageType.PNG and _field(header, "interlaced")
    rows = header.height if whole else min(1.5 * header.height, _ROWS)
    sample = {"uchar": 1, "ushort": 2}.get(header.format, 4)
    memory = rows * header.width * header.bands * sample
    orientation = _field(header, "orientation")
    return Source(kind, (header.width, header.height), stored, memory, orientation)


def _jpeg(content: bytes) -> Source:
    cut_off = damage.is_cut_off(content)
    fail_on = "none" if cut_off else "error"
    header = _stream(ImageType.JPEG, content, fail_on)
    harmless = damage.libvips_warnings()  # of junk between segments

    def stored(share: float) -> pyvips.Image:
        most = min(1 / share, header.width, header.height)
        by = next((by for by in (8, 4, 2) if by <= most), 1)
        image = _stream(ImageType.JPEG, content, fail_on, shrink=by).copy_memory()
        harm = {each for each in damage.libvips_warnings() - harmless if _DAMAGE in each}
        if cut_off:
            _require_most(image)
        elif harm:
            raise damage.damaged(harm.pop())
        return image

    source = _streamed(ImageType.JPEG, header, stored)
    if _field(header, "jpeg-multiscan"):  # then libjpeg keeps every coefficient, of two bytes
        halved = _field(header, "jpeg-chroma-subsample") == "4:2:0"
        source.memory += header.width * header.height * (3 if halved else 2 * header.bands)
    return source


def _require_most(image: pyvips.Image) -> None:
    """Raise PictureRefused where the lower part is nothing but the grey of missing blocks."""
    _, top, _, height = image.find_trim(threshold=_GREY_SPREAD, background=[_GREY], line_art=True)
    share = (top + height) / image.height
    if share < MIN_SHARE:
        raise PictureRefused(
            FailureCode.CORRUPT_IMAGE,
            f"The picture is broken off: {share:.0%} of it are there. Upload it again.",
        )


def _png(content: bytes, max_pixels: int) -> Source:
    if content[12:16] == b"IHDR":  # libpng takes an enormous size for damage
        width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
        require_pixels(width, height, max_pixels)
    # libvips doesn't look for EXIF behind the pixels.
    at = content.rfind(b"eXIf") - 4
    if at > content.find(b"IDAT"):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        if zlib.crc32(content[at + 4 : end - 4]).to_bytes(4, "big") == content[end - 4 : end]:
            content = content[:_HEADER_END] + content[at:end] + content[_HEADER_END:]
    header = _stream(ImageType.PNG, content)
    return _streamed(ImageType.PNG, header, lambda _: _stream(ImageType.PNG, content))


def _webp(content: bytes) -> Source:
    header = _stream(ImageType.WEBP, content)
    exif: bytes = _field(header, "exif-data", b"")
    damage.require_no_zeros(content, exif.removeprefix(b"Exif\0\0"))
    return _streamed(
        ImageType.WEBP, header, lambda share: _stream(ImageType.WEBP, content, scale=share)
    )


def _tiff(content: bytes) -> Source:
    header = _stream(ImageType.TIFF, content)
    # An error in a tile is no more than a warning.
    fail_on = "warning" if _field(header, "tile-width") else "error"
    return _streamed(ImageType.TIFF, header, lambda _: _stream(ImageType.TIFF, content, fail_on))
