"""Errors of the command line itself."""

from __future__ import annotations

import errno

from core.domain.errors import LabellingError


class NoSuchThing(LabellingError):
    """A command names an owner or a blob that does not exist; the message says how to find one."""


class MissingFolder(LabellingError):
    """A command found no data folder, or no folder of backups, to work on."""


def remedy_of(error: Exception) -> str:
    """Return what to do about an error of the system that does not say it, or nothing."""
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return (
            ". The file system is mounted read-only: look for disk errors in the kernel's log "
            "(dmesg), then mount it to be written."
        )
    return ""
