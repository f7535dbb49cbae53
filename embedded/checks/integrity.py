"""Look for damage in the database: for a while at the start, and completely in the background."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from core.domain.errors import Unavailable

if TYPE_CHECKING:
    from core.backends.sqlite import Database

log = logging.getLogger(__name__)

START_SECONDS: Final = 10.0  # a larger database is checked in the background


def check_at_start(database: Database) -> None:
    """Look for damage, for some seconds at most. Raises Unavailable if there is any."""
    database.health.check_integrity(START_SECONDS)
    try:
        database.health.require()
    except Unavailable:
        database.close()
        raise


def check_in_background(database: Database) -> None:
    """Look for damage in the whole database, and log it. Writes are rejected from then on."""
    database.health.check_integrity()
    if error := database.health.error():
        log.error("database unfit", extra={"error": error})
