"""What all workers of a test run share: made by the first that needs it, in one folder."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of this test run that `make` has filled, in one worker only.

    `make` is given the folder's path, which doesn't exist yet. The other workers wait for it; if it
    fails, the next one tries.
    """
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # whose own folder lies in that of the run
        folder = folder.parent
    made, whole = folder / name, folder / f"{name}.whole"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(made, ignore_errors=True)
            make(made)
            whole.touch()
    return made
