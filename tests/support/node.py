"""Programs of Node that some tests need."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def require_node(package: Path) -> None:
    """Skip the test, with the reason, where Node or the package is absent; fail in CI."""
    missing = None
    if not shutil.which("node"):
        missing = "node is not installed"
    elif not package.is_dir():
        folder = package.parents[1].relative_to(Path(__file__).parents[2])
        missing = f"{package.name} is not installed: npm ci --prefix {folder}"
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
