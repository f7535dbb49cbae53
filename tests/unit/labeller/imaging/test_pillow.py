"""GIF's canvas and BMP's unused alpha, which Pillow itself shows otherwise."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused
from labeller.imaging import sources
from labeller.imaging.image import Fit, Frame, LoadedImage, load
from tests.support.images.pictures import encode

RED, WHITE = [255, 0, 0], [255, 255, 255]


def seen(content: bytes) -> LoadedImage:
    frame = Frame(16, 16, Fit.STRETCH)
    return load(io.BytesIO(content), frame=frame, max_pixels=1_000_000)


def gif(screen: tuple[int, int], left: int, top: int, frame: tuple[int, int] = (8, 8)) -> bytes:
    """A red frame on a screen of that size, and a second one that covers it."""
    plain = encode(Image.new("RGB", frame, "red").quantize(4), ImageType.GIF)
    place = struct.pack("<HH", left, top)
    at = plain.index(b"\x2c", 13)
    image = plain[at : at + 1] + place + plain[at + 5 : -1]
    return plain[:6] + struct.pack("<HH", *screen) + plain[10:at] + image + plain[at:]


def test_the_canvas_of_a_gif_is_clear() -> None:
    """Whatever its background colour is."""
    pixels = seen(gif((16, 16), 4, 8)).pixels
    assert np.all(pixels[8:, 4:12] == RED)
    assert np.all(pixels[:8] == WHITE)
    assert np.all(pixels[:, :4] == WHITE)
    assert np.all(pixels[:, 12:] == WHITE)


@pytest.mark.parametrize(("left", "top"), [(60_000, 60_000), (16, 0), (0, 65_535)])
def test_a_frame_outside_does_not_decide_the_size(left: int, top: int) -> None:
    """The screen does."""
    loaded = seen(gif((16, 16), left, top))
    assert (loaded.width, loaded.height) == (16, 16)
    assert np.all(loaded.pixels == WHITE)


def test_a_frame_partly_outside_is_cut() -> None:
    """At the screen's edge."""
    loaded = seen(gif((16, 16), 12, 12))
    assert (loaded.width, loaded.height) == (16, 16)
    assert np.all(loaded.pixels[12:, 12:] == RED)
    assert np.all(loaded.pixels[:12] == WHITE)


def test_a_screen_without_a_size_is_as_large_as_its_frame() -> None:
    """As browsers have it."""
    loaded = seen(gif((0, 0), 0, 0))
    assert (loaded.width, loaded.height) == (8, 8)
    assert np.all(loaded.pixels == RED)


def test_a_screen_that_is_too_large_is_refused() -> None:
    """By its own size, not the frame's."""
    with pytest.raises(PictureRefused) as refused:
        seen(gif((65_535, 65_535), 0, 0))
    assert refused.value.code is FailureCode.TOO_MANY_PIXELS


def test_a_frame_that_is_too_large_is_refused() -> None:
    """However little the screen shows of it: all of it is decoded."""
    with pytest.raises(PictureRefused) as refused:
        seen(gif((16, 16), 0, 0, frame=(1_001, 1_000)))
    assert refused.value.code is FailureCode.TOO_MANY_PIXELS
    assert "1,001 x 1,000" in refused.value.message


def test_the_memory_of_a_large_frame_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside that of the screen."""
    monkeypatch.setattr(sources, "MAX_MEMORY", 2_000_000)
    assert seen(gif((16, 16), 0, 0, frame=(600, 600))).width == 16
    with pytest.raises(PictureRefused) as refused:
        seen(gif((16, 16), 0, 0, frame=(1_000, 1_000)))
    assert refused.value.code is FailureCode.TOO_MANY_PIXELS


def bmp(alpha: int) -> bytes:
    """A red BMP with the header of version 4, and alpha."""
    header = struct.pack("<IiiHHIIiiII", 108, 16, 16, 1, 32, 3, 1024, 0, 0, 0, 0)
    header += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    pixels = bytes([0, 0, 255, alpha]) * 256
    return b"BM" + struct.pack("<IHHI", 14 + 108 + 1024, 0, 0, 122) + header + pixels


@pytest.mark.parametrize(
    ("alpha", "colour"), [(0, RED), (255, RED), (128, [255, 127, 127]), (1, [255, 254, 254])]
)
def test_an_alpha_of_nothing_but_zeros_is_opaque(alpha: int, colour: list[int]) -> None:
    """A program that knows no alpha wrote it; any other is believed."""
    assert np.abs(seen(bmp(alpha)).pixels.astype(int) - colour).max() <= 1


@pytest.mark.parametrize(
    ("bits", "compression", "masks"),
    [
        (32, 3, (0x3FF00000, 0xFFC00, 0x3FF, 0)),
        (16, 3, (0xF00, 0xF0, 0xF, 0xF000)),
        (24, 4, (0, 0, 0, 0)),
        (32, 5, (0, 0, 0, 0)),
        (2, 0, (0, 0, 0, 0)),
    ],
    ids=["10 bits a colour", "4 bits a colour", "JPEG", "PNG", "2 bits"],
)
def test_rare_bmps_are_refused_with_a_remedy(
    bits: int, compression: int, masks: tuple[int, ...]
) -> None:
    """They are whole, but the decoder does not know them."""
    plain = bmp(255)
    content = plain[:28] + struct.pack("<HI", bits, compression) + plain[34:54]
    content += struct.pack("<IIII", *masks) + plain[70:]
    with pytest.raises(PictureRefused, match=f"{bits} bits a pixel.* Save it again") as refused:
        seen(content)
    assert refused.value.code is FailureCode.UNSUPPORTED_FORMAT


def test_one_opaque_pixel_makes_alpha_count() -> None:
    """Then the others are clear by intent."""
    content = bmp(0)
    pixels = seen(content[:-1] + b"\xff").pixels
    assert pixels[0, 15].tolist() == RED
    assert np.all(pixels[1:] == WHITE)
