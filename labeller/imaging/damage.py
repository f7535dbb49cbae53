"""Damage that decoders don't notice: bytes that became zeros, as a lost block of a disk leaves.

Compressed samples are next to random: no encoder writes a long run of zeros among them, except a
JPEG's of an even area. Follows ITU T.81, annex B, RFC 9649 and ISO/IEC 14496-12, 4.2.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyvips

from core.domain.blob import FailureCode
from core.domain.errors import LabellingError, PictureRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DAMAGED: Final = (
    "The picture is damaged or incomplete. Upload it again, or save it again in another program."
)
MAX_DETAIL: Final = 300  # characters of a decoder's
_SHARE: Final = 4  # a run of one part in so many of the samples, and of ...
_LEAST: Final = 256  # bytes, or of ...
_MOST: Final = 16_384  # bytes, is none of an encoder's
_JPEG_RUN: Final = bytes(64)
_END_OF_IMAGE: Final = b"\xff\xd9"
_START_OF_SCAN: Final = b"\xff\xda"
_TABLES: Final = 0xC4
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {_TABLES, 0xC8, 0xCC}
_ARITHMETIC: Final = range(0xC8, 0xD0)
_ALL: Final = 63  # the last coefficient of a block


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What a JPEG tells before its pixels.

    `frame` is its start of frame's marker, `scan` where the first scan begins (None when junk is
    in between), and `even` whether the code of zeros may be that of an even block.
    """

    frame: int
    scan: int | None
    even: bool


def read_jpeg(jpeg: bytes) -> JpegHeader:
    """Read the header of a JPEG. Raises IndexError, struct.error where the bytes end."""
    at, frame, even = 2, 0, True
    while jpeg[at] == 0xFF:  # noqa: PLR2004
        marker = jpeg[at + 1]
        if marker == 0xFF:  # noqa: PLR2004  # padding
            at += 1
            continue
        (length,) = struct.unpack_from(">H", jpeg, at + 2)
        if marker == _START_OF_SCAN[1]:
            return JpegHeader(frame, at, even or frame in _ARITHMETIC)
        if marker in _FRAMES:
            frame = marker
        elif marker == _TABLES:
            even &= _ends_block(jpeg[at + 4 : at + 2 + length])
        at += 2 + length
    return JpegHeader(frame, None, even)


def _ends_block(tables: bytes) -> bool:
    """Tell whether the code of zeros, that of a table's first symbol, ends a block in each."""
    at = 0
    while at + 17 < len(tables):
        if tables[at] >> 4 and tables[at + 17] != 0:
            return False
        at += 17 + sum(tables[at + 1 : at + 17])
    return True


def has_end(jpeg: bytes, header: JpegHeader) -> bool:
    """Tell whether a JPEG has its end. Raises PictureRefused where its samples became zeros."""
    if header.scan is None:
        return True  # the decoder says what is wrong
    end = jpeg.rfind(_END_OF_IMAGE, header.scan)  # of the last image, as that is found at once
    zeros = jpeg.find(_JPEG_RUN, header.scan, end if end >= 0 else None)
    if zeros >= 0 and end >= 0:
        end = jpeg.find(_END_OF_IMAGE, header.scan)
        zeros = jpeg.find(_JPEG_RUN, header.scan, end)
    if zeros >= 0 and (end >= 0 or not jpeg.endswith(_JPEG_RUN)):
        # After the marker: the length, the count of components, two bytes for each, and then the
        # first and the last coefficient of the scan. Scans of the first alone may have zeros.
        scan = jpeg.rfind(_START_OF_SCAN, 0, zeros)
        first, last = jpeg[(at := scan + 5 + 2 * jpeg[scan + 4]) : at + 2]
        if not (header.even if (first, last) == (0, _ALL) else last == 0):
            raise damaged(f"zeros from byte {zeros}")
    elif zeros >= 0:
        raise damaged(f"zeros from byte {zeros} to the end")
    return end >= 0


def require_no_zeros(samples: Iterable[bytes], least: int = 0) -> None:
    """Raise PictureRefused where compressed samples have a long run of zeros, of `least` bytes."""
    for part in samples:
        if bytes(min(max(_LEAST, len(part) // _SHARE, least), _MOST)) in part:
            raise damaged("a run of zeros")


def webp_samples(webp: bytes) -> Iterator[bytes]:
    """Give the compressed samples of a WebP's frames."""
    at = 12
    while at + 8 <= len(webp):
        name, size = struct.unpack_from("<4sI", webp, at)
        at += 8
        if name in (b"VP8 ", b"VP8L"):
            yield webp[at : at + size]
        at += 16 if name == b"ANMF" else size + size % 2


def heif_samples(heif: bytes, exif: bytes) -> Iterator[bytes]:
    """Give what the data boxes of a HEIC or AVIF hold, without EXIF, which may have zeros."""
    at = 0
    while at + 16 <= len(heif):
        size, name, large = struct.unpack_from(">I4sQ", heif, at)
        size = {0: len(heif) - at, 1: large}.get(size, size)
        if name == b"mdat":
            held = heif[at : at + size]
            yield held.replace(exif, b"") if exif.strip(b"\0") else held
        at += max(size, 8)


def damaged(error: object = "") -> PictureRefused:
    """Return the refusal of a damaged image, with a decoder's error for the log."""
    detail = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else str(error)
    return PictureRefused(FailureCode.CORRUPT_IMAGE, DAMAGED, " ".join(detail.split())[:MAX_DETAIL])


@contextmanager
def decoding() -> Iterator[None]:
    """Take any error of Pillow's or pillow-heif's for damage: they raise whatever they meet."""
    try:
        yield
    except (LabellingError, MemoryError, pyvips.Error):
        raise
    except Exception as exc:
        raise damaged(exc) from exc
