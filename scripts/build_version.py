"""Print the version of a build from this clone, or write it into a copy of the sources.

    python -m scripts.build_version [--into COPY]

Docker's context has no git: `docker build --build-arg VERSION=$(python3 -m scripts.build_version)`.
"""

from __future__ import annotations

import argparse
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


def main() -> None:
    """Print the version, or write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, metavar="COPY", help="a folder with a copy of core")
    into = parser.parse_args().into
    if into is None:
        print(build_version())
    else:
        write_version(into, build_version())


if __name__ == "__main__":
    main()
