"""Errors of the command line itself."""

from __future__ import annotations

from core.domain.errors import LabellingError


class NoSuchThing(LabellingError):
    """A command names an owner or a blob that does not exist; the message says how to find one."""


class MissingFolder(LabellingError):
    """A command found no data folder, or no folder of backups, to work on."""
