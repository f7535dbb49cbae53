"""Parts of decoded images at other sizes, in sRGB (IEC 61966-2-1)."""

from __future__ import annotations

import re
from typing import Final

import pyvips

from labeller.imaging.header import not_read

# A printer's takes up to 3 MB; more is as good as none.
MAX_PROFILE: Final = 4_000_000  # bytes
_SRGB: Final = re.compile(b"sRGB|s\0R\0G\0B")
_LINEAR: Final = re.compile(b"inear|i\0n\0e\0a\0r")
_RGB: Final = 3  # bands
_FULL: Final = {"ushort": 65_535, "uint": 2**32 - 1, "float": 1}  # by format, others 255
_ROUNDING: Final = 0.01


def fitted(width: int, height: int, scale: float) -> tuple[int, int]:
    """Return a size at another scale, one pixel a side at least."""
    return max(1, round(width * scale)), max(1, round(height * scale))


def resized(
    image: pyvips.Image,
    width: int,
    height: int,
    share: tuple[float, float] = (1, 1),
) -> pyvips.Image:
    """Return the middle of an image, that share of it across and down, at another size."""
    scales = width / (share[0] * image.width), height / (share[1] * image.height)
    across = _part(image.width, width, scales[0])
    down = _part(image.height, height, scales[1])
    left, top = (image.width - across) // 2, (image.height - down) // 2
    image = image.crop(left, top, across, down).resize(scales[0], vscale=scales[1], kernel="cubic")
    return to_srgb(image.gravity("centre", width, height, extend="copy"))


def _part(length: int, wanted: int, scale: float) -> int:
    """Return how many pixels of a side are to be resized, so that the middle stays where it is.

    As many are left out on each side of them, and on each side of those that are wanted then.
    """
    least = max(1, int(wanted / scale))
    for part in range(least + (length - least) % 2, length, 2):
        if part * scale >= wanted and (round(part * scale) - wanted) % 2 == 0:
            return part
    return length


def opaque(image: pyvips.Image) -> pyvips.Image:
    """Lay transparency on white, and drop bands beyond."""
    ink = image.interpretation == "cmyk"
    colours = 4 if ink else 1 if image.interpretation in ("b-w", "grey16") else _RGB
    if image.bands <= colours:
        return image
    full = _FULL.get(image.format, 255)
    image = image if image.bands == colours + 1 else image[: colours + 1]
    return image.flatten(background=0 if ink else full, max_alpha=full)


def to_srgb(image: pyvips.Image) -> pyvips.Image:
    """Return an opaque image in 8-bit RGB. A profile that can't be used is as good as none.

    Raises PictureRefused for numbers whose range is not known.
    """
    if image.format == "float" and image.interpretation != "lab":
        image = _in_range(image)
    profile = image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else b""
    same = image.bands == _RGB and _SRGB.search(profile) and not _LINEAR.search(profile)
    if profile and not same and len(profile) <= MAX_PROFILE:
        try:
            return image.icc_transform("srgb", embedded=True, intent="perceptual", depth=8)
        except pyvips.Error:  # whatever is wrong with it, the image can be seen without
            pass
    full = _FULL.get(image.format, 255)
    if image.interpretation == "cmyk":  # inks are taken to be ideal
        image = (full - image[:_RGB]) * (full - image[_RGB]) / full
    elif image.format != "uint":
        return image.colourspace("srgb")
    image = (image * (255 / full)).cast("uchar")
    return image.copy(interpretation="srgb" if image.bands == _RGB else "b-w").colourspace("srgb")


def _in_range(image: pyvips.Image) -> pyvips.Image:
    """Return floats as samples of 8 bits: 1 is full light, as in most programs, or 255."""
    least, most = image.min(), image.max()
    if least < -_ROUNDING or most > 255 + _ROUNDING:
        raise not_read(f"The TIFF has samples from {least:.4g} to {most:.4g}")
    image = image * (255 if most <= 1 + _ROUNDING else 1) + 0.5
    return image.cast("uchar").copy(interpretation="srgb" if image.bands == _RGB else "b-w")
