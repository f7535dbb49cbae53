"""The browser that pages are tried in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.node import require_node

WEB: Final = Path(__file__).parents[1] / "web"
CHROMIUM: Final = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def require_browser() -> None:
    """Skip the test, with the reason, where no browser can be driven; fail in CI."""
    require_node(WEB / "node_modules" / "playwright-core")
    if shutil.which(CHROMIUM):
        return
    missing = f"no browser at {CHROMIUM}: apt-get install chromium, or set CHROMIUM"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def drive(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a script of tests/web that drives the browser; it reads and writes lines."""
    return subprocess.Popen(
        ["node", str(WEB / script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CHROMIUM": CHROMIUM},
    )
