"""Errors of the command line itself."""

from __future__ import annotations

from core.domain.errors import LabellingError


class MissingFolder(LabellingError):
    """A command found no data folder, or no folder of backups, to work on."""
