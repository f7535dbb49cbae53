"""TIFFs of every layout, written by hand so that what they show is known without a decoder.

Follows Adobe's "TIFF Revision 6.0".
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # SampleFormat
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED, YCBCR, CIELAB = 0, 1, 2, 3, 5, 6, 8
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2  # ExtraSamples
NONE, DEFLATE = 1, 8  # Compression
_SHORT: Final = 3
_LONG: Final = 4


def tiff(
    samples: NDArray[Any],
    *,
    bits: int = 8,
    photometric: int = RGB,
    sample_format: int = UNSIGNED,
    order: str = "<",
    planar: bool = False,
    rows_per_strip: int | None = None,
    tile: int | None = None,
    compression: int = NONE,
    extra: Sequence[int] = (),
    tags: Mapping[int, tuple[int, bytes]] | None = None,
) -> bytes:
    """Write samples of shape (height, width, bands) as a TIFF; `order` is "<" or ">".

    Samples are whole numbers of `bits` bits, or floats. `tags` are more entries: type and packed
    values by tag.
    """
    height, width, bands = samples.shape
    planes = [samples[:, :, [band]] for band in range(bands)] if planar else [samples]
    if tile:
        pieces = [
            _padded(plane[top : top + tile, left : left + tile], tile)
            for plane in planes
            for top in range(0, height, tile)
            for left in range(0, width, tile)
        ]
    else:
        rows = rows_per_strip or height
        pieces = [plane[top : top + rows] for plane in planes for top in range(0, height, rows)]
    packed = [_packed(piece, bits, sample_format, order) for piece in pieces]
    if compression == DEFLATE:
        packed = [zlib.compress(piece) for piece in packed]

    def short(*values: int) -> tuple[int, bytes]:
        return _SHORT, struct.pack(f"{order}{len(values)}H", *values)

    def long(*values: int) -> tuple[int, bytes]:
        return _LONG, struct.pack(f"{order}{len(values)}I", *values)

    offsets = np.cumsum([8, *map(len, packed)])
    entries = {
        256: long(width),
        257: long(height),
        258: short(*[bits] * bands),
        259: short(compression),
        262: short(photometric),
        277: short(bands),
        284: short(2 if planar else 1),
        339: short(*[sample_format] * bands),
        **({338: short(*extra)} if extra else {}),
    }
    places = long(*offsets[:-1].tolist()), long(*map(len, packed))
    if tile:
        entries |= {322: short(tile), 323: short(tile), 324: places[0], 325: places[1]}
    else:
        entries |= {273: places[0], 278: long(rows_per_strip or height), 279: places[1]}
    return _file(b"".join(packed), entries | dict(tags or {}), order)


def colour_map(colours: NDArray[Any], order: str = "<", scale: int = 257) -> tuple[int, bytes]:
    """Return a ColorMap of colours of shape (2**bits, 3), 0 to 255 each, times `scale`."""
    return _SHORT, (colours.T.astype(np.uint32) * scale).astype(f"{order}u2").tobytes()


def _file(pixels: bytes, entries: Mapping[int, tuple[int, bytes]], order: str) -> bytes:
    """Put pixels, long values and the directory behind one another."""
    body = pixels + b"\0" * (len(pixels) % 2)
    directory = b""
    sizes = {1: 1, 2: 1, _SHORT: 2, _LONG: 4, 5: 8, 7: 1, 11: 4}
    for tag, (kind, value) in sorted(entries.items()):
        directory += struct.pack(f"{order}HHI", tag, kind, len(value) // sizes[kind])
        if len(value) <= 4:
            directory += value.ljust(4, b"\0")
        else:
            directory += struct.pack(f"{order}I", 8 + len(body))
            body += value + b"\0" * (len(value) % 2)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    count = struct.pack(f"{order}H", len(entries))
    return magic + struct.pack(f"{order}I", 8 + len(body)) + body + count + directory + bytes(4)


def _padded(piece: NDArray[Any], side: int) -> NDArray[Any]:
    down, across = side - piece.shape[0], side - piece.shape[1]
    return np.pad(piece, ((0, down), (0, across), (0, 0)))


def _packed(piece: NDArray[Any], bits: int, sample_format: int, order: str) -> bytes:
    if sample_format == FLOAT:
        return piece.astype(f"{order}f{bits // 8}").tobytes()
    if bits in (8, 16, 32):
        kind = "i" if sample_format == SIGNED else "u"
        return piece.astype(f"{order}{kind}{bits // 8}").tobytes()
    # Rows begin at whole bytes, and bits are written from the highest down, in either byte order.
    rows = piece.reshape(piece.shape[0], -1)
    spread = (rows[:, :, np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()
