"""Log lines that many requests would repeat: each message at most once a minute."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS: Final = 60.0


class LimitedLog:
    """Logs a message unless it was logged in the last minute.

    The next line with the message has how many were left out, as `left_out`. Messages are constants
    of the code: each is remembered.
    """

    def __init__(
        self, log: logging.Logger, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._monotonic = monotonic
        self._logged: dict[str, tuple[float, int]] = {}  # when, and how many were left out since
        self._lock = threading.Lock()

    def warning(self, message: str, **extra: object) -> None:
        """Log a warning with values."""
        self._write(logging.WARNING, message, extra)

    def error(self, message: str, **extra: object) -> None:
        """Log an error with values."""
        self._write(logging.ERROR, message, extra)

    def _write(self, level: int, message: str, extra: dict[str, object]) -> None:
        now = self._monotonic()
        with self._lock:
            at, left_out = self._logged.get(message, (now - SECONDS, 0))
            if now - at < SECONDS:
                self._logged[message] = at, left_out + 1
                return
            self._logged[message] = now, 0
        self._log.log(level, message, extra=extra | ({"left_out": left_out} if left_out else {}))
