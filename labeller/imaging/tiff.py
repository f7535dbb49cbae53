"""What a TIFF's first directory says of it, and who reads it right.

Follows Adobe's "TIFF Revision 6.0" and "Digital Negative Specification".
"""

from __future__ import annotations

import io
from typing import Any, Final

from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from labeller.imaging import damage
from labeller.imaging.header import not_accepted, not_read, require_pixels

_BIG: Final = ord("+")
_PREVIEW, _SIGNED, _IN_PLANES, _BYTE = 1, 2, 2, 8
_JPEG, _ZSTANDARD = 7, 50000
_BY_PILLOW: Final = frozenset({6, 34925, _ZSTANDARD})  # old JPEG and LZMA, too
# Those whose decoders overlook zeros (fax, deflate), and the even bytes that one of zeros may hold.
_EVEN: Final = {_JPEG: 256, **dict.fromkeys((2, 3, 4, 8, 32946, _ZSTANDARD), 1000)}
_COMPRESSIONS: Final = frozenset({1, 5, 32773, *_EVEN}) | _BY_PILLOW
_INKS, _YCBCR, _CIELAB = 5, 6, 8
_COLOURS: Final = frozenset({0, 1, 2, 3, _INKS, _YCBCR, _CIELAB})
_SENSORS: Final = frozenset({32803, 34892})  # a colour filter's mosaic, and linear raw
_RAW: Final = {"NIKON": "NEF", "SONY": "ARW", "PENTAX": "PEF", "SAMSUNG": "SRW"}


def is_for_pillow(tiff: bytes, max_pixels: int) -> bool:
    """Tell whether Pillow is to read a TIFF, and not libvips.

    Raises PictureRefused for more than `max_pixels`, for samples that became zeros, where neither
    reads it right, and for a camera's raw file, which begins with a preview.
    """
    tags = ImageFileDirectory_v2(tiff[: 16 if tiff[2] == _BIG else 8])
    stream = io.BytesIO(tiff)
    stream.seek(tags.next)
    tags.load(stream)

    def value(tag: int, default: Any = 1) -> Any:
        found = tags.get(tag, default)
        return (found or (default,))[0] if isinstance(found, tuple) else found

    width, height, bits = value(Tag.ImageWidth), value(Tag.ImageLength), value(Tag.BitsPerSample)
    colours, compression = value(Tag.PhotometricInterpretation), value(Tag.Compression)
    samples = value(Tag.SamplesPerPixel)
    require_pixels(width, height, max_pixels)  # libvips calls many damage
    if Tag.TileOffsets in tags:  # each is decoded whole, however little of it the image shows
        require_pixels(value(Tag.TileWidth), value(Tag.TileLength), max_pixels)
    is_dng = Tag.DNGVersion in tags
    if is_dng or value(Tag.NewSubfileType, 0) == _PREVIEW or colours in _SENSORS:
        make = str(value(Tag.Make, "")).upper()
        names = [name for maker, name in _RAW.items() if make.startswith(maker)]
        name = "DNG" if is_dng else names[0] if names else "with a preview first"
        raise not_accepted(f"a camera's raw file ({name})")
    if compression in _EVEN:
        places = tags.get(Tag.StripOffsets) or tags[Tag.TileOffsets]
        sizes = tags.get(Tag.StripByteCounts) or tags[Tag.TileByteCounts]
        even = width * height * samples * bits // 8 // len(places) // _EVEN[compression]
        for at, size in zip(places, sizes, strict=False):
            damage.require_no_zeros(tiff[at : at + size], least=even)
    in_planes = value(Tag.PlanarConfiguration) == _IN_PLANES
    rare = (
        compression in _BY_PILLOW
        or (Tag.TileOffsets in tags and (in_planes or (colours, compression) == (_INKS, _JPEG)))
        or (colours == _YCBCR and compression != _JPEG)
        or (colours, bits) == (_CIELAB, 8)
    )
    signed = value(Tag.SampleFormat) == _SIGNED
    deep = bits in ({1, 8} if rare else {1, 2, 4, 8, 16, 32}) and (bits >= _BYTE or samples == 1)
    if signed or not deep or compression not in _COMPRESSIONS or colours not in _COLOURS:
        raise not_read(
            f"The TIFF has {'signed ' * signed}samples of {bits} bits, compression {compression} "
            f"and colours of kind {colours}{', a rare layout' * rare}"
        )
    return rare
