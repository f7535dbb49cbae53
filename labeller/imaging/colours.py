"""Every way of storing colours becomes 8-bit RGB in sRGB (IEC 61966-2-1)."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Final

from PIL import Image, ImageCms

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused

# A printer's takes up to 3 MB; more is as good as none.
MAX_PROFILE: Final = 4_000_000  # bytes

_SPACES: Final = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}
_PLAIN: Final = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "LAB", "YCbCr"})
_WITH_ALPHA: Final = frozenset({"La", "PA", "RGBa"})


def eight_bits(image: Image.Image) -> Image.Image:
    """Give a picture a mode that can be interpolated: no palette, 16-bit numbers scaled to 8.

    Raises:
        PictureRefused: it stores numbers without a known range, as sensors and maps do.

    """
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255.
        return image.point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("I", "F"):
        raise PictureRefused(
            FailureCode.UNSUPPORTED_FORMAT,
            "The picture stores each sample in 32 bits; save it again with 8 or 16.",
        )
    if "transparency" in image.info or image.mode in _WITH_ALPHA:
        return image.convert("RGBA")
    return image if image.mode in _PLAIN else image.convert("RGB")


def on_white(image: Image.Image) -> Image.Image:
    """Return a picture without transparency, which is laid on white."""
    if image.mode not in ("LA", "RGBA"):
        return image
    white = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(white, image.convert("RGBA"))
    return flat.convert("L" if image.mode == "LA" else "RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a picture in RGB. A profile that can't be used is as good as none."""
    if image.mode == "LAB":
        transform = _transform(None, "LAB")
    elif profile and len(profile) <= MAX_PROFILE and image.mode in _SPACES:
        transform = _transform(profile, image.mode)
    else:
        transform = None
    if transform is None:
        return image.convert("RGB")
    return ImageCms.applyTransform(image, transform) or image.convert("RGB")


@lru_cache(maxsize=4)
def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Make what turns a mode's colours into sRGB; None where there is none to make, or no need."""
    try:
        if profile is None:
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            told = source.profile
            if told.xcolor_space != _SPACES[mode] or "sRGB" in (told.profile_description or ""):
                return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    # Whatever is wrong with a profile, the picture can be seen without.
    except (ImageCms.PyCMSError, ArithmeticError, LookupError, OSError, TypeError, ValueError):
        return None
