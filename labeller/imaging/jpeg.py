"""What a JPEG asks of its decoder, counted before it is decoded.

Follows ITU T.81, annex B.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A progressive JPEG has about ten scans. Each costs a pass over all pixels and need be no longer
# than 75 bytes: without a limit 15 MB keep the decoder busy for two hours.
MAX_SCANS: Final = 50

# Before the pixels. A picture with all of a camera's notes and a depth map has a hundred; Pillow
# takes minutes over the millions that 15 MB can hold.
MAX_SEGMENTS: Final = 2000
MAX_EXIF: Final = 64  # of them with EXIF, which Pillow joins one by one
MAX_PADDING: Final = 65_536  # bytes between two of them

END_OF_IMAGE: Final = b"\xff\xd9"
_START_OF_SCAN: Final = b"\xff\xda"
_SEQUENTIAL: Final = (b"\xff\xc0", b"\xff\xc1")  # starts of frame
_EXIF: Final = b"Exif\x00\x00"
# A marker with a segment after it, or the end: in compressed data 0xFF is followed by a zero, and
# a restart, a start of image and 0x01 stand alone.
_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_BLOCK: Final = 8  # pixels a side
_BLOCK_BYTES: Final = _BLOCK * _BLOCK * 2  # of its coefficients


@dataclass(frozen=True, slots=True)
class Scans:
    """How many scans a JPEG has, and whether it ends as it should."""

    count: int
    ended: bool


def scans_in(jpeg: bytes) -> Scans:
    """Count the scans of a JPEG, without those of a thumbnail or of anything after its end."""
    if jpeg.endswith(END_OF_IMAGE) and _has_one_scan(jpeg):
        return Scans(1, ended=True)  # most have: without a look at every byte
    count = 0
    for marker, _, _ in _markers(jpeg, 0):
        if marker == END_OF_IMAGE:
            return Scans(count, ended=True)
        count += marker == _START_OF_SCAN
    return Scans(count, ended=False)


def _has_one_scan(jpeg: bytes) -> bool:
    """Tell whether all components come in the first scan of a JPEG that is not progressive.

    libjpeg refuses a second one then.
    """
    components = None
    for marker, _, begin in _markers(jpeg, 2):
        if marker in _SEQUENTIAL:
            components = jpeg[begin + 5 : begin + 6]
        elif marker == _START_OF_SCAN:
            return components == jpeg[begin : begin + 1]
    return False


def require_few_segments(jpeg: bytes) -> None:
    """Raise PictureRefused for one with more before its pixels than any camera writes."""
    exif = 0
    for number, (marker, padding, begin) in enumerate(_markers(jpeg, 2), start=1):
        if marker == _START_OF_SCAN:
            return
        exif += jpeg.startswith(_EXIF, begin)
        if number > MAX_SEGMENTS or padding > MAX_PADDING or exif > MAX_EXIF:
            raise PictureRefused(
                FailureCode.CORRUPT_IMAGE,
                f"The picture has more than {MAX_SEGMENTS:,} segments, or too much between them. "
                "Save it again as an ordinary JPEG.",
            )


def require_few_scans(scans: Scans) -> None:
    """Raise PictureRefused for one that takes too many passes over its pixels."""
    if scans.count > MAX_SCANS:
        raise PictureRefused(
            FailureCode.CORRUPT_IMAGE,
            f"The picture is stored in {scans.count:,} scans; at most {MAX_SCANS} are accepted. "
            "Save it again as an ordinary JPEG.",
        )


def coefficient_bytes(width: int, height: int, sampling: Iterable[tuple[int, int]]) -> int:
    """Return the memory that a decoder takes for a JPEG of several scans.

    It keeps every block of every component until the last scan. `sampling` is each component's
    horizontal and vertical factor.
    """
    factors = list(sampling)
    most = max(across for across, _ in factors), max(down for _, down in factors)
    return sum(
        math.ceil(width * across / most[0] / _BLOCK)
        * math.ceil(height * down / most[1] / _BLOCK)
        * _BLOCK_BYTES
        for across, down in factors
    )


def _markers(jpeg: bytes, position: int) -> Iterator[tuple[bytes, int, int]]:
    """Give each marker from there on.

    And how many bytes lie between it and the segment before, and where its own content begins.
    """
    while found := _MARKER.search(jpeg, position):
        yield found[0], found.start() - position, found.end() + 2
        position = found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2], "big")
