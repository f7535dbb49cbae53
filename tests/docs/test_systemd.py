"""The unit of systemd is well-formed and hardened."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "examples" / "labelling.service"
EXPOSURE = 20  # tenths, of 100


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if not shutil.which("systemd-analyze"):
        if os.environ.get("CI"):
            pytest.fail("no systemd-analyze")
        pytest.skip("no systemd-analyze")
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )


def test_exposure_is_low() -> None:
    """As `systemd-analyze security` rates it."""
    rated = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", UNIT)
    assert rated.returncode == 0, rated.stdout + rated.stderr


def test_unit_is_well_formed(tmp_path: Path) -> None:
    """Every directive is known; the program is where it says."""
    text = UNIT.read_text().replace(
        "/opt/labelling/.venv/bin/labelling", shutil.which("true") or ""
    )
    (tmp_path / UNIT.name).write_text(text)
    checked = analyze("verify", tmp_path / UNIT.name)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_detector_processes_may_be_confined() -> None:
    """@system-service lacks the system call that installs their filter."""
    (allowed,) = (
        line for line in UNIT.read_text().splitlines() if line.startswith("SystemCallFilter=@")
    )
    assert "seccomp" in allowed.split()
