"""What a TIFF's first directory says of it, and who reads it right.

Follows Adobe's "TIFF Revision 6.0" and "Digital Negative Specification".
"""

from __future__ import annotations

import io
import warnings
from typing import Any, Final

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused
from labeller.imaging import damage
from labeller.imaging.header import not_accepted, require_pixels

_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_MAKE, _STRIPS, _SAMPLES, _STRIP_SIZES, _PLANAR = 271, 273, 277, 279, 284
_TILE_WIDTH, _TILES, _TILE_SIZES, _SAMPLE_FORMAT, _DNG_VERSION = 322, 324, 325, 339, 50706
_PREVIEW: Final = 1
_SIGNED: Final = 2
_BIG: Final = ord("+")
_JPEG: Final = 7
_DEFLATE: Final = (8, 32946)
_ZSTANDARD: Final = 50000
# None, the three of fax, LZW, JPEG, deflate, PackBits; and old JPEG, LZMA, Zstandard.
_BY_LIBVIPS: Final = frozenset({1, 2, 3, 4, 5, _JPEG, 32773, *_DEFLATE})
_BY_PILLOW: Final = _BY_LIBVIPS | {6, 34925, _ZSTANDARD}
_INKS, _YCBCR, _CIELAB = 5, 6, 8
_SHOWN: Final = frozenset({0, 1, 2, 3, _INKS, _YCBCR, _CIELAB})
_SENSORS: Final = frozenset({32803, 34892})  # a colour filter's mosaic, and linear raw
_RAW: Final = {"NIKON": "NEF", "SONY": "ARW", "PENTAX": "PEF", "SAMSUNG": "SRW"}


@damage.decoding()
def is_for_pillow(tiff: bytes, max_pixels: int) -> bool:
    """Tell whether Pillow is to read a TIFF, and not libvips.

    Raises PictureRefused for more than `max_pixels`, for samples that became zeros, where neither
    reads it right, and for a camera's raw file, which begins with a preview.
    """
    with warnings.catch_warnings(action="ignore"):
        tags = ImageFileDirectory_v2(tiff[: 16 if tiff[2] == _BIG else 8])
        stream = io.BytesIO(tiff)
        stream.seek(tags.next)
        tags.load(stream)

        def value(tag: int, default: Any = 1) -> Any:
            found = tags.get(tag, default)
            return (found or (default,))[0] if isinstance(found, tuple) else found

        require_pixels(value(_WIDTH), value(_HEIGHT), max_pixels)  # libvips calls many damage
        colours, compression, bits = value(_PHOTOMETRIC), value(_COMPRESSION), value(_BITS)
        samples, in_planes = value(_SAMPLES), value(_PLANAR) != 1
        if _DNG_VERSION in tags or value(_SUBFILE_TYPE, 0) == _PREVIEW or colours in _SENSORS:
            make = str(value(_MAKE, "")).upper()
            names = ["DNG"] if _DNG_VERSION in tags else []
            names += [name for maker, name in _RAW.items() if make.startswith(maker)]
            raise not_accepted(f"a camera's raw file ({[*names, 'with a preview first'][0]})")
        if compression in (*_DEFLATE, _ZSTANDARD):
            places = zip(
                tags.get(_STRIPS) or tags.get(_TILES, ()),
                tags.get(_STRIP_SIZES) or tags.get(_TILE_SIZES, ()),
                strict=False,
            )
            pieces = [tiff[at : at + size] for at, size in places]
            raw = value(_WIDTH) * value(_HEIGHT) * samples * bits // 8
            # They make a byte of zeros of a thousand samples that are alike.
            damage.require_no_zeros(pieces, raw // len(pieces) // 1000)
        signed = value(_SAMPLE_FORMAT) == _SIGNED
        tiled = _TILE_WIDTH in tags
    rare = (
        compression not in _BY_LIBVIPS
        or (tiled and (in_planes or (colours, compression) == (_INKS, _JPEG)))
        or (colours == _YCBCR and compression != _JPEG)
        or (colours, bits) == (_CIELAB, 8)
    )
    reasons = {
        "signed samples": signed,
        f"{bits} bits a sample": bits not in (8, 16, 32)
        and not (samples == 1 and bits in (1, 2, 4)),
        f"compression {compression}": compression not in _BY_PILLOW,
        f"colours of kind {colours}": colours not in _SHOWN,
        f"{bits} bits a sample in a rare layout": rare and bits not in (1, 8),
    }
    for reason, holds in reasons.items():
        if holds:
            raise PictureRefused(
                FailureCode.UNSUPPORTED_FORMAT,
                f"The TIFF has {reason}, which can't be read. "
                "Save it again in RGB, with 8 bits a sample.",
            )
    return rare
