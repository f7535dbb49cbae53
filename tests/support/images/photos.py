"""Real photographs, from scikit-image."""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path

from PIL import Image


def photo(name: str) -> bytes:
    """Return the bytes of one of scikit-image's pictures: chelsea.png, coffee.png, rocket.jpg."""
    return Path(str(resources.files("skimage") / "data" / name)).read_bytes()


def large_photo(side: int = 4000) -> bytes:
    """Return a PNG of many megapixels, which takes a while to decode."""
    picture = Image.open(io.BytesIO(photo("chelsea.png"))).convert("RGB")
    out = io.BytesIO()
    picture.resize((side, side * 3 // 4)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def as_jpeg(picture: bytes, size: tuple[int, int] | None = None) -> bytes:
    """Return a picture as a JPEG, resized if a size is given."""
    out = io.BytesIO()
    opened = Image.open(io.BytesIO(picture)).convert("RGB")
    (opened.resize(size) if size else opened).save(out, "JPEG", quality=90)
    return out.getvalue()


def as_tiff(picture: bytes) -> bytes:
    """Return a picture as a TIFF, which browsers do not show."""
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").save(out, "TIFF")
    return out.getvalue()
