"""The lock that keeps a data folder to one serving process."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from core.domain.errors import LabellingError
from embedded.data.folder import create, make_private

LOCK: Final = "lock"


class DataInUse(LabellingError):
    """Another process serves this data folder."""


def hold(data: Path) -> int:
    """Lock a data folder until this process ends; return the lock's file descriptor.

    The folder is created if it is missing. Raises DataInUse.
    """
    create(data)
    make_private(data)
    descriptor = os.open(data / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise DataInUse(
            f"Another process serves {data}: stop it, or choose another folder with --data."
        ) from exc
    return descriptor


def server_of_deleted(data: Path) -> int | None:
    """Return the id of a process that serves a data folder which was deleted since.

    None: there is none, or only another user's, or the system has no /proc.
    """
    lock = f"{data.absolute()}/{LOCK} (deleted)"  # proc(5): fd
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it was closed, or is another user's
            if str(descriptor.readlink()) == lock:
                return int(descriptor.parts[2])
    return None


def is_served(data: Path) -> bool:
    """Return whether a process serves a data folder."""
    try:
        descriptor = os.open(data / LOCK, os.O_RDONLY)  # the folder may be read-only
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two processes that ask do not take each other for the service.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
