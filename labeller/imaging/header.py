"""What the first bytes of a picture tell: its type, its size, how it is to be turned. Pure.

Follows ITU T.81, annex B (JPEG's markers), W3C's "Portable Network Graphics", 5 and 11 (PNG's
chunks), CIPA DC-008 (EXIF), RFC 9649 (WebP), and ISO/IEC 14496-12, 4.3 (the file type box).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused

PREFIX_BYTES: Final = 64  # as many compatible brands as ISO's file type box has in practice
_MAGIC: Final = (
    (0, b"\xff\xd8\xff", ImageType.JPEG),
    (0, b"\x89PNG\r\n\x1a\n", ImageType.PNG),
    (8, b"WEBPVP8", ImageType.WEBP),
    (0, b"GIF87a", ImageType.GIF),
    (0, b"GIF89a", ImageType.GIF),
    (0, b"II*\x00", ImageType.TIFF),
    (0, b"MM\x00*", ImageType.TIFF),
    (0, b"II+\x00", ImageType.TIFF),  # BigTIFF
    (0, b"MM\x00+", ImageType.TIFF),
    (0, b"BM", ImageType.BMP),
)
_BRANDS: Final = {
    **dict.fromkeys((b"avif", b"avis"), ImageType.AVIF),
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), ImageType.HEIC
    ),
}
# What any HEIF file may call itself; the brands it is compatible with tell the rest.
_ANY_HEIF: Final = (b"mif1", b"msf1", b"mif2", b"mif3", b"miaf")
_OTHERS: Final = (
    *((4, b"ftyp" + brand, "a HEIF picture of another kind than HEIC") for brand in _ANY_HEIF),
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
)
_NAMES: Final = {ImageType.WEBP: "WebP"}
_ACCEPTED: Final = "JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF and HEIC"

ON_ITS_SIDE: Final = frozenset({5, 6, 7, 8})  # orientations whose width and height change places
_ORIENTATIONS: Final = range(1, 9)
_ORIENTATION_TAG: Final = 0x0112
_SHORT: Final = 3
_EXIF: Final = b"Exif\x00\x00"
_EIGHT_BITS: Final = 8
_COLOURS: Final = (1, 3)  # grey, YCbCr or RGB; four are CMYK

# JPEG's markers, after 0xFF.
_MARK: Final = 0xFF
_APP1: Final = 0xE1
_START_OF_SCAN: Final = 0xDA
# Baseline, extended and progressive, with Huffman's coding: what everything reads.
_USUAL_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
# A start of frame of any kind; the gaps are tables.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# No segment follows these, and none belongs before the pixels.
_ALONE: Final = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture is, by its own word. Width and height are in pixels as displayed.

    `everyday` is false where samples have more than 8 bits, colours are not grey or RGB, or a
    JPEG is coded in a way that few programs read; `orientation` is EXIF's, 1 (upright) to 8.
    """

    kind: ImageType
    width: int
    height: int
    orientation: int
    everyday: bool


def type_of(prefix: bytes) -> ImageType | None:
    """Return the type that the first PREFIX_BYTES of a file are of; None for any other."""
    for offset, magic, kind in _MAGIC:
        if prefix[offset:].startswith(magic):
            return kind
    if prefix[4:8] != b"ftyp":
        return None
    brands = [prefix[8:12]]
    if brands[0] in _ANY_HEIF:
        end = min(int.from_bytes(prefix[:4], "big"), len(prefix))
        brands += [prefix[at : at + 4] for at in range(16, end, 4)]
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)


def name_of(kind: ImageType) -> str:
    """Return what people call a type."""
    return _NAMES.get(kind, kind.name)


def require_type(prefix: bytes, declared: ImageType) -> ImageType:
    """Return the type of a file that is what it was declared to be. Raises PictureRefused."""
    found = type_of(prefix)
    if found is None:
        raise PictureRefused(
            FailureCode.UNSUPPORTED_FORMAT,
            f"The file seems to be {describe(prefix)}; {_ACCEPTED} pictures are accepted.",
        )
    if found is not declared:
        raise PictureRefused(
            FailureCode.CONTENT_TYPE_MISMATCH,
            f"The file's format is {name_of(found)}, but {declared} was declared; "
            f"declare {found} for it.",
        )
    return found


def describe(prefix: bytes) -> str:
    """Say what a file seems to be that is no picture, by its first PREFIX_BYTES."""
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
    """Read what comes before the pixels of a JPEG or PNG.

    None where these first bytes don't hold all of it, or where only a decoder can tell.
    """
    try:
        match type_of(start[:PREFIX_BYTES]):
            case ImageType.PNG:
                return _read_png(start)
            case ImageType.JPEG:
                return _read_jpeg(start)
    except (struct.error, IndexError):
        pass  # they end in the middle of it
    return None


def _read_png(start: bytes) -> Header | None:
    name, width, height, depth = struct.unpack_from(">4sIIB", start, 12)
    if name != b"IHDR":
        return None
    position, orientation = 8, 1
    while name != b"IDAT":
        length, name = struct.unpack_from(">I4s", start, position)
        if name == b"eXIf":
            orientation = orientation_in(start[position + 8 : position + 8 + length])
        position += 12 + length
    return _header(ImageType.PNG, width, height, orientation, everyday=depth <= _EIGHT_BITS)


def _read_jpeg(start: bytes) -> Header | None:
    position, frame = 2, None
    exif: list[bytes] = []
    while start[position] == _MARK:
        marker = start[position + 1]
        if marker == _MARK:  # padding
            position += 1
            continue
        if marker in _ALONE:
            return None
        (length,) = struct.unpack_from(">H", start, position + 2)
        segment = start[position + 4 : position + 2 + length]
        if marker == _APP1 and segment.startswith(_EXIF):
            exif.append(segment.removeprefix(_EXIF))  # a long one goes on in the next segment
        elif marker in _FRAMES:
            bits, height, width, colours = struct.unpack_from(">BHHB", segment)
            usual = marker in _USUAL_FRAMES and bits == _EIGHT_BITS and colours in _COLOURS
            frame = width, height, usual
        elif marker == _START_OF_SCAN:
            if frame is None:
                return None
            width, height, usual = frame
            orientation = orientation_in(b"".join(exif))
            return _header(ImageType.JPEG, width, height, orientation, everyday=usual)
        position += 2 + length
    return None


def _header(
    kind: ImageType, width: int, height: int, orientation: int, *, everyday: bool
) -> Header:
    if orientation in ON_ITS_SIDE:
        width, height = height, width
    return Header(kind, width, height, orientation, everyday)


def orientation_in(exif: bytes) -> int:
    """Return EXIF's Orientation, 1 to 8; 1 (upright) when there is none that can be read."""
    tiff = exif.removeprefix(_EXIF)
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
