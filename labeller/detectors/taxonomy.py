"""Labels from class probabilities, by a taxonomy. Pure.

A softmax distributes the probability over ImageNet's 1000 classes, so a cat of uncertain breed gets
many small numbers. Summed along the taxonomy they give the reliable labels: Animal 95, Cat 93,
Tiger Cat 39.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from core.domain.label import Label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

# Version of tables, calibration, scenes, doubt and people, stored with labels. A change raises it.
VERSION: Final = 6

# Sums are integers in trillionths, so they don't depend on the order: equal sums are equal, and no
# parent is below its child by a rounding error.
TRILLION = 10**12
THOUSANDTHS_OF_PER_CENT = 100_000
NO_SCENES: Final = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Taxonomy:
    """All labels with their ancestors, and the classes that each label includes.

    `labels` are in alphabetical order, with confidence 0 and with the nearest ancestor first.
    `members` holds the classes of the first label, then those of the second, and so on. `starts`
    holds the index of each label's first class in it.
    """

    class_count: int
    labels: tuple[Label, ...]
    members: NDArray[np.intp]
    starts: NDArray[np.intp]

    @classmethod
    def build(
        cls,
        classes: Sequence[str],
        parents: Mapping[str, Sequence[str]],
        *,
        categories: Mapping[str, Sequence[str]] | None = None,
        aliases: Mapping[str, Sequence[str]] | None = None,
    ) -> Taxonomy:
        """Build the taxonomy from each class's label, in class order, and each label's parents.

        Labels without classes are left out. Raises KeyError for an unknown parent.
        """
        categories, aliases = categories or {}, aliases or {}
        ancestors = {label: _ancestors(label, parents) for label in parents}
        members: dict[str, list[int]] = {}
        for index, label in enumerate(classes):
            for name in (label, *ancestors[label]):
                members.setdefault(name, []).append(index)
        names = tuple(sorted(members))
        counts = [len(members[name]) for name in names]
        return cls(
            class_count=len(classes),
            labels=tuple(
                Label(
                    name,
                    confidence=0,
                    parents=ancestors[name],
                    aliases=tuple(aliases.get(name, ())),
                    categories=tuple(categories.get(name, ())),
                )
                for name in names
            ),
            members=np.array([i for name in names for i in members[name]], dtype=np.intp),
            starts=np.cumsum([0, *counts[:-1]], dtype=np.intp),
        )

    def labels_of_classes(self) -> list[set[str]]:
        """Return the names of each class's label and of that one's ancestors, in class order."""
        found: list[set[str]] = [set() for _ in range(self.class_count)]
        for label, members in zip(
            self.labels, np.split(self.members, self.starts[1:]), strict=True
        ):
            for index in members:
                found[index].add(label.name)
        return found


class Scene(NamedTuple):
    """An output of the classifier of scenes: a label, or only evidence of what a picture shows."""

    name: str
    is_label: bool


def read_scenes() -> list[Scene]:
    """Return the outputs of the classifier of scenes, in order: labels, then mere evidence."""
    return [Scene(name, use == "label") for name, use in _rows("scenes.tsv")]


def load_taxonomy() -> Taxonomy:
    """Read the tables beside this file. The classes are ImageNet's, then the labels of scenes.

    scripts/make_label_table.py writes two of the tables.
    """
    parents, categories, aliases = {}, {}, {}
    for label, *lists in _rows("taxonomy.tsv"):
        parents[label], categories[label], aliases[label] = (
            tuple(filter(None, joined.split(";"))) for joined in lists
        )
    classes = [label for _, _, label in _rows("classes.tsv")]
    classes += [scene.name for scene in read_scenes() if scene.is_label]
    return Taxonomy.build(classes, parents, categories=categories, aliases=aliases)


def _rows(table: str) -> list[list[str]]:
    text = files("labeller.detectors").joinpath(table).read_text(encoding="utf-8")
    return [row.split("\t") for row in text.splitlines()]


def labels_from(
    probabilities: NDArray[np.floating[Any]],
    taxonomy: Taxonomy,
    *,
    max_labels: int,
    min_confidence: float,
    combine: np.ufunc = np.add,
) -> tuple[Label, ...]:
    """Return the labels of a softmax, most confident first, ties by name.

    As `most_confident` of `confidences_of`. Raises ValueError as the latter.
    """
    return most_confident(
        confidences_of(probabilities, taxonomy, combine=combine),
        taxonomy,
        max_labels=max_labels,
        min_confidence=min_confidence,
    )


def confidences_of(
    probabilities: NDArray[np.floating[Any]],
    taxonomy: Taxonomy,
    *,
    combine: np.ufunc = np.add,
    scenes: NDArray[np.floating[Any]] = NO_SCENES,
) -> NDArray[np.float64]:
    """Return the confidence of each of the taxonomy's labels in per cent, in their order.

    It is the sum of the label's classes, rounded to three decimals. For classes that don't exclude
    each other, pass `np.maximum` as `combine`. `scenes` are the probabilities of the taxonomy's
    last classes, which don't exclude each other or the others: a label has the highest of its sum
    and its scenes.

    Raises:
        ValueError: there is not one finite number per class.

    """
    expected = taxonomy.class_count - len(scenes)
    if probabilities.shape != (expected,) or not np.isfinite(probabilities).all():
        raise ValueError(f"Expected {expected} finite probabilities")
    numbers = np.concatenate([probabilities, scenes], dtype=np.float64)
    whole = np.rint(numbers * TRILLION).astype(np.int64)
    members, is_scene = whole[taxonomy.members], taxonomy.members >= len(probabilities)
    sums = combine.reduceat(np.where(is_scene, 0, members), taxonomy.starts)
    highest = np.maximum.reduceat(np.where(is_scene, members, 0), taxonomy.starts)
    thousandths = np.rint(np.maximum(sums, highest) / TRILLION * THOUSANDTHS_OF_PER_CENT)
    confidences: NDArray[np.float64] = np.minimum(thousandths / 1000, 100.0)
    return confidences


def most_confident(
    confidences: NDArray[np.float64],
    taxonomy: Taxonomy,
    *,
    max_labels: int,
    min_confidence: float,
) -> tuple[Label, ...]:
    """Return labels with their confidences, most confident first, ties by name.

    A label of confidence zero is left out.
    """
    kept = np.flatnonzero((confidences >= min_confidence) & (confidences > 0))
    # The labels are sorted by name, so a stable sort keeps ties in that order.
    best = kept[np.argsort(-confidences[kept], kind="stable")][:max_labels]
    return tuple(
        replace(taxonomy.labels[i], confidence=confidence)
        for i, confidence in zip(best.tolist(), confidences[best].tolist(), strict=True)
    )


def _ancestors(label: str, parents: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return all ancestors in breadth-first order, each once."""
    found: dict[str, None] = {}
    queue = list(parents[label])
    for parent in queue:  # which grows meanwhile
        if parent not in found:
            found[parent] = None
            queue.extend(parents[parent])
    return tuple(found)
