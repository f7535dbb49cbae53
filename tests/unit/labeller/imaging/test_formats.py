"""Every format that people upload becomes the same square."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, features

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused
from labeller.imaging.header import PREFIX_BYTES, type_of
from labeller.imaging.image import Frame, LoadedImage, load
from tests.support.images.damage import png_of, sized, tiff_of
from tests.support.images.pictures import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    Made,
    display_p3,
    encode,
    every_picture,
    quarters,
    turned,
)

SIDE = 64
EVERY = every_picture()
UNCOLOURED = ("grey", "16 bits", "black and white", "fax", "transparent")


def opened(content: bytes, *, max_pixels: int = 100_000_000) -> LoadedImage:
    return load(io.BytesIO(content), frame=Frame(SIDE, SIDE), max_pixels=max_pixels)


def corners(loaded: LoadedImage) -> list[tuple[int, ...]]:
    rows = loaded.pixels[4], loaded.pixels[-5]
    return [tuple(int(v > 127) * 255 for v in row[at]) for row in rows for at in (4, -5)]


TURNED = {
    2: [GREEN, RED, WHITE, BLUE],
    3: [WHITE, BLUE, GREEN, RED],
    4: [BLUE, WHITE, RED, GREEN],
    5: [RED, BLUE, GREEN, WHITE],
    6: [BLUE, RED, WHITE, GREEN],
    7: [WHITE, GREEN, BLUE, RED],
    8: [GREEN, WHITE, RED, BLUE],
}


@pytest.mark.parametrize("made", EVERY, ids=[f"{m.kind.name} {m.what}" for m in EVERY])
def test_every_kind_shows_the_same(made: Made) -> None:
    """Colours, size and orientation are as a viewer shows them; the bytes decide the type."""
    assert type_of(made.content[:PREFIX_BYTES]) is made.kind
    loaded = opened(made.content)
    assert loaded.kind is made.kind
    number = int(made.what.removeprefix("orientation ")) if "orientation" in made.what else 1
    assert (loaded.width, loaded.height) == ((64, 96) if number >= 5 else (96, 64))
    if not any(word in made.what for word in UNCOLOURED):
        assert corners(loaded) == TURNED.get(number, [RED, GREEN, BLUE, WHITE])


def test_pillow_has_every_codec() -> None:
    """What is promised must not hang on how Pillow was built."""
    assert all(features.check(codec) for codec in ("avif", "libtiff"))


@pytest.mark.parametrize("kind", ImageType)
def test_as_many_pixels_as_allowed(kind: ImageType) -> None:
    """And not one more, whatever the format."""
    content = encode(quarters(), kind)
    assert opened(content, max_pixels=96 * 64)
    with pytest.raises(PictureRefused) as refused:
        opened(content, max_pixels=96 * 64 - 1)
    assert refused.value.code == FailureCode.TOO_MANY_PIXELS


def of_size(kind: ImageType, width: int, height: int) -> bytes:
    """Return an image that says it has that many pixels."""
    content = encode(quarters(), kind)
    match kind:
        case ImageType.PNG:
            return png_of(width, height)
        case ImageType.TIFF:
            return tiff_of(
                *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1)),
                *((262, 3, 1, 1), (273, 4, 1, 8), (278, 4, 1, 64), (279, 4, 1, 4096)),
                rest=bytes(5000),
            )
        case ImageType.BMP:
            return content[:18] + struct.pack("<ii", width, height) + content[26:]
    return sized(content, width, height)


@pytest.mark.parametrize(
    "kind", [ImageType.PNG, ImageType.TIFF, ImageType.BMP, ImageType.AVIF, ImageType.HEIC]
)
@pytest.mark.parametrize("long", [1_000_001, 100_000_000, 2**31 - 1])
def test_an_enormous_side_is_refused_before_decoding(kind: ImageType, long: int) -> None:
    """However short the other is: each row takes its time. Other formats can't have one."""
    for size in ((long, 1), (1, long)):
        with pytest.raises(PictureRefused, match=f"{size[0]:,} x {size[1]:,} pixels") as refused:
            opened(of_size(kind, *size))
        assert refused.value.code == FailureCode.TOO_MANY_PIXELS


def test_rows_that_would_not_fit_into_memory_are_refused() -> None:
    """Decoding keeps some hundreds of them."""
    with pytest.raises(PictureRefused, match="450 MB of memory") as refused:
        opened(of_size(ImageType.PNG, 1_000_000, 100))
    assert refused.value.code == FailureCode.TOO_MANY_PIXELS


@pytest.mark.parametrize(
    "kind",
    [k for k in ImageType if k not in (ImageType.GIF, ImageType.BMP)],
)
def test_colours_are_those_of_the_profile(kind: ImageType) -> None:
    """A profile that swaps red and green is believed; a broken one is as good as none."""
    swapped = opened(encode(quarters(), kind, icc_profile=display_p3()))
    assert corners(swapped) == [GREEN, RED, BLUE, WHITE]
    broken = opened(encode(quarters(), kind, icc_profile=display_p3()[:200]))
    assert corners(broken) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("kind", [ImageType.PNG, ImageType.WEBP, ImageType.AVIF, ImageType.TIFF])
def test_a_large_picture_is_shrunk_in_bands(kind: ImageType) -> None:
    """It shows what it does when all is done at once, turned and with transparency."""
    rng = np.random.default_rng(7)
    small = Image.fromarray(rng.integers(0, 255, (30, 40, 4), np.uint8), "RGBA")
    large = small.resize((2000, 1500), Image.Resampling.BICUBIC)
    options = {"exif": turned(6)} | ({"compress_level": 1} if kind is ImageType.PNG else {})
    options |= {"method": 0, "lossless": False, "quality": 95} if kind is ImageType.WEBP else {}
    loaded = opened(encode(large, kind, **options))
    white = Image.new("RGBA", large.size, "white")
    expected = np.asarray(
        Image.alpha_composite(white, large)
        .convert("RGB")
        .resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=(343.75, 93.75, 1656.25, 1406.25))
        .transpose(Image.Transpose.ROTATE_270),
        int,
    )
    assert (loaded.width, loaded.height) == (1500, 2000)
    assert np.abs(loaded.pixels - expected).mean() < 3


@pytest.mark.parametrize(
    ("there", "progressive"), [(0.97, False), (0.8, False), (0.97, True), (0.4, True)]
)
def test_a_jpeg_without_its_tail_is_seen(there: float, progressive: bool) -> None:
    """Cameras and downloads break off; most of a picture is enough."""
    content = encode(noise(), ImageType.JPEG, progressive=progressive)
    loaded = opened(content[: int(there * len(content))])
    assert (loaded.width, loaded.height) == (320, 240)
    assert np.ptp(loaded.pixels) > 100


def test_a_jpeg_of_which_most_is_missing_is_refused() -> None:
    """A grey area is not a photograph."""
    content = encode(noise(), ImageType.JPEG)
    with pytest.raises(PictureRefused, match=r"broken off: \d\d% of it are there") as refused:
        opened(content[: int(0.3 * len(content))])
    assert refused.value.code == FailureCode.CORRUPT_IMAGE


def noise() -> Image.Image:
    return Image.effect_noise((320, 240), 90).convert("RGB")


def test_numbers_without_a_range_are_refused() -> None:
    """A sensor's could mean anything."""
    for mode in ("F", "I"):
        content = encode(Image.new(mode, (64, 64), 500), ImageType.TIFF)
        with pytest.raises(PictureRefused, match="Save it again") as refused:
            opened(content)
        assert refused.value.code == FailureCode.UNSUPPORTED_FORMAT
