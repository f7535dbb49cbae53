"""Images as libvips decodes them: opened, and their pixels when they are asked for."""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import pyvips

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused
from labeller.imaging import damage
from labeller.imaging.header import require_pixels, type_of
from labeller.imaging.memory import give_back

if TYPE_CHECKING:
    from collections.abc import Callable

# What decoding one image may take. Beside a process with its model in it, 512 MB are not passed.
MAX_MEMORY: Final = 405_000_000  # bytes
# From there on what earlier images left is first given back, so that it doesn't come on top.
MUCH_MEMORY: Final = 64_000_000  # bytes
_ROWS: Final = 1200  # that libvips keeps of a stream at most, as measured; or 1.5 times all of it
_SAMPLE_BYTES: Final = {"ushort": 2, "uint": 4, "float": 4}
MIN_SHARE: Final = 0.75  # of a broken-off JPEG that must be there
_HEADER_END: Final = 33  # of a PNG's first chunk
_GREY: Final = 128  # what libjpeg makes of blocks that are not there
_GREY_SPREAD: Final = 3
_USUAL_FRAMES: Final = range(0xC0, 0xC3)  # baseline, extended and progressive
_FIRST_ON_ITS_SIDE: Final = 5  # of EXIF's orientations
# What libvips warns of where samples are damaged. Most of its warnings are of metadata.
_DAMAGE: Final = re.compile(
    "Corrupt JPEG|Premature|Bad code|Line length|Uncompressed data|lack of data|Discarding"
)
_JUNK: Final = re.compile("extraneous bytes before marker 0x(c[04]|d[bd]|[ef].)")


class Source:
    """An opened image: its type, its size in pixels as displayed, and its pixels."""

    pixel_bytes = 0.0  # that decoding keeps of each pixel
    kept_bytes = 0.0  # of rows, as they pass

    def __init__(self, kind: ImageType, width: int, height: int, orientation: int = 1) -> None:
        self.kind = kind
        self.orientation = orientation if orientation in range(1, 9) else 1
        on_its_side = self.orientation >= _FIRST_ON_ITS_SIDE
        self.width, self.height = (height, width) if on_its_side else (width, height)

    def stored(self, share: float) -> pyvips.Image:
        """Return all pixels as stored, or a smaller image of at least that share of each side."""
        raise NotImplementedError

    def decoded(self, share: float) -> tuple[pyvips.Image, float]:
        """Decode to that share of each side or more: upright, on white, in its own colours.

        Returns the image and what its pixels are as a share of the whole's, both a side.
        """
        share = min(1.0, share)
        image = opaque(self.stored(share))
        density = max(image.width, image.height) / max(self.width, self.height)
        by = max(1, int(density / share))
        if by > 1:
            # Whole cells, with as much left out on each side.
            across, down = (max(side // by, 1) * by for side in (image.width, image.height))
            image = image.gravity("centre", across, down, extend="copy").shrink(by, by)
        image = image.copy_memory()
        image.set_type(pyvips.GValue.gint_type, "orientation", self.orientation)
        return image.autorot(), density / by

    def require_unharmed(self, warnings: list[str]) -> None:
        """Raise PictureRefused where libvips warned of damage while it decoded."""
        if harm := [each for each in warnings if _DAMAGE.search(each)]:
            raise damage.damaged(harm[0])


class Streamed(Source):
    """An image that libvips decodes row by row."""

    fail_on = "error"

    def __init__(self, kind: ImageType, content: bytes) -> None:
        self._content = content
        self._load: Callable[..., Any] = getattr(pyvips.Image, f"{kind.name.lower()}load_source")
        self.header = self.opened()
        orientation = self.field("orientation", 1)
        super().__init__(kind, self.header.width, self.header.height, orientation)
        sample = _SAMPLE_BYTES.get(self.header.format, 1)
        rows = min(1.5 * self.header.height, _ROWS)
        self.kept_bytes = rows * self.header.width * self.header.bands * sample

    def opened(self, **options: Any) -> pyvips.Image:
        """Return a new stream of the pixels."""
        source = pyvips.Source.new_from_memory(self._content)  # a buffer would be copied
        return self._load(source, access="sequential", fail_on=self.fail_on, **options)

    def field(self, name: str, default: Any = None) -> Any:
        """Return what libvips found of that name."""
        return self.header.get(name) if self.header.get_typeof(name) else default

    def stored(self, share: float) -> pyvips.Image:  # noqa: ARG002, D102
        return self.opened()


class _Jpeg(Streamed):
    def __init__(self, content: bytes) -> None:
        try:
            header = damage.read_jpeg(content)
            self._ended = damage.has_end(content, header)
        except (IndexError, struct.error) as exc:
            raise damage.damaged(exc) from exc
        self._junk = header.scan is None
        # libjpeg decodes what there is of a truncated image if an end marker follows.
        super().__init__(ImageType.JPEG, content if self._ended else content + b"\xff\xd9")
        if self.field("jpeg-multiscan") == 1:  # then it keeps every coefficient
            halved = self.field("jpeg-chroma-subsample") == "4:2:0"
            self.pixel_bytes = 3 if halved else 2 * self.header.bands

    def stored(self, share: float) -> pyvips.Image:
        most = min(1 / share, self.width, self.height)
        image = self.opened(shrink=next((by for by in (8, 4, 2) if by <= most), 1))
        if self._ended:
            return image
        image = image.copy_memory()
        # The lower part may be nothing but the grey of missing blocks.
        trim = image.find_trim(threshold=_GREY_SPREAD, background=[_GREY], line_art=True)
        share = (trim[1] + trim[3]) / image.height
        if share < MIN_SHARE:
            raise PictureRefused(
                FailureCode.CORRUPT_IMAGE,
                f"The picture is broken off: {share:.0%} of it are there. Upload it again.",
            )
        return image

    def require_unharmed(self, warnings: list[str]) -> None:
        """Overlook junk in the header, and that the end is missing."""
        if self._ended:
            junk = [each for each in warnings if self._junk and _JUNK.search(each)]
            super().require_unharmed([each for each in warnings if each not in junk])


class _Png(Streamed):
    def __init__(self, content: bytes) -> None:
        super().__init__(ImageType.PNG, _with_exif_first(content))
        if self.field("interlaced") == 1:  # then all of it is kept
            self.pixel_bytes = self.header.bands * (1 + (self.header.format == "ushort"))


def _with_exif_first(png: bytes) -> bytes:
    """Return a PNG with EXIF in front of its pixels, as libvips doesn't look behind them."""
    at = png.rfind(b"eXIf") - 4
    if at < png.find(b"IDAT"):
        return png
    end = at + 12 + int.from_bytes(png[at : at + 4], "big")
    chunk, checksum = png[at + 4 : end - 4], png[end - 4 : end]
    if zlib.crc32(chunk) != int.from_bytes(checksum, "big"):
        return png  # it is something else
    return png[:_HEADER_END] + png[at:end] + png[_HEADER_END:at] + png[end:]


class _WebP(Streamed):
    def __init__(self, content: bytes) -> None:
        damage.require_no_zeros(damage.webp_samples(content))
        super().__init__(ImageType.WEBP, content)

    def stored(self, share: float) -> pyvips.Image:
        return self.opened(scale=share)


class _Tiff(Streamed):
    def __init__(self, content: bytes) -> None:
        super().__init__(ImageType.TIFF, content)
        if self.field("tile-width"):  # an error in a tile is no more than a warning
            self.fail_on = "warning"


def opaque(image: pyvips.Image) -> pyvips.Image:
    """Lay transparency on white, and drop bands beyond."""
    ink = image.interpretation == "cmyk"
    colours = 4 if ink else 1 if image.interpretation in ("b-w", "grey16") else 3
    if image.bands <= colours:
        return image
    full = {"ushort": 65_535, "uint": 2**32 - 1, "float": 1}.get(image.format, 255)
    image = image if image.bands == colours + 1 else image[: colours + 1]
    return image.flatten(background=[0 if ink else full] * colours, max_alpha=full)


def open_source(content: bytes, kind: ImageType, max_pixels: int) -> Source:
    """Open an image of that type.

    Raises PictureRefused for one of more than `max_pixels`, or that takes more than MAX_MEMORY, or
    is damaged, and pyvips.Error.
    """
    source: Source
    match kind:
        case ImageType.JPEG:
            source = _Jpeg(content)
        case ImageType.PNG:
            # libpng takes an enormous size for damage.
            if content[12:16] == b"IHDR":
                width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
                require_pixels(width, height, max_pixels)
            source = _Png(content)
        case ImageType.WEBP:
            source = _WebP(content)
        case _:
            # Pillow takes 80 ms and 15 MB, which most services' images do without.
            from labeller.imaging import pillow  # noqa: PLC0415

            source = pillow.open_source(content, kind, max_pixels) or _Tiff(content)
    require_pixels(source.width, source.height, max_pixels)
    if source.width * source.height == 0:
        raise damage.damaged("no pixels")
    need = source.width * source.height * source.pixel_bytes + len(content)
    need += source.kept_bytes
    if need > MAX_MEMORY:
        raise PictureRefused(
            FailureCode.TOO_MANY_PIXELS,
            f"To decode {source.width:,} x {source.height:,} pixels of this kind of {kind.name} "
            f"would take {need / 1e6:,.0f} MB of memory; at most {MAX_MEMORY / 1e6:,.0f} are "
            "used. Save it with fewer pixels.",
        )
    if need > MUCH_MEMORY:
        give_back()
    return source


def everyday_header(start: bytes) -> Source | None:
    """Open the beginning of a JPEG or PNG that any program reads: 8 bits, grey or RGB.

    None for others, and where these first bytes don't hold all that comes before the pixels.
    """
    kind = type_of(start)
    if kind not in (ImageType.JPEG, ImageType.PNG):
        return None
    try:
        usual = kind is ImageType.PNG or damage.read_jpeg(start).frame in _USUAL_FRAMES
        source = Streamed(kind, start)
    except (IndexError, struct.error, pyvips.Error):
        return None
    return source if usual and source.header.interpretation in ("b-w", "srgb") else None
