"""A log context: values that are added to every log line of a piece of work.

Lines of libraries get them too, and no function has to pass ids along only for the log.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_context: ContextVar[Mapping[str, object]] = ContextVar("log_context", default={})  # noqa: B039


@contextmanager
def log_context(**values: object) -> Iterator[None]:
    """Add values to every line that this thread or task logs inside the block."""
    token = _context.set({**_context.get(), **values})
    try:
        yield
    finally:
        _context.reset(token)


class AddLogContext(logging.Filter):
    """A filter for handlers: adds the values of the log context to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Accept every record."""
        for name, value in _context.get().items():
            record.__dict__.setdefault(name, value)
        return True
