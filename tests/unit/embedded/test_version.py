"""The version of a build is that of its commit, and rises with later commits."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from packaging.version import Version

from core.runtime.build import VERSION
from embedded.version import ROOT, running_version, version_at
from scripts.build_version import MODULE, write_version

pytestmark = pytest.mark.slow  # starts git


def commit(root: Path, at: str) -> str:
    """Make a commit at a time; return its hash."""
    environment = {name: value for name, value in os.environ.items() if "GIT" not in name}
    environment |= {"GIT_COMMITTER_DATE": at, "GIT_CONFIG_GLOBAL": os.devnull}
    identity = ("-c", "user.name=Zoë", "-c", "user.email=zoe@example.com")
    for arguments in (
        ("init", "--quiet"),
        (*identity, "commit", "--quiet", "--allow-empty", "--message=Change"),
    ):
        subprocess.run(["git", "-C", root, *arguments], check=True, env=environment)
    return subprocess.run(
        ["git", "-C", root, "rev-parse", "--short=8", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_later_commit_has_a_later_version(tmp_path: Path) -> None:
    digest = commit(tmp_path, "2026-12-01T04:05:06Z")
    first = version_at(tmp_path, "0.2.0.dev0")
    assert first == f"0.2.0.dev20261201040506+g{digest}"
    commit(tmp_path, "2026-12-01T06:05:07+02:00")
    second = version_at(tmp_path, "0.2.0.dev0")
    assert Version("0.1.0") < Version(first) < Version(second) < Version("0.2.0")


def test_release_has_its_own_version(tmp_path: Path) -> None:
    commit(tmp_path, "2026-12-01T04:05:06Z")
    assert version_at(tmp_path, "0.2.0") == "0.2.0"


def test_version_is_known_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an sdist, of a clone without a commit, and where git is not installed."""
    assert version_at(tmp_path, "0.2.0.dev0") == "0.2.0.dev0"
    (tmp_path / ".git").mkdir()
    assert version_at(tmp_path, "0.2.0.dev0") == "0.2.0.dev0"
    monkeypatch.setenv("PATH", "")
    assert version_at(ROOT, "0.2.0.dev0") == "0.2.0.dev0"


def test_version_is_written_into_a_copy(tmp_path: Path) -> None:
    path = tmp_path / MODULE
    path.parent.mkdir(parents=True)
    path.write_bytes((ROOT / MODULE).read_bytes())
    write_version(tmp_path, "0.2.0.dev1+gabc")
    written: dict[str, str] = {}
    exec(path.read_text(), written)  # noqa: S102  # our own module
    assert written["VERSION"] == "0.2.0.dev1+gabc"


def test_repository_has_the_version_of_a_release_or_of_the_next_one() -> None:
    """After a release, the first change must raise it: its build would pass for the release."""
    changes = (ROOT / "CHANGELOG.md").read_text().split("\n## ")
    unreleased, last = changes[1], changes[2].split()[0]
    if unreleased.removeprefix("Unreleased").strip():
        assert VERSION.endswith(".dev0")
        assert Version(VERSION) > Version(last)
    else:
        assert last == VERSION
    assert running_version().startswith(VERSION.removesuffix("0"))
