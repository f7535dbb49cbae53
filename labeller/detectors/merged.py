"""Several networks at once: their labels are merged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from core.domain.label import Detection
from labeller.detectors.boxes import Boxes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.domain.label import Instance, Label
    from labeller.detectors.base import Detector, Picture

TYPE: Final = "merged"
DEFAULT: Final = "default"  # in place of a file: the classifier that comes with the service
OVERLAP: Final = 0.6


class MergedDetector:
    """Labels a picture with several detectors, one after the other, and merges their labels.

    `overlap` is that of `merged`. The first embedding is kept. Errors are those of the detectors.
    """

    def __init__(self, name: str, detectors: Sequence[Detector], overlap: float) -> None:
        self._name = name
        self._detectors = detectors
        self._overlap = overlap

    @property
    def name(self) -> str:
        """The name and version of the combination, which are stored with the labels."""
        return self._name

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return the labels of a picture, as `Detector.detect` specifies."""
        found = [
            each.detect(picture, max_labels=max_labels, min_confidence=min_confidence)
            for each in self._detectors
        ]
        labels = merged([each.labels for each in found], self._overlap)
        embeddings = (each.embedding for each in found if each.embedding)
        first = found[0]
        return Detection(
            labels[:max_labels],
            first.width,
            first.height,
            self._name,
            first.content_type,
            next(embeddings, None),
        )


def merged(lists: Iterable[Sequence[Label]], overlap: float) -> tuple[Label, ...]:
    """Return the labels of several lists in one, most confident first, ties by name.

    Labels are the same if their names are, ignoring case. Such a label has the highest confidence,
    the parents, aliases and categories of all, in the order of the lists, and all boxes: of those
    that share more than `overlap` of their union, the most confident one.
    """
    known: dict[str, Label] = {}
    for label in (label for labels in lists for label in labels):
        other = known.setdefault(label.name.casefold(), label)
        if other is not label:
            known[label.name.casefold()] = replace(
                other,
                confidence=max(other.confidence, label.confidence),
                parents=_joined(other.parents, label.parents),
                aliases=_joined(other.aliases, label.aliases),
                categories=_joined(other.categories, label.categories),
                instances=_without_doubles((*other.instances, *label.instances), overlap),
            )
    return tuple(sorted(known.values(), key=lambda label: (-label.confidence, label.name)))


def _joined(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _without_doubles(instances: Sequence[Instance], overlap: float) -> tuple[Instance, ...]:
    """Return instances, most confident first, without those that overlap a better one too much."""
    ordered = sorted(instances, key=lambda each: -each.confidence)
    if not ordered:
        return ()
    boxes = [each.bounding_box for each in ordered]
    edges = [[box.left, box.top, box.left + box.width, box.top + box.height] for box in boxes]
    # The scores are places, by which the boxes that are kept are found again.
    kept = Boxes(np.array(edges), np.arange(float(len(ordered)))).without_overlaps(overlap)
    return tuple(ordered[int(place)] for place in kept.scores)
