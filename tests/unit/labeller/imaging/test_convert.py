"""Whatever a picture is, what is made of it is an upright JPEG within the limits."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused
from core.domain.label import BoundingBox
from labeller.imaging.convert import Converted, to_jpeg
from tests.support.images.photos import photo
from tests.support.images.pictures import Made, every_picture

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def converted(
    content: bytes,
    *,
    max_pixels: int = 50_000_000,
    max_bytes: int = 5_000_000,
    shortest: int = 80,
    longest: int = 4096,
) -> tuple[Converted, Image.Image]:
    made = to_jpeg(
        io.BytesIO(content),
        max_pixels=max_pixels,
        max_bytes=max_bytes,
        shortest=shortest,
        longest=longest,
    )
    image = Image.open(io.BytesIO(made.content))
    image.load()
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert "exif" not in image.info
    return made, image


def quarters(side: int = 200) -> Image.Image:
    """Red and green above blue and white, twice as wide as high."""
    image = Image.new("RGB", (2 * side, side), RED)
    image.paste(GREEN, (side, 0, 2 * side, side // 2))
    image.paste(BLUE, (0, side // 2, side, side))
    image.paste(WHITE, (side, side // 2, 2 * side, side))
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    pixels = np.asarray(image)
    rows = pixels[8], pixels[-9]
    return [tuple(int(v > 127) * 255 for v in row[at]) for row in rows for at in (8, -9)]


def whole(made: Converted) -> bool:
    return made.place == BoundingBox(0, 0, 1, 1)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_it_is_turned(kind: str, orientation: int, expected: list[tuple[int, ...]]) -> None:
    """The pixels themselves, so that nobody need read EXIF."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    made, image = converted(encode(quarters(), kind, exif=exif))
    assert image.size == (made.width, made.height)
    assert image.size == ((200, 400) if orientation >= 5 else (400, 200))
    assert corners(image) == expected
    assert whole(made)


@pytest.mark.parametrize(
    ("content", "colour"),
    [
        (encode(Image.new("RGBA", (99, 99), (255, 0, 0, 0)), "PNG"), WHITE),
        (encode(Image.new("RGBA", (99, 99), (255, 0, 0, 128)), "PNG"), (255, 127, 127)),
        (encode(Image.new("LA", (99, 99), (0, 128)), "PNG"), (127, 127, 127)),
        (encode(Image.new("RGB", (99, 99), RED).quantize(4), "PNG", transparency=0), WHITE),
        (encode(Image.new("CMYK", (99, 99), (255, 255, 0, 0)), "JPEG"), BLUE),
        (encode(Image.new("I;16", (99, 99), 0x8000), "PNG"), (128, 128, 128)),
        (encode(Image.new("1", (99, 99), 1), "PNG"), WHITE),
        (encode(Image.new("L", (99, 99), 90), "JPEG"), (90, 90, 90)),
    ],
    ids=["clear", "half clear", "grey", "clear palette", "CMYK", "16 bits", "bits", "grey JPEG"],
)
def test_it_is_rgb(content: bytes, colour: tuple[int, ...]) -> None:
    """Transparency is laid on white, inks become light, 16 bits are scaled to 8."""
    _, image = converted(content)
    assert np.asarray(image).mean((0, 1)) == pytest.approx(colour, abs=3)


@pytest.mark.parametrize(
    ("size", "expected", "padded"),
    [
        ((400, 300), (400, 300), False),
        ((8192, 2048), (4096, 1024), False),
        ((40, 20), (160, 80), False),
        ((1, 1), (80, 80), False),
        ((10, 500), (80, 4000), False),
        ((10, 1000), (80, 4096), True),
        ((1, 20_000), (80, 4096), True),
        ((20_000, 3), (4096, 80), True),
        ((90, 9000), (80, 4096), True),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_it_fits(size: tuple[int, int], expected: tuple[int, int], padded: bool, kind: str) -> None:
    """Resized in proportion; only what is very narrow gets white beside it."""
    made, image = converted(encode(Image.new("RGB", size), kind))
    assert image.size == expected
    assert (made.width, made.height) == size
    assert whole(made) != padded
    dark = np.asarray(image.convert("L")) < 100
    shown = made.place.width * image.width * made.place.height * image.height
    assert dark.sum() == pytest.approx(shown, rel=0.01)
    assert dark[round(made.place.top * image.height), round(made.place.left * image.width)]


@given(width=st.integers(1, 400), height=st.integers(1, 400), orientation=st.integers(1, 8))
def test_limits_hold_for_any_shape(width: int, height: int, orientation: int) -> None:
    """Each side within both limits, the picture's shape kept, and all of it inside."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.new("RGB", (width, height)), "PNG", exif=exif)
    made, image = converted(content, shortest=20, longest=200)
    assert 20 <= min(image.size) <= max(image.size) <= 200
    assert (made.width, made.height) == ((height, width) if orientation > 4 else (width, height))
    place = made.place
    assert 0 <= place.left <= place.left + place.width <= 1
    assert 0 <= place.top <= place.top + place.height <= 1
    shown = place.width * image.width, place.height * image.height
    scale = max(shown) / max(made.width, made.height)
    assert min(shown) == pytest.approx(max(1, min(made.width, made.height) * scale), abs=0.51)


def noise(width: int, height: int) -> Image.Image:
    chance = np.random.default_rng(7)
    return Image.fromarray(chance.integers(0, 256, (height, width, 3), np.uint8))


def test_it_is_compressed_harder_before_it_is_made_smaller() -> None:
    """Pixels are dearer than quality."""
    content = encode(noise(600, 400), "PNG")
    best, image = converted(content)
    assert image.size == (600, 400)
    harder, image = converted(content, max_bytes=len(best.content) - 1)
    assert image.size == (600, 400)
    smaller, image = converted(content, max_bytes=len(harder.content) - 1)
    assert image.size == (300, 200)
    assert len(best.content) > len(harder.content) > len(smaller.content)
    assert (smaller.width, smaller.height) == (600, 400)
    assert whole(smaller)


def test_a_large_jpeg_is_decoded_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it shows stays the same."""
    shrinks = []
    load_source = pyvips.Image.jpegload_source
    monkeypatch.setattr(
        pyvips.Image,
        "jpegload_source",
        lambda *given, **options: (
            shrinks.append(options.get("shrink")) or load_source(*given, **options)
        ),
    )
    large = Image.open(io.BytesIO(photo("rocket.jpg"))).resize((2560, 1708))
    del large.info["icc_profile"]
    _, reduced = converted(encode(large, "JPEG", quality=95), longest=320)
    _, full = converted(encode(large, "PNG"), longest=320)
    assert reduced.size == full.size == (320, 214)
    assert shrinks == [None, 8]
    assert np.abs(np.asarray(reduced, int) - np.asarray(full, int)).mean() < 3


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (photo("chelsea.png")[:50_000], FailureCode.CORRUPT_IMAGE),
        (photo("rocket.jpg")[:500], FailureCode.CORRUPT_IMAGE),
        (b"8BPS" + bytes(100), FailureCode.UNSUPPORTED_FORMAT),
        (encode(Image.new("RGB", (1001, 1000)), "PNG"), FailureCode.TOO_MANY_PIXELS),
    ],
)
def test_refusals_are_those_of_decoding(content: bytes, code: FailureCode) -> None:
    """Nothing is made of what can't be read whole."""
    with pytest.raises(PictureRefused) as refused:
        converted(content, max_pixels=1_000_000)
    assert refused.value.code == code


@pytest.mark.parametrize("made", every_picture(), ids=lambda made: f"{made.kind.name} {made.what}")
def test_every_kind_of_picture_is_converted(made: Made) -> None:
    """As it is displayed, whatever it was stored as: what asks for a JPEG gets one."""
    done = to_jpeg(
        io.BytesIO(made.content),
        max_pixels=1_000_000,
        max_bytes=5_000_000,
        shortest=80,
        longest=4096,
    )
    image = Image.open(io.BytesIO(done.content), formats=["JPEG"])
    image.load()
    on_its_side = made.what in {f"orientation {number}" for number in range(5, 9)}
    assert (done.width, done.height) == ((64, 96) if on_its_side else (96, 64))
    assert image.mode == "RGB"
    assert min(image.size) >= 80
