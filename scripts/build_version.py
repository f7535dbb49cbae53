"""Print the version of a build from this clone, or write it into a copy of the sources.

    python -m scripts.build_version

Docker's context has no git: `docker build --build-arg VERSION=$(python3 -m scripts.build_version)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from core.runtime.build import VERSION
from embedded.version import ROOT, version_at

MODULE: Final = Path("core/runtime/build.py")


def build_version() -> str:
    """Return the version of a build from this clone."""
    return version_at(ROOT)


def write_version(copy: Path, version: str) -> None:
    """Write a version into a copy of the sources, in place of that of the repository."""
    path = copy / MODULE
    before = path.read_text("utf-8")
    after = before.replace(f'VERSION: Final = "{VERSION}"', f'VERSION: Final = "{version}"')
    path.write_text(after, "utf-8")


if __name__ == "__main__":
    print(build_version())
