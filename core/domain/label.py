"""Labels of a picture, as a detector returns them. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A box in a picture; every number is a share of the picture's width or height, 0 to 1."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Instance:
    """One place in the picture where the label's thing was found. Confidence is 0 to 100."""

    bounding_box: BoundingBox
    confidence: float


@dataclass(frozen=True, slots=True)
class Label:
    """A thing seen in a picture, as Rekognition's DetectLabels puts it.

    `confidence` is 0 to 100; `parents` are all its ancestors, nearest first; `aliases` are other
    names for the same thing; `categories` are the fields it belongs to ("Animals and Pets").
    """

    name: str
    confidence: float
    parents: tuple[str, ...] = ()
    instances: tuple[Instance, ...] = ()
    aliases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Detection:
    """What a detector saw. Labels come most confident first; sizes are in pixels as displayed."""

    labels: tuple[Label, ...]
    width: int
    height: int
    detector: str
