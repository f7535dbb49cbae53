"""The unit of systemd is well-formed and hardened, and commands have its settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "examples" / "labelling.service"
COMMAND = ROOT / "examples" / "labelling-command.sh"
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


def test_command_has_the_settings_of_the_service(tmp_path: Path) -> None:
    settings = tmp_path / "labelling.env"
    settings.write_text(
        'LABELLING_BACKUP_TO="s3://pictures/a b?endpoint=https://s.example.com"\n'
        "# systemd reads a value with a space, and expands nothing\n"
        "LABELLING_WORDS=two words; rm $HOME  \n"
        'LABELLING_QUOTED="a \\"b\\" \\\\ $(id)"\n'
        "LABELLING_SINGLE='c d'\n"
        "LABELLING_LAST=e=f"
    )
    program = COMMAND.read_text()
    for ours, here in (
        ("/etc/labelling.env", settings),
        ("runuser -u labelling -- /opt/labelling/.venv/bin/labelling", "printenv"),
    ):
        assert str(ours) in program
        program = program.replace(str(ours), str(here))
    names = [
        f"LABELLING_{name}" for name in ("DATA", "BACKUP_TO", "WORDS", "QUOTED", "SINGLE", "LAST")
    ]
    printed = subprocess.run(
        ["/bin/sh", "-c", program, "labelling", *names],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.splitlines() == [
        "/var/lib/labelling",
        "s3://pictures/a b?endpoint=https://s.example.com",
        "two words; rm $HOME",
        'a "b" \\ $(id)',
        "c d",
        "e=f",
    ]


def test_unit_command_and_page_name_the_same_places() -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    for place in (
        "/opt/labelling/.venv/bin",
        "/var/lib/labelling",
        "/etc/labelling.env",
    ):
        assert all(place in text for text in (UNIT.read_text(), COMMAND.read_text(), page)), place
    for folder in re.findall(r"^ReadWritePaths=-(.+)$", UNIT.read_text(), re.MULTILINE):
        assert f'LABELLING_BACKUP_TO="{folder}"' in page
