"""ImageMagick, as a second decoder.

For JPEG, PNG, TIFF, WebP and HEIF it calls the libraries that libvips and Pillow call, in other
versions and through code of its own; GIF and BMP it decodes itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import ImageCms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.support.images.corpus import Entry


def require_imagemagick() -> str:
    """Return ImageMagick's command; skip the test without it, and fail in CI."""
    for name in ("magick", "convert"):
        command = shutil.which(name)
        # Other programs are called convert, too.
        if command and _printed(command, "-version").startswith(b"Version: ImageMagick"):
            return command
    missing = "ImageMagick is not installed (Debian: apt-get install imagemagick)"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def decode(command: str, entries: Sequence[Entry], folder: Path) -> list[NDArray[np.uint8]]:
    """Return what images show, in sRGB on white, each of shape (height, width, 3).

    One process decodes all of them, by way of files in the folder.
    """
    srgb = folder / "srgb.icc"
    srgb.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    arguments, outputs = [command], []
    for number, entry in enumerate(entries):
        file = folder / f"{number}.{entry.kind.name.lower()}"
        file.write_bytes(entry.content)
        outputs.append(file.with_suffix(".ppm"))
        # Without a profile of its own, an image would only be given this one.
        profile = ["-profile", str(srgb)] if entry.what.startswith("profile") else []
        flat = ["-background", "white", "-alpha", "remove", "-alpha", "off", "-colorspace", "sRGB"]
        written = ["-depth", "8", "-write", f"ppm:{outputs[-1]}", "+delete"]
        arguments += ["(", f"{file}[0]", "-auto-orient", *profile, *flat, *written, ")"]
    arguments += ["xc:white", "null:"]
    subprocess.run(arguments, check=True, capture_output=True)
    return [_pixels(each.read_bytes()) for each in outputs]


def _pixels(ppm: bytes) -> NDArray[np.uint8]:
    _, size, most, samples = ppm.split(b"\n", 3)
    assert most == b"255"
    width, height = map(int, size.split())
    return np.frombuffer(samples, np.uint8).reshape(height, width, 3)


def _printed(*command: str) -> bytes:
    return subprocess.run(command, check=False, capture_output=True).stdout
