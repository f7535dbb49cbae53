"""TIFFs of every layout show what was written into them, or are refused with a remedy."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused
from labeller.imaging import sources
from labeller.imaging.image import Fit, Frame, LoadedImage, load
from tests.support.images import tiffs
from tests.support.images.tiffs import colour_map, tiff

LEFT = np.arange(16)[np.newaxis, :] < np.full((16, 1), 8)
ORANGE, BLUE = (200, 100, 50), (0, 0, 200)
ALPHA = (100, 50, 25, 128)


def seen(content: bytes, side: int = 16) -> LoadedImage:
    frame = Frame(side, side, Fit.STRETCH)
    return load(io.BytesIO(content), frame=frame, max_pixels=1_000_000)


def halves(left: Any, right: Any, factor: float = 1) -> np.ndarray[Any, Any]:
    """Samples of 16 by 16 pixels, with one value at the left and another at the right."""
    return np.where(LEFT[:, :, np.newaxis], np.array(left), np.array(right)) * factor


def require_halves(content: bytes, left: Any, right: Any, tolerance: int = 2) -> None:
    loaded = seen(content)
    assert (loaded.width, loaded.height) == (16, 16)
    expected = halves(left, right)
    assert np.abs(loaded.pixels.astype(int) - expected).max() <= tolerance


def grey(value: int) -> tuple[int, int, int]:
    return (value, value, value)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("compression", [tiffs.NONE, tiffs.DEFLATE])
@pytest.mark.parametrize("rows", [None, 5])
def test_rgb(order: str, planar: bool, bits: int, compression: int, rows: int | None) -> None:
    """Every byte order, planes or not, any depth, in one strip or several."""
    factor = (2**bits - 1) // 255
    content = tiff(
        halves(ORANGE, BLUE, factor),
        bits=bits,
        order=order,
        planar=planar,
        compression=compression,
        rows_per_strip=rows,
    )
    require_halves(content, ORANGE, BLUE)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiles(order: str, bits: int) -> None:
    """As large as the picture, with room to spare, or smaller."""
    for tile in (16, 32):
        factor = (2**bits - 1) // 255
        content = tiff(halves(ORANGE, BLUE, factor), bits=bits, order=order, tile=tile)
        require_halves(content, ORANGE, BLUE)
    require_halves(tiff(halves(ORANGE, BLUE), tile=16, planar=True), ORANGE, BLUE)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_grey(order: str, bits: int, white_is_zero: bool) -> None:
    """Of every depth, with black or white as zero."""
    most = 2**bits - 1
    photometric = tiffs.WHITE_IS_ZERO if white_is_zero else tiffs.BLACK_IS_ZERO
    content = tiff(halves([most], [0]), bits=bits, order=order, photometric=photometric)
    light, dark = grey(255), grey(0)
    require_halves(content, *((dark, light) if white_is_zero else (light, dark)))


def test_grey_of_16_bits() -> None:
    """An eighth and seven of white."""
    for order in "<>":
        content = tiff(
            halves([8192], [57344]), bits=16, photometric=tiffs.BLACK_IS_ZERO, order=order
        )
        require_halves(content, grey(32), grey(224))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("scale", [257, 256, 1])
def test_colour_maps(bits: int, scale: int) -> None:
    """Of 16 bits, as the format wants, or of 8, as some programs write."""
    colours = np.zeros((2**bits, 3), int)
    colours[0], colours[1] = ORANGE, BLUE
    content = tiff(
        halves([0], [1]),
        bits=bits,
        photometric=tiffs.PALETTE,
        tags={320: colour_map(colours, scale=scale)},
    )
    require_halves(content, ORANGE, BLUE)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [False, True])
def test_inks(bits: int, planar: bool) -> None:
    """Taken to be ideal where there is no profile, as most programs do."""
    factor = (2**bits - 1) // 255
    content = tiff(
        halves((100, 50, 25, 10), (0, 0, 100, 0), factor),
        bits=bits,
        photometric=tiffs.SEPARATED,
        planar=planar,
    )
    require_halves(content, (149, 197, 221), (255, 255, 155))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("extra", [tiffs.UNSPECIFIED, tiffs.UNASSOCIATED])
@pytest.mark.parametrize(
    ("photometric", "colour", "shown"),
    [
        (tiffs.RGB, (100, 50, 25), (177, 152, 140)),
        (tiffs.BLACK_IS_ZERO, (100,), (177, 177, 177)),
        (tiffs.WHITE_IS_ZERO, (155,), (177, 177, 177)),
        (tiffs.SEPARATED, (100, 50, 25, 0), (205, 230, 243)),
    ],
)
def test_alpha(
    bits: int, extra: int, photometric: int, colour: tuple[int, ...], shown: tuple[int, ...]
) -> None:
    """A half of it on white, and all of it white where there is none."""
    factor = (2**bits - 1) // 255
    content = tiff(
        halves((*colour, 128), (*colour, 0), factor),
        bits=bits,
        photometric=photometric,
        extra=[extra],
    )
    require_halves(content, shown, (255, 255, 255))


def test_alpha_that_is_multiplied_in() -> None:
    """The colour is what is left of it."""
    content = tiff(halves(ALPHA, (0, 0, 100, 255)), extra=[tiffs.ASSOCIATED])
    require_halves(content, (227, 177, 152), (0, 0, 100))


def test_more_bands_than_colours() -> None:
    """The first beyond is alpha, others are something else."""
    content = tiff(halves((*ALPHA, 9), (0, 0, 100, 255, 9)), extra=[2, 0])
    require_halves(content, (177, 152, 140), (0, 0, 100))


@pytest.mark.parametrize("bits", [16, 32])
def test_floats(bits: int) -> None:
    """1 is full light, or 255."""
    for factor in (1 / 255, 1):
        content = tiff(halves(ORANGE, BLUE, factor), bits=bits, sample_format=tiffs.FLOAT)
        require_halves(content, ORANGE, BLUE)
    content = tiff(
        halves([0.5], [0.25]),
        bits=bits,
        sample_format=tiffs.FLOAT,
        photometric=tiffs.BLACK_IS_ZERO,
    )
    require_halves(content, grey(128), grey(64))


@pytest.mark.parametrize("bits", [8, 16])
def test_lab(bits: int) -> None:
    """CIELAB, of which few programs write the one or the other."""
    factor = 2 ** (bits - 8)
    scale = 1 if bits == 8 else 65_280 / 255 / 256
    left = np.array([128 * scale, 10, 20]) * factor
    content = tiff(
        halves(left.astype(int), np.array([60 * scale, 0, 0]) * factor).astype(int),
        bits=bits,
        photometric=tiffs.CIELAB,
    )
    require_halves(content, (147, 112, 85), (55, 55, 55), tolerance=4)


def test_ycbcr_without_jpeg() -> None:
    """As ITU-R BT.601 turns it into RGB."""
    content = tiff(
        halves((128, 100, 150), (60, 128, 128)),
        photometric=tiffs.YCBCR,
        tags={530: (3, struct.pack("<HH", 1, 1))},
    )
    require_halves(content, (159, 122, 78), (60, 60, 60))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("photometric", [tiffs.RGB, tiffs.YCBCR])
def test_orientation(orientation: int, photometric: int) -> None:
    """Whichever library reads it."""
    samples = np.zeros((16, 32, 3), int) + (200 if photometric == tiffs.RGB else 128)
    samples[:8, :16] = 0 if photometric == tiffs.RGB else (16, 128, 128)
    tags = {274: (3, struct.pack("<H", orientation)), 530: (3, struct.pack("<HH", 1, 1))}
    loaded = seen(tiff(samples, photometric=photometric, tags=tags))
    assert (loaded.width, loaded.height) == ((16, 32) if orientation >= 5 else (32, 16))
    dark = [loaded.pixels[y, x].max() < 90 for y in (3, 12) for x in (3, 12)]
    corner = {1: 0, 2: 1, 3: 3, 4: 2, 5: 0, 6: 1, 7: 3, 8: 2}[orientation]
    assert dark == [place == corner for place in range(4)]


@pytest.mark.parametrize(
    "content",
    [
        tiff(halves(ORANGE, BLUE, 16), bits=12),
        tiff(halves([5], [9]), bits=12, photometric=tiffs.BLACK_IS_ZERO),
        tiff(halves((15, 0, 8), (0, 15, 0)), bits=4),
        tiff(halves(ORANGE, BLUE), bits=64, sample_format=tiffs.FLOAT),
        tiff(halves([-9], [9]), sample_format=tiffs.SIGNED, photometric=tiffs.BLACK_IS_ZERO),
        tiff(halves([-9], [9]), bits=16, sample_format=tiffs.SIGNED, photometric=1),
        tiff(halves([1e6], [9.0]), bits=32, sample_format=tiffs.FLOAT, photometric=1),
        tiff(halves(ORANGE, BLUE, 257), bits=16, tile=16, planar=True),
        tiff(halves(ORANGE, BLUE), photometric=9),
        tiff(halves(ORANGE, BLUE), photometric=32845),
        tiff(halves(ORANGE, BLUE), compression=34712),
    ],
    ids=[
        *("12 bits", "12 bits grey", "4 bits", "64 bits", "signed", "signed 16", "no range"),
        *("tiled planes of 16 bits", "ICC's Lab", "LogLuv", "JPEG 2000"),
    ],
)
def test_what_cannot_be_read_right_is_refused_with_a_remedy(content: bytes) -> None:
    """Neither damaged nor labelled by what something else was made of it."""
    with pytest.raises(PictureRefused, match="Save it again") as refused:
        seen(content)
    assert refused.value.code is FailureCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(halves(ORANGE, BLUE, 16), bits=12), "samples of 12 bits, compression 1 "),
        (tiff(halves([-9], [9]), sample_format=tiffs.SIGNED), "signed samples of 8 bits"),
        (tiff(halves(ORANGE, BLUE), compression=34712), "compression 34712 "),
        (tiff(halves(ORANGE, BLUE), photometric=32845), "colours of kind 32845"),
        (tiff(halves(ORANGE, BLUE, 257), bits=16, tile=16, planar=True), "a rare layout"),
        (tiff(halves(ORANGE, BLUE), compression=7, bits=1), "samples of 1 bits"),
    ],
)
def test_the_refusal_says_what_the_tiff_has(content: bytes, reason: str) -> None:
    """So that its owner finds the setting."""
    with pytest.raises(PictureRefused, match=f"^The TIFF has .*{reason}.*, which can't be read"):
        seen(content)


def raw(make: bytes, *, preview: bool = True, **more: Any) -> bytes:
    tags = {271: (2, make + b"\0")}
    if preview:
        tags[254] = (4, struct.pack("<I", 1))
    return tiff(halves(ORANGE, BLUE), tags=tags | more.get("tags", {}))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (raw(b"Phase", tags={50706: (1, bytes([1, 4, 0, 0]))}), "DNG"),
        (raw(b"Phase", preview=False, tags={50706: (1, bytes([1, 4, 0, 0]))}), "DNG"),
        (raw(b"NIKON CORPORATION"), "NEF"),
        (raw(b"SONY"), "ARW"),
        (raw(b"PENTAX"), "PEF"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(100), "CR2"),
    ],
)
def test_raw_files_are_refused_by_name(content: bytes, name: str) -> None:
    """What they begin with is a small preview."""
    with pytest.raises(PictureRefused, match="Save it as JPEG") as refused:
        seen(content)
    assert refused.value.code is FailureCode.UNSUPPORTED_FORMAT
    assert f"raw file ({name})" in refused.value.message


ODD = {297: (3, b"\x01\x00"), 65_000: (3, b"\x01\x00")}


@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize("compression", [tiffs.NONE, tiffs.DEFLATE])
def test_an_odd_directory_does_no_harm(tile: int | None, compression: int) -> None:
    """Libtiff warns of it, and reads on."""
    content = tiff(halves(ORANGE, BLUE), tags=ODD, tile=tile, compression=compression)
    require_halves(content, ORANGE, BLUE)


@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize("tags", [{}, ODD], ids=["plain", "odd"])
def test_damaged_samples_are_damage(tile: int | None, tags: dict[int, tuple[int, bytes]]) -> None:
    """In strips and in tiles, whatever the directory is."""
    content = bytearray(tiff(halves(ORANGE, BLUE), compression=tiffs.DEFLATE, tile=tile, tags=tags))
    content[12:30] = bytes(18)
    with pytest.raises(PictureRefused) as refused:
        seen(bytes(content))
    assert refused.value.code is FailureCode.CORRUPT_IMAGE


def test_a_tile_that_is_too_large_is_refused() -> None:
    """However little the image shows of it: all of it is decoded."""
    samples = np.zeros((16, 16, 3), np.uint8)
    assert seen(tiff(samples, tile=512, planar=True)).width == 16
    with pytest.raises(PictureRefused) as refused:
        seen(tiff(samples, tile=1_008, planar=True))
    assert refused.value.code is FailureCode.TOO_MANY_PIXELS
    assert "1,008 x 1,008" in refused.value.message


def test_the_memory_of_a_tile_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside that of the image."""
    monkeypatch.setattr(sources, "MAX_MEMORY", 5_000_000)
    samples = np.zeros((16, 16, 3), np.uint8)
    assert seen(tiff(samples, tile=512, planar=True)).width == 16
    with pytest.raises(PictureRefused) as refused:
        seen(tiff(samples, tile=960, planar=True))
    assert refused.value.code is FailureCode.TOO_MANY_PIXELS
