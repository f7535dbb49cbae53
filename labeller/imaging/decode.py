"""Opening images within limits, with errors that say whose fault it is."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

import pyvips

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused, Unavailable
from labeller.imaging.damage import damaged
from labeller.imaging.header import PREFIX_BYTES, require_type
from labeller.imaging.sources import Source, open_source
from labeller.imaging.vips import warnings

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT_OF_MEMORY: Final = "Decoding the picture would take more memory than there is for it."
_AS_USUAL: Final = "which can't be read. Save it again as an ordinary JPEG, with 8 bits a sample."
# libvips's errors that are not of damage.
_KNOWN: Final = (
    ("(?i)(out of|insufficient) memory", FailureCode.TOO_MANY_PIXELS, OUT_OF_MEMORY),
    (
        r"data precision (\d+)",
        FailureCode.UNSUPPORTED_FORMAT,
        "The picture is a JPEG with {} bits a sample, " + _AS_USUAL,
    ),
    (
        "SOF type",
        FailureCode.UNSUPPORTED_FORMAT,
        "The picture is a JPEG of a lossless or hierarchical kind, " + _AS_USUAL,
    ),
)


@contextmanager
def opened(stream: BinaryIO, *, max_pixels: int) -> Iterator[Source]:
    """Open an image whose pixels are then decoded inside the block.

    The stream is read from its start and is left open.

    Raises:
        PictureRefused: its format is none of ImageType's, or it has more than `max_pixels` or
            takes too much memory (found out before decoding), or is damaged.
        Unavailable: the stream failed, not the image.

    """
    with _translated(), warnings() as told:
        stream.seek(0)
        content = _read(stream)
        source = open_source(content, require_type(content[:PREFIX_BYTES]), max_pixels)
        yield source
        source.require_unharmed(told)


def _read(stream: BinaryIO) -> bytes:
    try:
        return stream.read()
    except OSError as exc:
        raise Unavailable(f"A picture can't be read: {exc}") from exc


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except MemoryError as exc:
        raise PictureRefused(FailureCode.TOO_MANY_PIXELS, OUT_OF_MEMORY) from exc
    except pyvips.Error as exc:
        told = str(exc).partition("\n")[2]  # what comes before names our call
        for pattern, code, message in _KNOWN:
            if found := re.search(pattern, told):
                raise PictureRefused(code, message.format(*found.groups()), told) from exc
        raise damaged(exc) from exc
