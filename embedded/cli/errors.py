"""Errors of the command line itself."""

from __future__ import annotations

from core.domain.errors import LabellingError


class NoDataFolder(LabellingError):
    """A command found no data folder to work on."""
