"""From the bytes of an uploaded JPEG or PNG to the small square a network looks at."""

from __future__ import annotations

import math
import re
import struct
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from catalogue.blob import FailureCode, ImageType
from catalogue.errors import CatalogueError, PictureRefused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

# Classifiers are trained on the middle of a picture: resize to side / 0.875, then crop.
CROP: Final = 0.875
# A reduced-size JPEG decode leaves this many times the pixels a side that the network takes, and
# so does the first, coarse step of resizing. Below 2 the labels of some photographs change by ten
# points (docs/decisions/0003).
OVERSAMPLING: Final = 2
# A progressive JPEG has about ten scans. Each costs a pass over all pixels and need be no longer
# than 75 bytes: without a limit 15 MB keep the decoder busy for two hours.
MAX_SCANS: Final = 50

_PREFIX_BYTES: Final = 16
_MAGIC: Final = {b"\xff\xd8\xff": ImageType.JPEG, b"\x89PNG\r\n\x1a\n": ImageType.PNG}
_OTHERS: Final = (
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"II*\x00", "a TIFF picture"),
    (0, b"MM\x00*", "a TIFF picture"),
    (0, b"II+\x00", "a TIFF picture"),
    (0, b"MM\x00+", "a TIFF picture"),
    (4, b"ftyphe", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIC picture"),
    (4, b"ftypmsf1", "a HEIC picture"),
    (4, b"ftypavi", "an AVIF picture"),
    (4, b"ftyp", "a video"),
    (4, b"jP  \r\n\x87\n", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (4, b"JXL \r\n\x87\n", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<", "text with markup"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x00\x00\x01\x00", "an icon"),
    (0, b"BM", "a BMP picture"),
)

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
_ON_ITS_SIDE: Final = frozenset({5, 6, 7, 8})
_ORIENTATION_TAG: Final = 0x0112
_SHORT: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """The middle of a picture, and the size of the whole.

    `pixels` are uint8 of shape (side, side, 3), RGB; `width` and `height` count the pixels of the
    full picture as it is displayed.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int


def load(stream: BinaryIO, declared: ImageType, *, side: int, max_pixels: int) -> LoadedImage:
    """Decode a picture and return its middle, `side` pixels wide and high.

    Turned as EXIF says, transparency laid on white, 16-bit numbers scaled to 8, the first frame
    of an animation. The stream is read from its start and is left open.

    Raises:
        PictureRefused: it is neither JPEG nor PNG, or not what was declared, or has more than
            `max_pixels` (found out before decoding), or is damaged.
        Unavailable: the stream or the memory failed, not the picture.

    """
    with _translated():
        stream.seek(0)
        found = _require_type(stream.read(_PREFIX_BYTES), declared)
        stream.seek(0)
        # The plugins themselves: Image.open would warn of many pixels (or refuse them) by a limit
        # of its own, and take a JPEG with a second picture inside for another format.
        image = _Jpeg(stream) if found is ImageType.JPEG else PngImageFile(stream)
        width, height = image.size
        _require_pixels(width, height, max_pixels)
        if isinstance(image, JpegImageFile):
            _require_few_scans(stream)
            shortest = math.ceil(OVERSAMPLING * side / CROP)
            image.draft(None, (shortest, shortest))
        square = _on_white(_middle(image, side))
        # Read late: a PNG may have it after the pixels. It may also have a text of that name.
        exif = image.info.get("exif")
        orientation = orientation_in(exif) if isinstance(exif, bytes) else 1
        if orientation in _UNTURN:
            square = square.transpose(_UNTURN[orientation])
        if orientation in _ON_ITS_SIDE:
            width, height = height, width
        return LoadedImage(np.asarray(square), width, height)


def orientation_in(exif: bytes) -> int:
    """Return EXIF's Orientation, 1 to 8; 1 (upright) when there is none that can be read."""
    tiff = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(
                f"{order}HHIH", tiff, directory + 2 + 12 * entry
            )
            if tag == _ORIENTATION_TAG and kind == _SHORT:
                return value if value in _UNTURN else 1
    except struct.error:
        pass  # cut short or made up: as good as none
    return 1


def scans_in(jpeg: bytes) -> int:
    """Count the scans of a JPEG, without those of a thumbnail or of anything after its end."""
    scans = position = 0
    while (marker := _MARKER.search(jpeg, position)) and marker[0] != _END_OF_IMAGE:
        scans += marker[0] == _START_OF_SCAN
        position = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
    return scans


class _Jpeg(JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Leave EXIF alone: the resolution is of no use here, and Pillow warns of every oddity."""


def _require_type(prefix: bytes, declared: ImageType) -> ImageType:
    found = next((kind for magic, kind in _MAGIC.items() if prefix.startswith(magic)), None)
    if found is None:
        raise PictureRefused(
            FailureCode.UNSUPPORTED_FORMAT,
            f"The file seems to be {_described(prefix)}; JPEG and PNG pictures are accepted.",
        )
    if found is not declared:
        raise PictureRefused(
            FailureCode.CONTENT_TYPE_MISMATCH,
            f"The file is a {found.name} picture, but {declared} was declared; "
            f"declare {found} for it.",
        )
    return found


def _described(prefix: bytes) -> str:
    if not prefix:
        return "empty"
    for offset, magic, name in _OTHERS:
        if prefix[offset:].startswith(magic):
            return name
    return "of an unknown format"


def _require_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PictureRefused(
            FailureCode.TOO_MANY_PIXELS,
            f"The picture has {width:,} x {height:,} pixels, {width * height:,} in all; "
            f"at most {max_pixels:,} are accepted.",
        )


def _require_few_scans(stream: BinaryIO) -> None:
    stream.seek(0)
    scans = scans_in(stream.read())
    if scans > MAX_SCANS:
        raise PictureRefused(
            FailureCode.CORRUPT_IMAGE,
            f"The picture is stored in {scans:,} scans; at most {MAX_SCANS} are accepted. "
            "Save it again as an ordinary JPEG.",
        )


def _middle(image: ImageFile, side: int) -> Image.Image:
    """Crop and resize at once, so that no pixel outside the crop is worked on."""
    pixels: Image.Image = image
    if image.mode == "I;16":
        # Pillow's own conversion clips at 255.
        pixels = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif "transparency" in image.info:
        pixels = image.convert("RGBA")
    elif image.mode in ("1", "P"):
        pixels = image.convert("RGB")  # neither can be interpolated
    width, height = pixels.size
    crop = CROP * min(width, height)
    return pixels.resize(
        (side, side),
        Image.Resampling.BICUBIC,
        box=((width - crop) / 2, (height - crop) / 2, (width + crop) / 2, (height + crop) / 2),
        reducing_gap=OVERSAMPLING,
    )


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


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
