"""Log lines: for people on a terminal, as JSON elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import to_text, utc_now
from core.runtime.logging import AddLogContext

if TYPE_CHECKING:
    from collections.abc import Mapping

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up_logging(style: str, level: str) -> None:
    """Send every log line to standard error in a style: auto, text or json."""
    text = style == "text" or (style == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.addFilter(AddLogContext())
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # uvicorn's own start and stop lines repeat ours. Its errors stay.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """Writes one JSON object a line: time, level, logger, message, then the record's extras."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, Any] = {
            "time": to_text(utc_now()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def json_line(logger: str, message: str, extras: Mapping[str, Any]) -> str:
    """Return a line as JsonFormatter makes it, of the level info."""
    record = logging.LogRecord(logger, logging.INFO, "", 0, message, None, None)
    record.__dict__.update(extras)
    return JsonFormatter().format(record)


class TextFormatter(logging.Formatter):
    """Writes time, level and message, then the record's extras as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        extras = "".join(f"  {name}={_short(value)}" for name, value in _extras(record).items())
        moment = self.formatTime(record, "%H:%M:%S")
        line = f"{moment} {record.levelname.lower():7} {record.getMessage()}{extras}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _short(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    if text and text.isprintable() and " " not in text:
        return text
    # A client could send line breaks or terminal codes to forge log lines.
    return json.dumps(text, ensure_ascii=not text.isprintable())
