"""A picture's bytes as the pixels that a detector wants, within limits."""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

import numpy as np
from PIL import Image

from catalogue.blob import FailureCode, ImageType
from catalogue.errors import PictureRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

T = TypeVar("T")

# Ours is checked before a pixel is decoded; Pillow's own would be one for the whole process.
Image.MAX_IMAGE_PIXELS = None

CROP: Final = 0.875  # the share of the short side that the network sees, as it was trained
_ORIENTATION: Final = 0x0112  # Exif 2.3, 4.6.4: tag Orientation
_HEAD: Final = 32

# What Pillow's JPEG and PNG readers raise on damaged files.
_DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS: Final = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The middle of a picture, side x side x 3 (uint8, RGB), and its full size as displayed."""

    pixels: npt.NDArray[np.uint8]
    width: int
    height: int


def load(stream: BinaryIO, declared: ImageType, *, side: int, max_pixels: int) -> Loaded:
    """Decode a picture, turn it upright, and scale the middle of it to `side` x `side`.

    The type is told by content. JPEGs are decoded at the least size that serves; transparency is
    shown on white; of an animation the first frame is taken.

    Raises:
        PictureRefused: UNSUPPORTED_FORMAT, CONTENT_TYPE_MISMATCH, TOO_MANY_PIXELS or
            CORRUPT_IMAGE, each saying what was found.
        OSError: the stream itself can't be read.

    """
    head = stream.read(_HEAD)  # trouble with the stream shows here, as itself
    stream.seek(0)
    _check_type(head, declared)
    with warnings.catch_warnings():
        # Pillow warns of damage that it gets over.
        warnings.simplefilter("ignore")
        image = _refusing_damage(lambda: Image.open(stream, formats=(declared.name,)))
        with image:
            width, height = image.size
            if width * height > max_pixels:
                raise PictureRefused(
                    FailureCode.TOO_MANY_PIXELS,
                    f"{width} x {height} pixels are more than the {max_pixels} that are labelled. "
                    "Upload a smaller version.",
                )
            turn = _refusing_damage(lambda: image.getexif().get(_ORIENTATION, 1))
            pixels = _refusing_damage(lambda: _middle(image, side))
    if turn in _TURNS:
        pixels = pixels.transpose(_TURNS[turn])
    if turn in _SIDEWAYS:
        width, height = height, width
    return Loaded(np.asarray(pixels), width, height)


def name_type(head: bytes) -> str | None:
    """Name the file format that begins with these bytes, where it is one people upload."""
    if head[4:8] == b"ftyp":
        return {b"avif": "AVIF", b"avis": "AVIF"}.get(head[8:12], "HEIC or MP4")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return None


_MAGIC: Final = (
    (b"\xff\xd8\xff", ImageType.JPEG.name),
    (b"\x89PNG\r\n\x1a\n", ImageType.PNG.name),
    (b"GIF8", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"BM", "BMP"),
    (b"%PDF", "PDF"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML or SVG"),
    (b"8BPS", "Photoshop"),
)


def _check_type(head: bytes, declared: ImageType) -> None:
    found = name_type(head)
    if found == declared.name:
        return
    if found in ImageType.__members__:
        raise PictureRefused(
            FailureCode.CONTENT_TYPE_MISMATCH,
            f"The file is {found}, but {declared.name} was announced. "
            f"Create the upload with contentType {found}.",
        )
    accepted = " or ".join(ImageType.__members__)
    raise PictureRefused(
        FailureCode.UNSUPPORTED_FORMAT,
        f"The file is {found or 'of no format we know'}; upload {accepted}.",
    )


def _refusing_damage(read: Callable[[], T]) -> T:
    try:
        return read()
    except _DAMAGE as exc:
        raise PictureRefused(
            FailureCode.CORRUPT_IMAGE,
            "The file is damaged or cut short. Export the picture again and upload that.",
        ) from exc


def _middle(image: Image.Image, side: int) -> Image.Image:
    """Scale the picture so that its short side is side / CROP, and cut out the middle."""
    whole = round(side / CROP)
    image.draft("RGB", (whole, whole))  # JPEG: decode at 1/2, 1/4 or 1/8 where that is enough
    image.load()
    width, height = image.size
    cut = min(width, height) * side / whole
    left, top = (width - cut) / 2, (height - cut) / 2
    box = (left, top, left + cut, top + cut)
    return _as_rgb(image).resize(
        (side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0
    )


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey: Pillow's convert would clip them to white
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        shown = Image.new("RGB", image.size, "white")
        shown.paste(clear, mask=clear.getchannel("A"))
        return shown
    return image.convert("RGB")
