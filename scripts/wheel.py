"""Build the wheel: the program with its pages, tables and networks, which runs from any folder.

    python -m scripts.wheel [--into dist] [--networks FOLDER] [--version VERSION]

`--networks` has the two that are built already; otherwise they are built, in some seconds.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from labeller.detectors import efficientnet_lite, faces, ssdlite
from labeller.detectors.registry import MODEL_NAME, PEOPLE_MODEL_NAME
from scripts.build_version import build_version, write_version

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("api", "core", "embedded", "labeller", "notifier")
FILES: Final = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")


def main() -> None:
    """Build in a copy, so that the clone has no networks of its own afterwards."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, default=ROOT / "dist")
    parser.add_argument("--networks", type=Path)
    parser.add_argument("--version", help="(of the commit, where git tells it)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, copy / package, ignore=ignored)
        for file in (*FILES, "requirements/wheel.in"):
            (copy / file).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / file, copy / file)
        write_version(copy, options.version or build_version())
        add_networks(copy / "labeller" / "detectors" / "models", options.networks)
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"),
                *("--no-build-isolation", "--wheel-dir", str(options.into.resolve()), str(copy)),
            ],
            check=True,
        )


def add_networks(folder: Path, built: Path | None) -> None:
    """Put every network of the service into a new folder."""
    folder.mkdir()
    for name, builder in ((MODEL_NAME, efficientnet_lite), (PEOPLE_MODEL_NAME, ssdlite)):
        if built is None:
            builder.build_model(folder / name)
        else:
            shutil.copy(built / name, folder / name)
    for name in faces.SHA256:
        shutil.copy(faces.package_network(name), folder / name)


if __name__ == "__main__":
    main()
