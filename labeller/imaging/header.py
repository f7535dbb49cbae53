"""What a file is, by its first bytes. Pure.

Follows ITU T.81, annex B (JPEG), W3C's "Portable Network Graphics", 5, RFC 9649 (WebP) and
ISO/IEC 14496-12, 4.3 (the file type box).
"""

from __future__ import annotations

from typing import Final

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused

PREFIX_BYTES: Final = 64  # as many compatible brands as ISO's file type box has in practice
# Decoders take time for each row: 0.8 s of a processor for a million of one pixel.
MAX_SIDE: Final = 1_000_000  # pixels
# What any HEIF file may call itself; the brands it is compatible with tell the rest.
_ANY_HEIF: Final = (b"mif1", b"msf1", b"mif2", b"mif3", b"miaf")
_BRANDS: Final = {
    **dict.fromkeys((b"avif", b"avis"), ImageType.AVIF),
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), ImageType.HEIC
    ),
}
# Camera's raw files, some of which begin as a TIFF or a video does, come first.
_MAGIC: Final[tuple[tuple[int, bytes, ImageType | str], ...]] = (
    (8, b"CR\x02", "a camera's raw file (CR2)"),
    (4, b"ftypcrx ", "a camera's raw file (CR3)"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file (RAF)"),
    (0, b"IIRO", "a camera's raw file (ORF)"),
    (0, b"IIU\x00", "a camera's raw file (RW2)"),
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


def type_of(prefix: bytes) -> ImageType | None:
    """Return the type that the first PREFIX_BYTES of a file are of; None for any other."""
    found = _found(prefix)
    return found if isinstance(found, ImageType) else None


def describe(prefix: bytes) -> str:
    """Describe the file that starts with these PREFIX_BYTES, for an error message."""
    return str(_found(prefix)) if prefix else "empty"


def require_type(prefix: bytes) -> ImageType:
    """Return the type of a file by its first PREFIX_BYTES. Raises PictureRefused for others."""
    if (found := type_of(prefix)) is None:
        raise not_accepted(describe(prefix))
    return found


def not_accepted(what: str) -> PictureRefused:
    """Return the refusal of a file that is `what`."""
    return PictureRefused(
        FailureCode.UNSUPPORTED_FORMAT,
        f"The file seems to be {what}. Save it as JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF or HEIC.",
    )


def not_read(what: str) -> PictureRefused:
    """Return the refusal of an image of a rare kind, of which `what` tells in the message."""
    return PictureRefused(
        FailureCode.UNSUPPORTED_FORMAT,
        f"{what}, which can't be read. Save it again as a JPEG or PNG with 8 bits a sample.",
    )


def require_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise PictureRefused for an image of more than `max_pixels`, or MAX_SIDE on a side."""
    size = f"The picture has {width:,} x {height:,} pixels"
    if width * height > max_pixels:
        raise PictureRefused(
            FailureCode.TOO_MANY_PIXELS,
            f"{size}, {width * height:,} in all; at most {max_pixels:,} are accepted.",
        )
    if max(width, height) > MAX_SIDE:
        raise PictureRefused(
            FailureCode.TOO_MANY_PIXELS, f"{size}; at most {MAX_SIDE:,} are accepted on a side."
        )


def _found(prefix: bytes) -> ImageType | str:
    brands = [prefix[8:12]] if prefix[4:8] == b"ftyp" else []
    if brands and brands[0] in _ANY_HEIF:
        end = min(int.from_bytes(prefix[:4], "big"), len(prefix))
        brands += [prefix[at : at + 4] for at in range(16, end, 4)]
    kinds: list[ImageType | str] = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    kinds += [kind for offset, magic, kind in _MAGIC if prefix[offset:].startswith(magic)]
    return kinds[0] if kinds else "of an unknown format"
