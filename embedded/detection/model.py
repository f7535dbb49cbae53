"""The models that come with the service, each built once by a child process.

Building takes 210 MB, which the service would keep: it goes back to the system with the child.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from core.domain.errors import LabellingError
from embedded.detection.parent import end_with_parent
from labeller.detectors.base import DetectorUnusable
from labeller.detectors.registry import MODEL_NAME, PEOPLE_MODEL_NAME
from labeller.detectors.shipped import shipped_network

_ROOT: Final = Path(__file__).parents[2]
_FAILED: Final = 3  # exit status of an error whose message says what to do


def model_at(data: Path) -> Path:
    """Return the path of the classifier: the shipped one, or that in the data folder.

    It is built there if it is missing.

    Raises DetectorUnusable.
    """
    return _built(data / "model" / MODEL_NAME)


def people_model_at(data: Path) -> Path:
    """Return the path of the model that finds people, as `model_at` that of the classifier."""
    return _built(data / "model" / PEOPLE_MODEL_NAME)


def _built(path: Path) -> Path:
    if shipped := shipped_network(path.name):
        return shipped
    if not path.exists():
        say(f"Building the model {path} (once, some seconds) ...")
        build_in_child(path)
        say(f"Built {path} ({path.stat().st_size / 1e6:.0f} MB).")
    return path


def build_in_child(path: Path) -> None:
    """Write the model to `path`, completely or not at all. Raises DetectorUnusable."""
    ended = subprocess.run(  # noqa: S603  # our own module
        [sys.executable, "-m", "embedded.detection.model", str(path.resolve()), str(os.getpid())],
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ended.returncode == _FAILED:
        raise DetectorUnusable(ended.stderr.strip())
    if ended.returncode or not path.exists():
        raise DetectorUnusable(
            f"The process that builds the model ended with exit status {ended.returncode}. "
            f"It needs 210 MB of memory. {ended.stderr.strip()[-1000:]}".rstrip()
        )


def say(text: str) -> None:
    """Print at once, even to a pipe."""
    print(text, flush=True)


def main() -> int:
    """Build the model at the path of the first argument; the second is the parent's id."""
    # Only this process needs numpy and onnx.
    from labeller.detectors import efficientnet_lite, ssdlite  # noqa: PLC0415

    path, parent = Path(sys.argv[1]), sys.argv[2]
    builder = ssdlite if path.name == PEOPLE_MODEL_NAME else efficientnet_lite
    end_with_parent(int(parent))
    try:
        builder.build_model(path)
    except (LabellingError, OSError) as error:
        print(error, file=sys.stderr)
        return _FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
