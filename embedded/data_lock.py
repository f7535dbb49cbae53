"""One process serves a data folder."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from pathlib import Path


class DataInUse(LabellingError):
    """Another process serves this data folder."""


def hold(data: Path) -> int:
    """Hold a data folder, made if it is not there, until this process ends. Raises DataInUse."""
    data.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise DataInUse(
            f"Another process serves {data}: stop it, or choose another folder with --data."
        ) from exc
    return descriptor


def is_served(data: Path) -> bool:
    """Tell whether a process serves a data folder."""
    try:
        descriptor = os.open(data / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask don't take each other for the service.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
