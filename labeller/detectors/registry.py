"""Which detector looks at pictures: one of ours, or one that another package brings.

A detector is made by its factory, a function of `Options`. What a detector needs is loaded when it
is chosen, and not before.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final

from core.domain.errors import LabellingError
from labeller.detectors.base import DetectorUnusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from labeller.detectors.base import Detector, Options

    Factory = Callable[[Options], Detector]

ONNX: Final = "onnx"
REKOGNITION: Final = "rekognition"
# Where other packages name theirs (packaging.python.org: "Entry points specification").
GROUP: Final = "labelling.detectors"
# By name, not imported: the labeller's zip for Lambda goes without the first.
_OURS: Final = {
    ONNX: "labeller.detectors.classifier:make",
    REKOGNITION: "labeller.detectors.rekognition:make",
}


def open_chosen(choice: str, options: Options) -> Detector:
    """Make the detector of that name, or the one that `package.module:factory` makes.

    Names are ours first, then those that installed packages list as `labelling.detectors`.

    Raises:
        DetectorUnusable: there is none of that name, or it can't be loaded or made.

    """
    factory = _factory(choice)
    try:
        detector = factory(options)
    except LabellingError:
        raise  # says what to do already
    except Exception as exc:  # another package's, of any kind
        raise DetectorUnusable(
            f"The detector {choice} can't be made: {type(exc).__name__}: {exc}"
        ) from exc
    name = getattr(detector, "name", None)
    if not (isinstance(name, str) and name and callable(getattr(detector, "detect", None))):
        raise DetectorUnusable(
            f"What {choice} makes is no detector: it has no name, or no method detect "
            "(labeller/detectors/base.py)."
        )
    return detector


def known_detectors() -> list[str]:
    """List the names that can be chosen here."""
    return [*_OURS, *sorted({entry.name for entry in entry_points(group=GROUP)} - _OURS.keys())]


def _factory(choice: str) -> Factory:
    entry = _entry(choice)
    try:
        factory = entry.load()
    except Exception as exc:  # a module may raise anything when it is imported
        raise DetectorUnusable(
            f"The detector {choice} can't be loaded: {type(exc).__name__}: {exc}. {_remedy()}"
        ) from exc
    if not callable(factory):
        raise DetectorUnusable(f"The detector {choice} can't be made: {entry.value} is no function")
    made: Factory = factory
    return made


def _entry(choice: str) -> EntryPoint:
    if choice in _OURS:
        return EntryPoint(choice, _OURS[choice], GROUP)
    if installed := tuple(entry_points(group=GROUP, name=choice)):
        return installed[0]
    module, _, function = choice.partition(":")
    parts = [*module.split("."), *function.split(".")]
    if not all(part.isidentifier() for part in parts):
        raise DetectorUnusable(f"There is no detector {choice!r}. {_remedy()}")
    return EntryPoint(choice, choice, GROUP)


def _remedy() -> str:
    return f"Choose {', '.join(known_detectors())} or package.module:factory."
