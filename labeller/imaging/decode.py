"""Opening pictures within limits, with errors that say whose fault it is."""

from __future__ import annotations

import errno
import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import LabellingError, PictureRefused, Unavailable
from labeller.imaging.header import PREFIX_BYTES, require_type
from labeller.imaging.sources import Source, open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT_OF_MEMORY: Final = "Decoding the picture would take more memory than there is for it."


@contextmanager
def opened(stream: BinaryIO, declared: ImageType, *, max_pixels: int) -> Iterator[Source]:
    """Open a picture whose pixels are then decoded inside the block.

    The stream is read from its start and is left open.

    Raises:
        PictureRefused: its format is none of ImageType's, or not what was declared, or it has
            more than `max_pixels` or takes too much memory (found out before decoding), or is
            damaged.
        Unavailable: the stream failed, not the picture.

    """
    with _translated():
        stream.seek(0)
        found = require_type(stream.read(PREFIX_BYTES), declared)
        stream.seek(0)
        yield open_source(stream, found, max_pixels)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except LabellingError:
        raise  # some are a ValueError or a LookupError, too
    except MemoryError as exc:
        raise PictureRefused(FailureCode.TOO_MANY_PIXELS, OUT_OF_MEMORY) from exc
    except (
        ArithmeticError,
        AttributeError,  # Pillow of a TIFF without what it needs
        EOFError,
        LookupError,
        OSError,
        RuntimeError,  # libavif and libheif
        SyntaxError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
        # Pillow warns of a malformed animation: an error only where warnings are errors.
        Warning,
    ) as exc:
        # The operating system numbers its errors; Pillow doesn't number the picture's. To look for
        # something before a file's start is what damaged pictures have decoders do.
        if isinstance(exc, OSError) and exc.errno not in (None, errno.EINVAL):
            raise Unavailable(f"A picture can't be read: {exc}") from exc
        raise PictureRefused(
            FailureCode.CORRUPT_IMAGE, f"The picture is damaged or incomplete: {exc}."
        ) from exc
