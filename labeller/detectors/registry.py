"""Registry of detectors: the built-in ones, and those of other packages.

A factory, a function of `Options`, creates the detector. A detector's modules are loaded only when
it is chosen.
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
# Once created, they need no network, no file and no other program.
SELF_CONTAINED: Final = frozenset({ONNX})
# File of the classifier that comes with the service. A new version is built again, and is stored
# with new labels.
MODEL: Final = "efficientnet-lite0"
MODEL_VERSION: Final = 2
MODEL_NAME: Final = f"{MODEL}-{MODEL_VERSION}.onnx"
# File of the network that finds people.
PEOPLE_MODEL: Final = "ssdlite-people"
PEOPLE_MODEL_VERSION: Final = 1
PEOPLE_MODEL_NAME: Final = f"{PEOPLE_MODEL}-{PEOPLE_MODEL_VERSION}.onnx"
# Entry points of other packages (packaging.python.org: "Entry points specification").
GROUP: Final = "labelling.detectors"
# Names instead of imports: the labeller's zip for Lambda doesn't contain the first module.
_BUILT_IN: Final = {
    ONNX: "labeller.detectors.described:make",
    REKOGNITION: "labeller.detectors.rekognition:make",
}


def create_detector(choice: str, options: Options) -> Detector:
    """Create the detector with that name, or with the factory `package.module:factory`.

    Names are looked up among the built-in detectors, then among the entry points
    `labelling.detectors` of installed packages.

    Raises:
        DetectorUnusable: no detector has that name, or it can't be loaded or created.

    """
    factory = _load_factory(choice)
    try:
        detector = factory(options)
    except LabellingError:
        raise  # its message says what to do
    except Exception as exc:  # another package's factory may raise any error
        raise DetectorUnusable(
            f"The detector {choice} can't be created: {type(exc).__name__}: {exc}"
        ) from exc
    name = getattr(detector, "name", None)
    if not (isinstance(name, str) and name and callable(getattr(detector, "detect", None))):
        raise DetectorUnusable(
            f"The object that {choice} creates is not a detector: it has no name, or no method "
            "detect. See labeller/detectors/base.py."
        )
    return detector


def detector_names() -> list[str]:
    """Return the names of the available detectors."""
    installed = {entry.name for entry in entry_points(group=GROUP)}
    return [*_BUILT_IN, *sorted(installed - _BUILT_IN.keys())]


def _load_factory(choice: str) -> Factory:
    entry = _find_entry_point(choice)
    try:
        factory = entry.load()
    except Exception as exc:  # importing a module may raise any error
        raise DetectorUnusable(
            f"The detector {choice} can't be loaded: {type(exc).__name__}: {exc}. {_remedy()}"
        ) from exc
    if not callable(factory):
        raise DetectorUnusable(
            f"The detector {choice} can't be created: {entry.value} is not a function"
        )
    result: Factory = factory
    return result


def _find_entry_point(choice: str) -> EntryPoint:
    if choice in _BUILT_IN:
        return EntryPoint(choice, _BUILT_IN[choice], GROUP)
    if installed := tuple(entry_points(group=GROUP, name=choice)):
        return installed[0]
    module, _, function = choice.partition(":")
    parts = [*module.split("."), *function.split(".")]
    if not all(part.isidentifier() for part in parts):
        raise DetectorUnusable(f"There is no detector {choice!r}. {_remedy()}")
    return EntryPoint(choice, choice, GROUP)


def _remedy() -> str:
    return f"Choose {', '.join(detector_names())} or package.module:factory."
