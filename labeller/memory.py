"""Memory that the C library keeps for later."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Return free memory to the system, of which the last pictures leave scattered pieces.

    Where the C library is glibc, that is (malloc_trim(3)); nothing happens elsewhere.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
