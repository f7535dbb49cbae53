"""PNGs whose metadata is wrong, and transparency of every depth."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused
from labeller.imaging.image import Fit, Frame, load
from tests.support.images.damage import png_chunk

ORANGE, WHITE = (200, 100, 50), (255, 255, 255)
GREY, RGB, PALETTE = 0, 2, 3


def shown(content: bytes) -> list[int]:
    frame = Frame(16, 16, Fit.STRETCH)
    loaded = load(io.BytesIO(content), frame=frame, max_pixels=1_000_000)
    assert (loaded.width, loaded.height) == (16, 16)
    assert np.ptp(loaded.pixels, axis=(0, 1)).max() == 0
    return [int(value) for value in loaded.pixels[0, 0]]


def png(*extra: bytes, after: bytes = b"", depth: int = 8, colour: int = RGB, row: bytes) -> bytes:
    """Sixteen rows, with chunks between the header and the pixels, and behind them."""
    header = struct.pack(">IIBBBBB", 16, 16, depth, colour, 0, 0, 0)
    pixels = zlib.compress((b"\0" + row) * 16)
    middle = b"".join(extra)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + middle,
            png_chunk(b"IDAT", pixels) + after + png_chunk(b"IEND"),
        )
    )


def bad_checksum(name: bytes, content: bytes) -> bytes:
    return png_chunk(name, content)[:-4] + b"????"


WRONG = {
    "a text's checksum": bad_checksum(b"tEXt", b"Title\0Orange"),
    "a gamma's checksum": bad_checksum(b"gAMA", b"\0\0\xb1\x8f"),
    "a short gamma": png_chunk(b"gAMA", b"\0\0"),
    "an empty gamma": png_chunk(b"gAMA"),
    "a short sRGB": png_chunk(b"sRGB"),
    "short chromaticities": png_chunk(b"cHRM", bytes(7)),
    "a short size": png_chunk(b"pHYs", b"\0\0\x0b\x13"),
    "a long size": png_chunk(b"pHYs", bytes(40)),
    "a short transparency": png_chunk(b"tRNS", b"\0"),
    "a long transparency": png_chunk(b"tRNS", bytes(9)),
    "a short background": png_chunk(b"bKGD", b"\0"),
    "a short time": png_chunk(b"tIME", b"\x07\xe8"),
    "a profile that is none": png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"nothing")),
    "a profile that is not packed": png_chunk(b"iCCP", b"x\0\0" + b"nothing"),
    "a profile without a name": png_chunk(b"iCCP", b"\0\0" + zlib.compress(bytes(99))),
    "a profile of 2 MB": png_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(2_000_000))),
    "a profile's checksum": bad_checksum(b"iCCP", b"x\0\0" + zlib.compress(bytes(99))),
    "a text of 2 MB": png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2_000_000))),
    "an international text of 2 MB": png_chunk(
        b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(2_000_000))
    ),
    "a text that is not packed": png_chunk(b"zTXt", b"a\0\0nothing"),
    "an EXIF that is none": png_chunk(b"eXIf", b"nothing"),
    "an empty EXIF": png_chunk(b"eXIf"),
    "an animation's checksum": bad_checksum(b"acTL", bytes(8)),
    "an animation without frames": png_chunk(b"acTL", bytes(8)),
    "a palette for colours": png_chunk(b"PLTE", bytes(9)),
    "a chunk of one's own": png_chunk(b"vpAg", bytes(70_000)),
}


@pytest.mark.parametrize("chunk", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("behind", [False, True])
def test_wrong_metadata_does_no_harm(chunk: bytes, behind: bool) -> None:
    """The pixels beside it are whole."""
    row = bytes(ORANGE) * 16
    content = png(after=chunk, row=row) if behind else png(chunk, row=row)
    assert shown(content) == list(ORANGE)


def test_wrong_pixels_are_damage() -> None:
    """By their checksum, though they could be read."""
    content = png(row=bytes(ORANGE) * 16)
    at = content.index(b"IDAT")
    length = int.from_bytes(content[at - 4 : at], "big")
    with pytest.raises(PictureRefused) as refused:
        shown(content[: at + 4 + length] + b"????" + content[at + 8 + length :])
    assert refused.value.code is FailureCode.CORRUPT_IMAGE


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey(depth: int) -> None:
    """One shade of any depth is laid on white; the others stay."""
    most = 2**depth - 1
    sample = bytes([most // (2**depth - 1) * 255]) if depth < 8 else struct.pack(">H", most)
    row = (sample if depth != 8 else b"\xff") * (16 * depth // 8 if depth < 16 else 16)
    clear = png_chunk(b"tRNS", struct.pack(">H", most))
    black = png_chunk(b"tRNS", struct.pack(">H", 0))
    assert shown(png(clear, depth=depth, colour=GREY, row=row)) == list(WHITE)
    dark = bytes(len(row))
    assert shown(png(black, depth=depth, colour=GREY, row=dark)) == list(WHITE)
    assert shown(png(clear, depth=depth, colour=GREY, row=dark)) == [0, 0, 0]


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour(depth: int) -> None:
    """Of 16 bits all must be alike."""
    pack = (lambda value: bytes([value])) if depth == 8 else (lambda value: bytes([value, 7]))
    row = b"".join(map(pack, ORANGE)) * 16
    named = b"".join(b"\0" + pack(v) if depth == 8 else pack(v) for v in ORANGE)
    assert shown(png(png_chunk(b"tRNS", named), depth=depth, row=row)) == list(WHITE)
    other = named[:-1] + bytes([named[-1] ^ 1])
    assert shown(png(png_chunk(b"tRNS", other), depth=depth, row=row)) == list(ORANGE)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_entry_of_a_palette(depth: int) -> None:
    """Clear, half clear, and beyond the list opaque."""
    palette = png_chunk(b"PLTE", bytes(ORANGE) * 2)
    row = bytes(16 * depth // 8)
    for alpha, colour in ((0, WHITE), (128, (227, 177, 152)), (255, ORANGE)):
        content = png(palette, png_chunk(b"tRNS", bytes([alpha])), depth=depth, colour=3, row=row)
        assert shown(content) == pytest.approx(colour, abs=1)
    assert shown(png(palette, depth=depth, colour=PALETTE, row=row)) == list(ORANGE)
