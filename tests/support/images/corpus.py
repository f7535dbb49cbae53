"""A corpus of images in every format, depth, layout, orientation and profile, written by the tests.

PNG, TIFF and BMP are written by hand, because no library writes all that may be read.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyvips
from PIL import Image

from core.domain.blob import ImageType
from tests.support.images import tiffs
from tests.support.images.damage import png_chunk
from tests.support.images.pictures import display_p3, encode, lab, turned
from tests.support.images.tiffs import colour_map, tiff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WIDTH, HEIGHT = 40, 24
EXACT: Final = 1  # a rounding
PROFILE: Final = 2  # and one of the profile's tables
# Chroma is enlarged, YCbCr becomes RGB, and cosines are summed up in other roundings.
LOSSY: Final = 6
# Strong colours, between spaces of which one has no such colour, or 8 bits that are far apart.
STRONG: Final = 24
# ImageMagick 6 takes the samples of a HEIC or AVIF, 16 to 235, for 0 to 255 within some places.
HEIF: Final = 12
_P3: Final = {"icc_profile": display_p3()}
_ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_PASSES: Final = (*_ADAM7, (0, 1, 1, 2))  # left, top, step across, step down
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6  # colour types of a PNG
_BANDS: Final = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}


class Entry(NamedTuple):
    """An image, and by how much two decoders may differ in a sample of 8 bits.

    `shown` is what was drawn, of shape (height, width, 3), where ImageMagick 6 shows another thing.
    """

    what: str
    kind: ImageType
    content: bytes
    tolerance: int = EXACT
    shown: NDArray[np.uint8] | None = None


def scene() -> NDArray[np.uint8]:
    """Return smooth colours of shape (HEIGHT, WIDTH, 3) that differ in each part."""
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    red, green = across * 255 // (WIDTH - 1), down * 255 // (HEIGHT - 1)
    return np.stack([red, green, 255 - (red + green) // 2], -1).astype(np.uint8)


def every_entry() -> list[Entry]:
    """Return the corpus."""
    return [*_pngs(), *_tiffs(), *_bmps(), *_jpegs(), *_gifs(), *_webps(), *_heifs()]


def _alpha() -> NDArray[np.uint8]:
    """Return alpha of shape (HEIGHT, WIDTH, 1): clear at the left, opaque at the right."""
    row = np.clip(np.arange(WIDTH) * 255 // (WIDTH - 9), 0, 255)
    return np.tile(row, (HEIGHT, 1))[:, :, np.newaxis].astype(np.uint8)


def _on_white() -> NDArray[np.uint8]:
    """Return the scene with its alpha on white."""
    share = _alpha() / 255
    return np.rint(scene() * share + 255 * (1 - share)).astype(np.uint8)


def _turned(orientation: int) -> NDArray[np.uint8]:
    """Return the scene as EXIF's orientation has it displayed."""
    image = scene()
    image = image[::-1] if orientation in (3, 4, 6, 7) else image
    image = image[:, ::-1] if orientation in (2, 3, 7, 8) else image
    return image.transpose(1, 0, 2) if orientation >= 5 else image


def _grey() -> NDArray[np.uint8]:
    return scene()[:, :, [0]] // 2 + scene()[:, :, [1]] // 2


def _samples(colour: int, bits: int) -> NDArray[np.int64]:
    """Return the scene in a PNG's colour type and depth."""
    bands: dict[int, list[NDArray[np.uint8]]] = {
        _GREY: [_grey()],
        _RGB: [scene()],
        _PALETTE: [_grey()],
        _GREY_ALPHA: [_grey(), _alpha()],
        _RGBA: [scene(), _alpha()],
    }
    samples = np.concatenate(bands[colour], -1).astype(np.int64)
    if bits > 8:
        return samples * (2**bits - 1) // 255
    return samples >> (8 - bits)


def _packed(samples: NDArray[np.int64], bits: int) -> list[bytes]:
    """Return rows of samples, from the highest bit of each byte down."""
    if bits >= 8:
        return [row.astype(f">u{bits // 8}").tobytes() for row in samples]
    spread = (samples.reshape(len(samples), -1, 1) >> np.arange(bits - 1, -1, -1)) & 1
    rows = spread.reshape(len(samples), -1).astype(np.uint8)
    return [row.tobytes() for row in np.packbits(rows, axis=1)]


def _png(colour: int, bits: int, *extra: bytes, interlaced: bool = False) -> bytes:
    samples = _samples(colour, bits)
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(
        b"\0" + row
        for left, top, across, down in passes
        for row in _packed(samples[top::down, left::across], bits)
    )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour, 0, 0, interlaced)
    palette = [png_chunk(b"PLTE", _palette(bits).tobytes())] if colour == _PALETTE else []
    chunks = [*palette, *extra, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks)


def _palette(bits: int) -> NDArray[np.uint8]:
    """Return 2**bits colours, none of them next to its neighbour."""
    numbers = np.arange(2**bits) * 255 // max(1, 2**bits - 1)
    return np.stack([numbers, numbers * 7 % 256, 255 - numbers], -1).astype(np.uint8)


def _pngs() -> Iterator[Entry]:
    png = ImageType.PNG
    depths = {_GREY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8)}
    for colour, each in (depths | {_GREY_ALPHA: (8, 16), _RGBA: (8, 16)}).items():
        for bits in each:
            for interlaced in (False, True):
                what = f"colour {colour}, {bits} bits{', interlaced' * interlaced}"
                yield Entry(what, png, _png(colour, bits, interlaced=interlaced))
            if colour in depths:
                first = _samples(colour, bits)[0, 0]
                clear = first.astype(">u2").tobytes() if colour != _PALETTE else b"\0\x80"
                content = _png(colour, bits, png_chunk(b"tRNS", clear))
                yield Entry(f"colour {colour}, {bits} bits, transparent", png, content)
    profile = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(display_p3()))
    for bits in (8, 16):
        yield Entry(f"profile, {bits} bits", png, _png(_RGB, bits, profile), PROFILE)


def _short(*values: int, order: str = "<") -> tuple[int, bytes]:
    return 3, struct.pack(f"{order}{len(values)}H", *values)


def _tiff_layouts() -> Iterator[tuple[str, bytes]]:
    image = scene().astype(np.int64)
    inks = np.concatenate([image, _grey() // 4], -1).astype(np.int64)
    for order in "<>":
        for planar in (False, True):
            for bits in (8, 16, 32):
                factor = (2**bits - 1) // 255
                at = {"bits": bits, "order": order, "planar": planar}
                yield f"RGB {at}", tiff(image * factor, **at)
                yield f"strips {at}", tiff(image * factor, **at, rows_per_strip=7)
                if bits < 32:
                    yield f"inks {at}", tiff(inks * factor, **at, photometric=tiffs.SEPARATED)
                    alpha = np.concatenate([image, _alpha()], -1) * factor
                    yield f"alpha {at}", tiff(alpha, **at, extra=[tiffs.UNASSOCIATED])
                if not planar or bits == 8:
                    yield f"tiles {at}", tiff(image * factor, **at, tile=16)
        for bits in (1, 2, 4, 8, 16, 32):
            grey = _samples(_GREY, bits)
            whites = [tiffs.WHITE_IS_ZERO] if bits in (1, 8, 16) else []
            for photometric in (*whites, tiffs.BLACK_IS_ZERO):
                what = f"grey {bits} {order} {photometric}"
                yield what, tiff(grey, bits=bits, order=order, photometric=photometric)
        for bits in (1, 2, 4, 8):
            tags = {320: colour_map(_palette(bits), order)}
            indices = _samples(_PALETTE, bits)
            yield (
                f"palette {bits} {order}",
                tiff(indices, bits=bits, order=order, photometric=tiffs.PALETTE, tags=tags),
            )


def _tiffs() -> Iterator[Entry]:
    kind, picture = ImageType.TIFF, Image.fromarray(scene())
    for what, content in _tiff_layouts():
        yield Entry(what, kind, content)
    for bits in (2, 4, 32):
        most, grey = 2**bits - 1, _samples(_GREY, bits)
        for order in "<>":
            content = tiff(grey, bits=bits, order=order, photometric=tiffs.WHITE_IS_ZERO)
            shown = np.rint((most - grey) * (255 / most)).astype(np.uint8).repeat(3, -1)
            yield Entry(f"grey {bits} {order}, white is zero", kind, content, shown=shown)
    for orientation in range(2, 9):
        content = tiff(scene(), tags={274: _short(orientation)})
        yield Entry(f"orientation {orientation}", kind, content)
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"):
        yield Entry(name, kind, encode(picture, kind, compression=name))
    for name in ("group3", "group4"):
        yield Entry(name, kind, encode(picture.convert("1"), kind, compression=name))
    yield Entry("jpeg", kind, encode(picture, kind, compression="jpeg", quality=95), LOSSY)
    yield Entry("BigTIFF", kind, encode(picture, kind, big_tiff=True))
    yield Entry("profile", kind, encode(picture, kind, **_P3), PROFILE)
    profile = {34675: (7, display_p3())}
    content = tiff(scene().astype(np.int64) * 257, bits=16, tags=profile)
    yield Entry("profile, 16 bits", kind, content, PROFILE)
    yield Entry("Lab", kind, encode(lab(picture), kind), STRONG, scene())


def _bmp(bits: int, rows: list[bytes], *, masks: tuple[int, ...] = (), top: bool = False) -> bytes:
    """Write a BMP of rows from the top down, with a header of 40 bytes, or 108 for masks."""
    size = 108 if masks else 40
    compression = 3 if masks else 0
    palette = b"".join(bytes([*colour[::-1], 0]) for colour in _palette(bits)) if bits <= 8 else b""
    padded = [row + bytes(-len(row) % 4) for row in rows]
    pixels = b"".join(padded if top else padded[::-1])
    height = -HEIGHT if top else HEIGHT
    header = struct.pack(
        *("<IiiHHIIiiII", size, WIDTH, height, 1, bits, compression, len(pixels)),
        *(2835, 2835, 0, 0),
    )
    if masks:
        header += struct.pack("<IIII", *masks) + b"BGRs" + bytes(48)
    start = 14 + size + len(palette)
    return (
        b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + palette + pixels
    )


def _bmps() -> Iterator[Entry]:
    kind, image = ImageType.BMP, scene().astype(np.int64)
    for bits in (1, 4, 8):
        rows = _packed(_samples(_PALETTE, bits), bits)
        yield Entry(f"{bits} bits", kind, _bmp(bits, rows))
        yield Entry(f"{bits} bits, top down", kind, _bmp(bits, rows, top=True))
    for top in (False, True):
        rows = [row[:, ::-1].astype(np.uint8).tobytes() for row in image]
        yield Entry(f"24 bits{', top down' * top}", kind, _bmp(24, rows, top=top))
    for red, green, blue in ((5, 5, 5), (5, 6, 5)):
        shifts = (green + blue, blue, 0)
        scaled = [image[:, :, at] >> (8 - n) for at, n in enumerate((red, green, blue))]
        packed = sum(each << shift for each, shift in zip(scaled, shifts, strict=True))
        rows = [row.astype("<u2").tobytes() for row in packed]
        masks = tuple(
            ((1 << n) - 1) << shift for n, shift in zip((red, green, blue), shifts, strict=True)
        )
        yield Entry(f"16 bits, {red}{green}{blue}", kind, _bmp(16, rows, masks=(*masks, 0)))
        if green == 5:
            yield Entry("16 bits", kind, _bmp(16, rows))
    clear = np.concatenate([image[:, :, ::-1], _alpha()], -1).astype(np.uint8)
    rows = [row.tobytes() for row in clear]
    alpha = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    yield Entry("32 bits with alpha", kind, _bmp(32, rows, masks=alpha))
    yield Entry("32 bits with masks", kind, _bmp(32, rows, masks=(*alpha[:3], 0)))
    # ImageMagick takes what is unused for alpha, so it is all set.
    clear[:, :, 3] = 255
    yield Entry("32 bits", kind, _bmp(32, [row.tobytes() for row in clear]))


def _jpegs() -> Iterator[Entry]:
    kind, picture = ImageType.JPEG, Image.fromarray(scene())
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        for progressive in (False, True):
            how: dict[str, Any] = {"subsampling": subsampling, "progressive": progressive}
            yield Entry(f"{how}", kind, encode(picture, kind, **how), LOSSY)
    for mode in ("L", "CMYK"):
        for progressive in (False, True):
            content = encode(picture.convert(mode), kind, progressive=progressive)
            yield Entry(f"{mode}{', progressive' * progressive}", kind, content, LOSSY)
    for orientation in range(2, 9):
        content = encode(picture, kind, exif=turned(orientation))
        yield Entry(f"orientation {orientation}", kind, content, LOSSY)
    inks = pyvips.Image.profile_load("cmyk")
    content = encode(picture.convert("CMYK"), kind, icc_profile=inks)
    yield Entry("profile of inks", kind, content, STRONG)
    yield Entry("restarts", kind, encode(picture, kind, restart_marker_blocks=2), LOSSY)
    yield Entry("optimised", kind, encode(picture, kind, optimize=True), LOSSY)
    yield Entry("profile", kind, encode(picture, kind, **_P3), LOSSY)


def _gifs() -> Iterator[Entry]:
    few = Image.fromarray(scene()).quantize(16)
    frames: dict[str, Any] = {"save_all": True, "append_images": [few.rotate(180)]}
    for interlace in (0, 1):
        content = encode(few, ImageType.GIF, interlace=interlace)
        yield Entry(f"interlace {interlace}", ImageType.GIF, content)
    yield Entry("transparent", ImageType.GIF, encode(few, ImageType.GIF, transparency=3))
    yield Entry("animated", ImageType.GIF, encode(few, ImageType.GIF, **frames))


def _webps() -> Iterator[Entry]:
    picture = Image.fromarray(scene())
    clear = Image.fromarray(np.concatenate([scene(), _alpha()], -1))
    frames: dict[str, Any] = {"save_all": True, "append_images": [picture.rotate(180)]}
    for quality in ({"lossless": True}, {"lossless": False, "quality": 90}):
        tolerance = EXACT if quality["lossless"] else LOSSY
        for what, image in (("RGB", picture), ("alpha", clear)):
            content = encode(image, ImageType.WEBP, **quality, exact=True)
            yield Entry(f"{what} {quality}", ImageType.WEBP, content, tolerance)
    yield Entry("animated", ImageType.WEBP, encode(picture, ImageType.WEBP, **frames))
    yield Entry("profile", ImageType.WEBP, encode(picture, ImageType.WEBP, **_P3), PROFILE)
    for orientation in range(2, 9):
        content = encode(picture, ImageType.WEBP, exif=turned(orientation))
        what = f"orientation {orientation}"
        yield Entry(what, ImageType.WEBP, content, shown=_turned(orientation))


def _heifs() -> Iterator[Entry]:
    picture = Image.fromarray(scene())
    clear = Image.fromarray(np.concatenate([scene(), _alpha()], -1))
    for kind in (ImageType.AVIF, ImageType.HEIC):
        content = encode(picture, kind, **_P3)
        yield Entry("profile", kind, content, LOSSY, scene()[:, :, [1, 0, 2]])
        for orientation in range(2, 9):
            content = encode(picture, kind, exif=turned(orientation))
            yield Entry(f"orientation {orientation}", kind, content, HEIF)
        for chroma in ("4:4:4", "4:2:2", "4:2:0"):
            how: dict[str, Any] = {"subsampling": chroma}
            if kind is ImageType.HEIC:
                how = {"chroma": int(chroma.replace(":", ""))}
            yield Entry(f"RGB {chroma}", kind, encode(picture, kind, **how), HEIF)
            content = encode(clear, kind, **how)
            yield Entry(f"alpha {chroma}", kind, content, HEIF, _on_white())
    deep = pyvips.Image.new_from_array(scene()).cast("ushort") * 257
    deep = deep.cast("ushort").copy(interpretation="rgb16")
    for bits in (10, 12):
        content = deep.heifsave_buffer(compression="av1", bitdepth=bits, Q=95, effort=2)
        yield Entry(f"{bits} bits", ImageType.AVIF, content, HEIF)
