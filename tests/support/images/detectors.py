"""A detector with scripted results."""

from __future__ import annotations

from collections.abc import Callable

from core.domain.label import Detection, Label
from core.domain.thumbnail import ThumbnailSize
from labeller.detectors.base import Options, Picture
from labeller.imaging.thumbnail import thumbnail

CAT = Detection((Label("Cat", 91.5, parents=("Animal",)),), width=640, height=480, detector="eye 1")


class ScriptedDetector:
    """Runs one step of its script per picture, and repeats the last step.

    A step is a detection to return, an error to raise, or a function that does either.
    """

    name = "eye 1"

    def __init__(self, *script: Detection | Exception | Callable[[Picture], Detection]) -> None:
        self._script = list(script) or [CAT]
        self.calls: list[tuple[Picture, int, float]] = []

    def results(self, *script: Detection | Exception | Callable[[Picture], Detection]) -> None:
        """Give it another script."""
        self._script = list(script)

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Run the next step."""
        self.calls.append((picture, max_labels, min_confidence))
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, Detection) else step(picture)


def create(_options: Options) -> ScriptedDetector:
    """Return a detector that finds a cat everywhere, as `--detector` names it."""
    return ScriptedDetector()


def thumbnail_here(picture: Picture, size: ThumbnailSize) -> bytes:
    """Make a thumbnail in this process."""
    with picture.open() as stream:
        return thumbnail(stream, size, max_pixels=50_000_000)
