"""Who may read a data folder: the user that runs the service, and nobody else."""

from __future__ import annotations

import logging
import stat
from typing import TYPE_CHECKING, Final

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

DATABASE: Final = "labelling.sqlite"
_SECRET: Final = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", "relabel.json")


class UnusableFolder(LabellingError):
    """A data folder is missing and can't be created, or is not a folder."""


def create(data: Path) -> None:
    """Create a data folder with mode 0700, if it is missing. Raises UnusableFolder."""
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise UnusableFolder(
            f"The data folder {data.absolute()} can't be created: {exc.strerror}. Name another "
            "with --data or LABELLING_DATA, or let this user write the folder above it."
        ) from exc


def make_private(data: Path) -> None:
    """Take a data folder from all other users, and the files in it that hold secrets.

    Pictures that an earlier version stored keep their modes: nobody reaches them through the
    folder. A folder that belongs to another user stays as it is, with a warning.
    """
    _restrict(data, 0o700)
    for name in _SECRET:
        _restrict(data / name, 0o600)


def _restrict(path: Path, mode: int) -> None:
    try:
        present = stat.S_IMODE(path.stat().st_mode)
        if present & ~mode:
            path.chmod(present & mode)
            log.info("taken from other users", extra={"file": str(path), "mode": f"{mode:04o}"})
    except FileNotFoundError:
        return
    except OSError as exc:
        log.warning(
            "other users may read it: change its owner",
            extra={"file": str(path), "error": str(exc)},
        )
