"""What the first bytes of a picture tell: its type, its size, how it is to be turned. Pure.

Follows ITU T.81, annex B (JPEG's markers), W3C's "Portable Network Graphics", 5 and 11 (PNG's
chunks), and CIPA DC-008 (EXIF).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from catalogue.blob import FailureCode, ImageType
from catalogue.errors import PictureRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX_BYTES: Final = 16
_MAGIC: Final = {b"\xff\xd8\xff": ImageType.JPEG, b"\x89PNG\r\n\x1a\n": ImageType.PNG}
_OTHERS: Final = (
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"II*\x00", "a TIFF picture"),
    (0, b"MM\x00*", "a TIFF picture"),
    (0, b"II+\x00", "a TIFF picture"),
    (0, b"MM\x00+", "a TIFF picture"),
    (4, b"ftyphe", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIC picture"),
    (4, b"ftypmsf1", "a HEIC picture"),
    (4, b"ftypavi", "an AVIF picture"),
    (4, b"ftyp", "a video"),
    (4, b"jP  \r\n\x87\n", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (4, b"JXL \r\n\x87\n", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<", "text with markup"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x00\x00\x01\x00", "an icon"),
    (0, b"BM", "a BMP picture"),
)


_ON_ITS_SIDE: Final = frozenset({5, 6, 7, 8})
_ORIENTATIONS: Final = range(1, 9)
_ORIENTATION_TAG: Final = 0x0112
_SHORT: Final = 3
_EIGHT_BITS: Final = 8
_COLOURS: Final = (1, 3)  # grey, YCbCr or RGB; four are CMYK

_SOS: Final = 0xDA
_APP1: Final = 0xE1
# Start of frame, of any kind of coding; the gaps are tables.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture is, by its own word. Width and height are in pixels as displayed.

    `everyday` is false where samples have more than 8 bits or colours are not grey or RGB;
    `orientation` is EXIF's, 1 (upright) to 8.
    """

    kind: ImageType
    width: int
    height: int
    orientation: int
    everyday: bool


def type_of(prefix: bytes) -> ImageType | None:
    """Return the type that the first PREFIX_BYTES of a file are of; None for any other."""
    return next((kind for magic, kind in _MAGIC.items() if prefix.startswith(magic)), None)


def require_type(prefix: bytes, declared: ImageType) -> ImageType:
    """Return the type of a file that is what it was declared to be. Raises PictureRefused."""
    found = type_of(prefix)
    if found is None:
        raise PictureRefused(
            FailureCode.UNSUPPORTED_FORMAT,
            f"The file seems to be {_described(prefix)}; JPEG and PNG pictures are accepted.",
        )
    if found is not declared:
        raise PictureRefused(
            FailureCode.CONTENT_TYPE_MISMATCH,
            f"The file is a {found.name} picture, but {declared} was declared; "
            f"declare {found} for it.",
        )
    return found


def _described(prefix: bytes) -> str:
    if not prefix:
        return "empty"
    for offset, magic, name in _OTHERS:
        if prefix[offset:].startswith(magic):
            return name
    return "of an unknown format"


def require_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise PictureRefused for a picture of more than `max_pixels`."""
    if width * height > max_pixels:
        raise PictureRefused(
            FailureCode.TOO_MANY_PIXELS,
            f"The picture has {width:,} x {height:,} pixels, {width * height:,} in all; "
            f"at most {max_pixels:,} are accepted.",
        )


def read_header(start: bytes) -> Header | None:
    """Read a JPEG's or PNG's header; None where these first bytes don't hold all of it."""
    try:
        if type_of(start[:PREFIX_BYTES]) is ImageType.PNG:
            return _read_png(start)
        return _read_jpeg(start)
    except (struct.error, IndexError):
        return None


def _read_png(start: bytes) -> Header:
    width, height, depth = struct.unpack_from(">IIB", start, 16)
    position, orientation = 8, 1
    while position + 8 <= len(start):
        length, name = struct.unpack_from(">I4s", start, position)
        if name == b"eXIf":
            orientation = orientation_in(start[position + 8 : position + 8 + length])
        if name in (b"eXIf", b"IDAT"):
            break
        position += 12 + length
    return _header(ImageType.PNG, width, height, orientation, everyday=depth <= _EIGHT_BITS)


def _read_jpeg(start: bytes) -> Header | None:
    orientation = 1
    for marker, position, end in _segments(start):
        if marker == _APP1 and start[position : position + 6] == b"Exif\x00\x00":
            orientation = orientation_in(start[position:end])
        if marker in _FRAMES:
            bits, height, width, colours = struct.unpack_from(">BHHB", start, position)
            everyday = bits == _EIGHT_BITS and colours in _COLOURS
            return _header(ImageType.JPEG, width, height, orientation, everyday=everyday)
    return None


def _segments(start: bytes) -> Iterator[tuple[int, int, int]]:
    """Give marker, start and end of each segment before the pixels."""
    position = 2
    while True:
        while start[position] == 0xFF and start[position + 1] == 0xFF:  # noqa: PLR2004  # padding
            position += 1
        marker = start[position + 1]
        if start[position] != 0xFF or marker == _SOS:  # noqa: PLR2004  # JPEG's mark of a marker
            return
        (length,) = struct.unpack_from(">H", start, position + 2)
        yield marker, position + 4, position + 2 + length
        position += 2 + length


def _header(
    kind: ImageType, width: int, height: int, orientation: int, *, everyday: bool
) -> Header:
    if orientation in _ON_ITS_SIDE:
        width, height = height, width
    return Header(kind, width, height, orientation, everyday)


def orientation_in(exif: bytes) -> int:
    """Return EXIF's Orientation, 1 to 8; 1 (upright) when there is none that can be read."""
    tiff = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(
                f"{order}HHIH", tiff, directory + 2 + 12 * entry
            )
            if tag == _ORIENTATION_TAG and kind == _SHORT:
                return value if value in _ORIENTATIONS else 1
    except struct.error:
        pass  # cut short or made up: as good as none
    return 1
