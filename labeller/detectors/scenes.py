"""A classifier of scenes over the features of EfficientNet-Lite0. Pure.

ImageNet's classes lack most scenes and plants: a fern gets the most similar animal. This linear
classifier adds them, and weakens classes of kinds of things that it doesn't see.
docs/decisions/0056-scenes-from-the-features.md tells how its weights were found.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labeller.detectors.taxonomy import read_scenes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from labeller.detectors.taxonomy import Taxonomy

WEIGHTS: Final = "scenes.npz"
# Kinds of classes, each with the outputs that are evidence of it. A class is of the first kind that
# is its label or one of the label's ancestors.
EVIDENCE: Final[Mapping[str, tuple[str, ...]]] = {
    "Animal": ("Animal",),
    "Person": ("Object", "Concert", "Indoors", "Museum"),
    "Vehicle": ("Vehicle", "Amusement Park"),
    "Drink": (),
    "Food": ("Food",),
    "Fungus": (),
    "Plant": ("Plant", "Flower", "Food", "Garden", "Tree", "Forest", "Grassland", "Desert"),
    **dict.fromkeys(
        ("Architecture", "Waterfront"),
        (
            *("Building", "House", "City", "Skyscraper", "Street", "Museum", "Library"),
            *("Staircase", "Amusement Park", "Auditorium", "Indoors", "Object"),
        ),
    ),
    "Nature": (),
    "Text": (),
    **dict.fromkeys(
        ("Furniture", "Bedding", "Rug", "Curtain", "Bathroom"),
        ("Object", "Indoors", "Living Room", "Bedroom", "Office", "Kitchen"),
    ),
}
OTHER_EVIDENCE: Final = (
    *("Object", "Vehicle", "Indoors", "Concert", "Sports Field", "Amusement Park", "Food", "Text"),
    *("Office", "Museum", "Snow", "Document", "Night"),
)
# Evidence of this probability, or more, leaves a class as it is; less weakens it in proportion.
ENOUGH: Final = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class SceneClassifier:
    """Weights of the classifier: one row an output, the outputs that are labels first.

    `evidence` holds, for each class of the network, whether each output is evidence of its kind. A
    class that needs no evidence has none.
    """

    label_count: int
    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    evidence: NDArray[np.bool_]

    def outputs(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return each output's probability. Several may apply to a picture, or none."""
        length = float(np.linalg.norm(features)) or 1.0
        logits = self.weights @ (features / length) + self.biases
        probabilities: NDArray[np.float64] = (1 + np.tanh(logits.astype(np.float64) / 2)) / 2
        return probabilities

    def weakened(
        self, probabilities: NDArray[np.float64], outputs: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the classes' probabilities without those that the outputs contradict.

        What a class loses goes to no other one.
        """
        most = np.where(self.evidence, outputs, 0.0).max(axis=1)
        most[~self.evidence.any(axis=1)] = ENOUGH
        weakened: NDArray[np.float64] = probabilities * np.minimum(most / ENOUGH, 1.0)
        return weakened


def load_scenes(taxonomy: Taxonomy) -> SceneClassifier:
    """Read the classifier beside this file, whose labels are the taxonomy's last classes."""
    rows = read_scenes()
    label_count = sum(row.is_label for row in rows)
    with (
        files("labeller.detectors").joinpath(WEIGHTS).open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        # A byte a weight; each output has its own scale.
        weights = stored["weights"] * stored["scales"][:, np.newaxis]
        biases = stored["biases"]
    names = np.array([row.name for row in rows])
    classes = taxonomy.labels_of_classes()[: taxonomy.class_count - label_count]
    evidence = np.array([np.isin(names, evidence_of(labels)) for labels in classes])
    return SceneClassifier(label_count, weights, biases, evidence)


def evidence_of(labels: Collection[str]) -> tuple[str, ...]:
    """Return the outputs that are evidence of a class with these labels. Empty: it needs none."""
    return next((EVIDENCE[kind] for kind in EVIDENCE if kind in labels), OTHER_EVIDENCE)
