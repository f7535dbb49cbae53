"""What a piece of work is about, put on every log line that is written while it is done.

Lines of libraries get it too: nobody need pass ids along for the sake of the log.
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
    """Have these values on every line logged inside the block (by this thread or task)."""
    token = _context.set({**_context.get(), **values})
    try:
        yield
    finally:
        _context.reset(token)


class AddLogContext(logging.Filter):
    """For a handler: gives every record the values of its context, beside its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        for name, value in _context.get().items():
            record.__dict__.setdefault(name, value)
        return True
