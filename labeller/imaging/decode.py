"""Opening images with libvips, set up for untrusted ones; errors say whose fault it is.

One thread for each image, no cache, and four loaders and no other.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

import pyvips

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused, Unavailable
from labeller.imaging.damage import damaged, libvips_warnings
from labeller.imaging.header import PREFIX_BYTES, not_read, require_type
from labeller.imaging.sources import Source, open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT_OF_MEMORY: Final = "Decoding the picture would take more memory than there is for it."
_UNSUPPORTED: Final = re.compile(r"Unsupported (?:JPEG data precision (\d+)|JPEG|color)")

# pyvips logs warnings in Python, where garbage collection may free an image, which warns too: then
# GLib ends the process, as no warning is allowed within the handler of another.
pyvips._remove_log_handler()  # noqa: SLF001
pyvips.concurrency_set(1)  # an image is the unit of parallel work
pyvips.cache_set_max(0)
pyvips.operation_block_set("VipsForeignLoad", True)
for _format in ("Jpeg", "Png", "Webp", "Tiff"):
    pyvips.operation_block_set(f"VipsForeignLoad{_format}", False)
pyvips.block_untrusted_set(True)

_turn: Final = threading.RLock()  # libvips has one list of warnings


@contextmanager
def opened(stream: BinaryIO, *, max_pixels: int) -> Iterator[Source]:
    """Open an image whose pixels are then decoded inside the block, one at a time in a process.

    The stream is read from its start and is left open.

    Raises:
        PictureRefused: its format is none of ImageType's, or it has more than `max_pixels` or
            takes too much memory (found out before decoding), or is damaged.
        Unavailable: the stream failed, not the image.

    """
    with _turn, refusals():
        libvips_warnings()  # of other images
        content = _read(stream)
        yield open_source(content, require_type(content[:PREFIX_BYTES]), max_pixels)


@contextmanager
def refusals() -> Iterator[None]:
    """Raise PictureRefused in place of libvips's errors, and where there is too little memory."""
    try:
        yield
    except MemoryError as exc:
        raise PictureRefused(FailureCode.TOO_MANY_PIXELS, OUT_OF_MEMORY) from exc
    except pyvips.Error as exc:
        raise _refusal(exc) from exc


def _read(stream: BinaryIO) -> bytes:
    try:
        stream.seek(0)
        return stream.read()
    except OSError as exc:
        raise Unavailable(f"A picture can't be read: {exc}") from exc


def _refusal(error: pyvips.Error) -> PictureRefused:
    if re.search("(?i)(out of|insufficient) memory", str(error)):
        return PictureRefused(FailureCode.TOO_MANY_PIXELS, OUT_OF_MEMORY)
    if found := _UNSUPPORTED.search(str(error)):
        kind = f"has {found[1]} bits a sample" if found[1] else "is lossless or hierarchical"
        return not_read(f"The JPEG {kind}")
    return damaged(error)
