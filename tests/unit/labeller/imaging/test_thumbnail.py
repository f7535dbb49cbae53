"""Thumbnails of real and odd pictures."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from core.domain.blob import ImageType
from core.domain.errors import PictureRefused
from core.domain.thumbnail import ThumbnailSize
from labeller.imaging.thumbnail import thumbnail
from tests.support.images.photos import as_jpeg, photo
from tests.support.images.pictures import encode, quarters, turned

SIDE = 320


def shown(
    content: bytes, size: ThumbnailSize = ThumbnailSize.SMALL, max_pixels: int = 50_000_000
) -> Image.Image:
    """Return the thumbnail as a browser would decode it."""
    made = thumbnail(io.BytesIO(content), size, max_pixels=max_pixels)
    small = Image.open(io.BytesIO(made))
    assert small.format == "WEBP"
    return small


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "motorcycle_left.png"])
@pytest.mark.parametrize("declared", [ImageType.PNG, ImageType.JPEG])
def test_a_thumbnail_is_the_picture_made_small(name: str, declared: ImageType) -> None:
    """Its longer side is SIDE, its shape is kept, and so is what it shows."""
    content = photo(name) if declared is ImageType.PNG else as_jpeg(photo(name))
    whole = Image.open(io.BytesIO(content)).convert("RGB")
    small = shown(content)
    assert max(small.size) == SIDE
    assert small.width / small.height == pytest.approx(whole.width / whole.height, rel=0.01)
    expected = whole.resize(small.size, Image.Resampling.BOX)
    pairs = zip(small.convert("L").tobytes(), expected.convert("L").tobytes(), strict=True)
    differences = [abs(one - other) for one, other in pairs]
    assert sum(differences) / len(differences) < 8


def test_a_small_picture_stays_as_it_is() -> None:
    """Nothing is blown up."""
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(out, "PNG")
    assert shown(out.getvalue()).size == (40, 30)


def test_a_picture_is_shown_as_the_camera_was_held() -> None:
    """EXIF's orientation 6: what is stored lying stands."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (600, 300), "red").save(out, "JPEG", exif=exif)
    assert shown(out.getvalue()).size == (SIDE // 2, SIDE)
    assert shown(out.getvalue(), ThumbnailSize.LARGE).size == (300, 600)


def test_a_large_one_has_up_to_2048_pixels_a_side() -> None:
    """Of a HEIC that is shown standing too."""
    tall = encode(quarters(3000, 1500), ImageType.HEIC, exif=turned(6))
    assert shown(tall, ThumbnailSize.LARGE).size == (1024, 2048)
    assert shown(photo("chelsea.png"), ThumbnailSize.LARGE).size == (451, 300)


def test_transparency_is_laid_on_white() -> None:
    """A palette image works too."""
    out = io.BytesIO()
    Image.new("RGBA", (400, 400), (0, 0, 0, 0)).save(out, "PNG")
    assert shown(out.getvalue()).convert("RGB").getpixel((50, 50)) == (255,) * 3


def test_a_line_keeps_a_pixel() -> None:
    """However far it is scaled down."""
    out = io.BytesIO()
    Image.new("RGB", (4000, 1), "red").save(out, "PNG")
    assert shown(out.getvalue()).size == (SIDE, 1)


def test_what_is_refused_for_labels_is_refused_here() -> None:
    """Too many pixels, no picture."""
    with pytest.raises(PictureRefused):
        shown(photo("chelsea.png"), max_pixels=1000)
    with pytest.raises(PictureRefused):
        shown(photo("chelsea.png")[:2000])
