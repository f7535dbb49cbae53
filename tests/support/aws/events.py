"""AWS events as AWS sends them: tests/events/*.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

EVENTS: Final = Path(__file__).parents[2] / "events"

# The blobs in the events.
ONE: Final = "01KG9RJ4VB0000000000000001"
TWO: Final = "01KG9RJ4VB0000000000000002"
ODD_OWNER: Final = "Zoë + Söhne 100% %2B ☃"


def aws_event(name: str) -> dict[str, Any]:
    """Return the event kept under a name."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event
