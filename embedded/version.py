"""The version that runs: of the build, or of the clone's commit."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from core.runtime.build import VERSION

ROOT: Final = Path(__file__).resolve().parents[1]


@cache
def running_version() -> str:
    """Return the version of this program. A clone has that of the commit it is at."""
    return version_at(ROOT)


def version_at(root: Path, version: str = VERSION) -> str:
    """Return the version of a build of the commit that is checked out in `root`.

    That of a release is `version` itself. Before one, the time of the commit (UTC, to the second)
    follows `.dev`, so that a later commit has a later version, and its hash follows "+": PEP 440.
    Without git or its data, `version` is all that is known.
    """
    release, dev, _ = version.partition(".dev")
    if not dev or not (root / ".git").exists():
        return version
    # The user of the service may be another than the owner of the clone.
    command = ["git", "-C", str(root), "-c", "safe.directory=*", "log", "--max-count=1"]
    try:
        found = subprocess.run(  # noqa: S603
            [*command, "--no-show-signature", "--abbrev=8", "--format=%ct %h"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return version
    at = datetime.fromtimestamp(int(found[0]), UTC)
    return f"{release}.dev{at:%Y%m%d%H%M%S}+g{found[1]}"
