"""Opening pictures with Pillow, within limits and with errors that say whose fault it is."""

from __future__ import annotations

import re
import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from catalogue.blob import FailureCode, ImageType
from catalogue.errors import CatalogueError, PictureRefused, Unavailable
from labeller.header import (
    ON_ITS_SIDE,
    PREFIX_BYTES,
    orientation_in,
    require_pixels,
    require_type,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageFile import ImageFile

# A progressive JPEG has about ten scans. Each costs a pass over all pixels and need be no longer
# than 75 bytes: without a limit 15 MB keep the decoder busy for two hours.
MAX_SCANS: Final = 50

# Before the pixels. A picture with all of a camera's notes and a depth map has a hundred; Pillow
# takes minutes over the millions that 15 MB can hold.
MAX_SEGMENTS: Final = 2000
MAX_PADDING: Final = 65_536  # bytes between two of them

_START_OF_SCAN: Final = b"\xff\xda"
_END_OF_IMAGE: Final = b"\xff\xd9"
# A marker with a segment after it, or the end: in compressed data 0xFF is followed by a zero, and
# a restart, a start of image and 0x01 stand alone.
_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")

# What undoes the camera's turn, by EXIF's Orientation.
_UNTURN: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@contextmanager
def opened(stream: BinaryIO, declared: ImageType, *, max_pixels: int) -> Iterator[ImageFile]:
    """Open a picture whose pixels are then decoded inside the block.

    The stream is read from its start and is left open.

    Raises:
        PictureRefused: it is neither JPEG nor PNG, or not what was declared, or has more than
            `max_pixels` (found out before decoding), or is damaged.
        Unavailable: the stream or the memory failed, not the picture.

    """
    with _translated():
        stream.seek(0)
        found = require_type(stream.read(PREFIX_BYTES), declared)
        stream.seek(0)
        # The plugins themselves: Image.open would warn of many pixels (or refuse them) by a limit
        # of its own, and take a JPEG with a second picture inside for another format.
        if found is ImageType.JPEG:
            content = stream.read()
            stream.seek(0)
            _require_few_segments(content)
            image: ImageFile = _Jpeg(stream)
            require_pixels(*image.size, max_pixels)
            _require_few_scans(content)
            del content  # not for as long as the caller decodes
        else:
            image = PngImageFile(stream)
            require_pixels(*image.size, max_pixels)
        yield image


def eight_bits(image: ImageFile) -> Image.Image:
    """Give a picture a mode that can be interpolated: no palette, 16-bit numbers scaled to 8."""
    if image.mode == "I;16":
        # Pillow's own conversion clips at 255.
        return image.point(lambda value: value * (1 / 256)).convert("L")
    if "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("1", "P"):
        return image.convert("RGB")
    return image


def turned(image: Image.Image, source: ImageFile) -> tuple[Image.Image, bool]:
    """Turn a picture as its source's EXIF says; tell whether width and height changed places."""
    # To be read late: a PNG may have it after the pixels. It may also have a text of that name.
    exif = source.info.get("exif")
    orientation = orientation_in(exif) if isinstance(exif, bytes) else 1
    if orientation in _UNTURN:
        image = image.transpose(_UNTURN[orientation])
    return image, orientation in ON_ITS_SIDE


def on_white(image: Image.Image) -> Image.Image:
    """Return a picture in RGB, transparency laid on white."""
    if image.mode not in ("LA", "RGBA"):
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def scans_in(jpeg: bytes) -> int:
    """Count the scans of a JPEG, without those of a thumbnail or of anything after its end."""
    scans = 0
    for marker, _ in _markers(jpeg, 0):
        if marker == _END_OF_IMAGE:
            break
        scans += marker == _START_OF_SCAN
    return scans


def _markers(jpeg: bytes, position: int) -> Iterator[tuple[bytes, int]]:
    """Give each marker from there on, and how many bytes lie between it and the segment before."""
    while found := _MARKER.search(jpeg, position):
        yield found[0], found.start() - position
        position = found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2], "big")


class _Jpeg(JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Leave EXIF alone: the resolution is of no use here, and Pillow warns of every oddity."""


def _require_few_segments(jpeg: bytes) -> None:
    for number, (marker, padding) in enumerate(_markers(jpeg, 2), start=1):
        if marker == _START_OF_SCAN:
            return
        if number > MAX_SEGMENTS or padding > MAX_PADDING:
            raise PictureRefused(
                FailureCode.CORRUPT_IMAGE,
                f"The picture has more than {MAX_SEGMENTS:,} segments, or too much between them. "
                "Save it again as an ordinary JPEG.",
            )


def _require_few_scans(jpeg: bytes) -> None:
    scans = scans_in(jpeg)
    if scans > MAX_SCANS:
        raise PictureRefused(
            FailureCode.CORRUPT_IMAGE,
            f"The picture is stored in {scans:,} scans; at most {MAX_SCANS} are accepted. "
            "Save it again as an ordinary JPEG.",
        )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CatalogueError:
        raise  # some are a ValueError or a LookupError, too
    except MemoryError as exc:
        raise Unavailable("There is not enough memory to decode a picture now.") from exc
    except (
        ArithmeticError,
        EOFError,
        LookupError,
        OSError,
        SyntaxError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
        # Pillow warns of a malformed animation: an error only where warnings are errors.
        Warning,
    ) as exc:
        # The operating system numbers its errors; Pillow doesn't number the picture's.
        if isinstance(exc, OSError) and exc.errno is not None:
            raise Unavailable(f"A picture can't be read: {exc}") from exc
        raise PictureRefused(
            FailureCode.CORRUPT_IMAGE, f"The picture is damaged or incomplete: {exc}."
        ) from exc
