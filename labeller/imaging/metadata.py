"""Counts of what surrounds a picture's pixels, before a library reads all of it.

Millions of tiny pieces of metadata fit into a file that may be uploaded, and each becomes an object
in memory. Follows W3C's "Portable Network Graphics", 5.3, and CompuServe's "GIF89a", 15 and 23
to 26.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

# Pictures have some dozens; 20,000 of GIF's hold five megabytes.
MAX_PIECES: Final = 20_000

# What holds pixels. Encoders write small pieces of these: many are no sign of anything.
_PIXELS: Final = frozenset({b"IDAT", b"fdAT", b"fcTL"})
_IMAGE: Final = b"\x2c"
_EXTENSION: Final = b"\x21"
_TABLE_FLAG: Final = 0x80


def require_few_chunks(png: BinaryIO) -> None:
    """Raise PictureRefused for a PNG with more chunks beside its pixels than any program writes."""
    png.seek(8)
    others = 0
    while len(head := png.read(8)) == 8:  # noqa: PLR2004  # length and name
        others += head[4:] not in _PIXELS
        if others > MAX_PIECES:
            raise _flooded("PNG")
        if head[4:] == b"IEND":
            return
        png.seek(int.from_bytes(head[:4], "big") + 4, 1)  # and its checksum


def require_few_blocks(gif: BinaryIO) -> None:
    """Raise PictureRefused for a GIF with more blocks before its first image than are of use."""
    gif.seek(10)
    flags = int.from_bytes(gif.read(1), "big")
    gif.seek(13 + (3 << (flags & 7) + 1 if flags & _TABLE_FLAG else 0))
    for number, _ in enumerate(_blocks(gif)):
        if number > MAX_PIECES:
            raise _flooded("GIF")


def _blocks(gif: BinaryIO) -> Iterator[None]:
    """Pass over blocks up to the first image."""
    while (introducer := gif.read(1)) not in (b"", _IMAGE):
        yield
        if introducer == _EXTENSION:
            gif.read(1)  # its label
            while length := int.from_bytes(gif.read(1), "big"):
                gif.seek(length, 1)
                yield


def _flooded(kind: str) -> PictureRefused:
    return PictureRefused(
        FailureCode.CORRUPT_IMAGE,
        f"The picture has more than {MAX_PIECES:,} pieces of metadata. "
        f"Save it again as an ordinary {kind}.",
    )
