"""libvips, set up for untrusted images: one thread each, no cache, four loaders and no other."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyvips

if TYPE_CHECKING:
    from collections.abc import Iterator

pyvips.concurrency_set(1)  # an image is the unit of parallel work
pyvips.cache_set_max(0)
pyvips.operation_block_set("VipsForeignLoad", True)
for _format in ("Jpeg", "Png", "Webp", "Tiff"):
    pyvips.operation_block_set(f"VipsForeignLoad{_format}", False)
pyvips.block_untrusted_set(True)

# libvips warns by a logger of the whole process, from threads of its own.
_turn: Final = threading.RLock()
_told: Final[list[str]] = []


class _Told(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _told.append(record.getMessage())


_logger: Final = logging.getLogger("pyvips")
_logger.setLevel(logging.WARNING)
_logger.addHandler(_Told())
_logger.propagate = False


@contextmanager
def warnings() -> Iterator[list[str]]:
    """Give a list that fills with libvips's warnings; one thread of a process at a time."""
    with _turn:
        _told.clear()
        yield _told
