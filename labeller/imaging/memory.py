"""Memory that is free, or could be."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Return what the last pictures left to the system.

    A damaged one may hang in a cycle, by the frames of its exception. What is free lies in
    scattered pieces that glibc keeps unless it is asked (malloc_trim(3)); others don't.
    """
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
