"""The networks in the wheel of this program. A clone has none: it builds or finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("models")


def shipped_network(name: str) -> Path | None:
    """Return the path of a network that the wheel contains, or None."""
    path = FOLDER / name
    return path if path.exists() else None
