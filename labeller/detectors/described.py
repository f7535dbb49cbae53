"""The detector `onnx`: the service's own networks, or one that a TOML file describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeller.detectors import box_file, zero_shot
from labeller.detectors.box_detector import open_box_detector
from labeller.detectors.classifier import open_classifier
from labeller.detectors.onnx import open_detector
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.people import open_people_finder
from labeller.detectors.toml_table import read_toml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from labeller.detectors.base import Detector, Options
    from labeller.detectors.people import PeopleFinder


def make(options: Options) -> Detector:
    """Create the detector `onnx`. Raises ModelUnusable."""
    people = open_people_finder(options.people_model) if options.faces else None
    if options.classifier:
        return open_described(options.classifier, max_pixels=options.max_pixels, people=people)
    if options.model is None:
        raise ModelUnusable("The detector onnx has no model. Give it a --classifier.")
    return open_detector(options.model, max_pixels=options.max_pixels, people=people)


def open_described(file: Path, *, max_pixels: int, people: PeopleFinder | None = None) -> Detector:
    """Load the network that a file describes, of any type. Raises ModelUnusable."""
    top = read_toml(file)
    openers: dict[str, Callable[..., Detector]] = {
        "classifier": open_classifier,
        box_file.TYPE: open_box_detector,
        zero_shot.TYPE: zero_shot.open_zero_shot,
    }
    opener = openers[top.choice("type", list(openers))]
    return opener(file, top, max_pixels=max_pixels, people=people)
