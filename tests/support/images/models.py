"""The models that the fixture `model_path` built, for detectors and data folders."""

from __future__ import annotations

from pathlib import Path

from labeller.detectors.onnx import OnnxDetector, open_detector
from labeller.detectors.people import open_people_finder
from labeller.detectors.registry import PEOPLE_MODEL_NAME


def people_model(model: Path) -> Path:
    """Return the model of people beside a classifier."""
    return model.with_name(PEOPLE_MODEL_NAME)


def open_with_people(model: Path, *, max_pixels: int = 50_000_000) -> OnnxDetector:
    """Open a classifier with the model of people beside it."""
    finder = open_people_finder(people_model(model))
    return open_detector(model, max_pixels=max_pixels, people=finder)


def link_models(data: Path, model: Path) -> None:
    """Link both models into a data folder, so that its service builds none."""
    (data / "model").mkdir(parents=True)
    for each in (model, people_model(model)):
        (data / "model" / each.name).symlink_to(each)
