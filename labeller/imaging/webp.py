"""What a WebP says of its size before anything is decoded.

Follows RFC 9649 and, for its first chunks, RFC 6386, 9.1.
"""

from __future__ import annotations

import struct
from typing import Final

PREFIX_BYTES: Final = 30
_FOURTEEN_BITS: Final = 0x3FFF
_KEY_FRAME: Final = b"\x9d\x01\x2a"


def webp_size(prefix: bytes) -> tuple[int, int]:
    """Return width and height by the first PREFIX_BYTES. Raises ValueError, struct.error."""
    match prefix[12:16]:
        case b"VP8X":  # of the canvas, less one, in 24 bits each
            (width,) = struct.unpack("<I", prefix[24:27] + b"\x00")
            (height,) = struct.unpack("<I", prefix[27:30] + b"\x00")
            return width + 1, height + 1
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", prefix, 21)
            return (bits & _FOURTEEN_BITS) + 1, (bits >> 14 & _FOURTEEN_BITS) + 1
        case b"VP8 " if prefix[23:26] == _KEY_FRAME:
            width, height = struct.unpack_from("<HH", prefix, 26)
            return width & _FOURTEEN_BITS, height & _FOURTEEN_BITS
    raise ValueError("it is a WebP of an unknown kind")
