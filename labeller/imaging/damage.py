"""Damage that decoders don't notice: bytes that became zeros, as a lost block of a disk leaves.

Compressed samples are next to random: no encoder writes a long run of zeros among them, except a
JPEG's of an even area. Follows ITU T.81, annex B.
"""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import pyvips

from core.domain.blob import FailureCode
from core.domain.errors import LabellingError, PictureRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

DAMAGED: Final = (
    "The picture is damaged or incomplete. Upload it again, or save it again in another program."
)
MAX_DETAIL: Final = 300  # characters of a decoder's
_SHARE: Final = 4  # a run of one part in so many of the samples, and of ...
_LEAST: Final = 256  # bytes, or of ...
_MOST: Final = 16_384  # bytes, is none of an encoder's
_JPEG_RUN: Final = bytes(64)
_END_OF_IMAGE: Final = b"\xff\xd9"
_MARKER: Final = re.compile(rb"\xff[^\x00\xff]")
_SCAN, _TABLES = 0xDA, 0xC4
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {_TABLES, 0xC8, 0xCC}
SEQUENTIAL: Final = (0xC0, 0xC1)  # frames whose Huffman codes hold whole blocks


class JpegHeader(NamedTuple):
    """What a JPEG tells before its pixels: its frame's marker, and where its first scan begins.

    `even` tells whether the code of zeros may be that of an even block.
    """

    frame: int
    scan: int
    even: bool


def read_jpeg(jpeg: bytes) -> JpegHeader:
    """Read the header of a JPEG. Raises PictureRefused where the bytes end before its pixels."""
    frame, even, at = 0, True, 2
    while found := _MARKER.search(jpeg, at):
        marker, begin = jpeg[found.end() - 1], found.end() + 2
        at = found.end() + int.from_bytes(jpeg[begin - 2 : begin], "big")
        if marker == _SCAN:
            return JpegHeader(frame, begin, even)
        if marker in _FRAMES:
            frame = marker
        elif marker == _TABLES:
            even &= _ends_block(jpeg[begin:at])
    raise damaged("a JPEG without a scan")


def _ends_block(tables: bytes) -> bool:
    """Tell whether the code of zeros, that of a table's first symbol, ends a block in each."""
    at = 0
    while at + 17 < len(tables):
        if tables[at] >> 4 and tables[at + 17] != 0:
            return False
        at += 17 + sum(tables[at + 1 : at + 17])
    return True


def is_cut_off(jpeg: bytes) -> bool:
    """Tell whether a JPEG has no end. Raises PictureRefused where its samples became zeros.

    Where an even area may be zeros, and among several scans, libjpeg finds what does not fit.
    """
    header = read_jpeg(jpeg)
    cut_off = jpeg.rfind(_END_OF_IMAGE, header.scan) < 0
    zeros = jpeg.find(_JPEG_RUN, header.scan)
    if zeros >= 0:
        end = len(jpeg) if cut_off else jpeg.find(_END_OF_IMAGE, header.scan)
        never = header.frame in SEQUENTIAL and not header.even
        if (never and zeros < end) or (cut_off and jpeg.endswith(_JPEG_RUN)):
            raise damaged(f"zeros from byte {zeros}")
    return cut_off


def require_no_zeros(samples: bytes, metadata: bytes = b"", least: int = 0) -> None:
    """Raise PictureRefused where compressed samples have a long run of zeros, of `least` bytes.

    `metadata` among them, such as EXIF, may have zeros.
    """
    if metadata.strip(b"\0"):
        samples = samples.replace(metadata, b"")
    if bytes(max(least, min(max(_LEAST, len(samples) // _SHARE), _MOST))) in samples:
        raise damaged("a run of zeros")


def damaged(error: object = "") -> PictureRefused:
    """Return the refusal of a damaged image, with a decoder's error for the log."""
    detail = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else str(error)
    return PictureRefused(FailureCode.CORRUPT_IMAGE, DAMAGED, " ".join(detail.split())[:MAX_DETAIL])


def libvips_warnings() -> set[str]:
    """Return what libvips warned of since the last call."""
    return set(pyvips.Error("").detail.splitlines())


@contextmanager
def decoding() -> Iterator[None]:
    """Take any error of Pillow's or pillow-heif's for damage: they raise whatever they meet."""
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except (LabellingError, MemoryError, pyvips.Error):
        raise
    except Exception as exc:
        raise damaged(exc) from exc
