"""Wait for what comes by itself, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
# Seconds that a test waits for what takes a moment, before it fails. None measures time by it.
PATIENCE: Final = 120.0


def wait_until(holds: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Call `holds` until it returns something true; return that."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, f"still {found!r} after {seconds:g} s"
        time.sleep(0.01)
    return found
