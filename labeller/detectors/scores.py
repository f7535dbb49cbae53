"""From ImageNet's thousand class probabilities to labels a person would search for. Pure.

A softmax names one class, so a cat of doubtful breed gives many small numbers. Summed up the
taxonomy they say the one sure thing: Animal 95, Cat 93, Tiger Cat 39.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from core.domain.label import Label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

# Of the tables and of the calibration: raised with either, so that one knows which labels are old.
VERSION: Final = 2

# Sums are made in whole trillionths: they come out the same in any order, so that equal sums are
# equal and no parent is a rounding error below its child.
TRILLION = 10**12
PER_CENT_AND_THREE_DECIMALS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Taxonomy:
    """Every label, its ancestors and the classes which count for it.

    `labels` are in alphabetical order, their confidence 0, their ancestors nearest first.
    `members` holds the classes of the first label, then those of the second, and so on; `starts`
    says where each label's begin.
    """

    class_count: int
    labels: tuple[Label, ...]
    members: NDArray[np.intp]
    starts: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        classes: Sequence[str],
        parents: Mapping[str, Sequence[str]],
        *,
        categories: Mapping[str, Sequence[str]] | None = None,
        aliases: Mapping[str, Sequence[str]] | None = None,
    ) -> Taxonomy:
        """Build it from each class's label, in class order, and every label's parents.

        Labels that no class counts for are left out. Raises KeyError for a parent that is no label.
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


def load_taxonomy() -> Taxonomy:
    """Read the two tables beside this file (scripts/make_label_table.py writes them)."""
    folder = files("labeller.detectors")
    classes = folder.joinpath("classes.tsv").read_text(encoding="utf-8").splitlines()
    rows = folder.joinpath("taxonomy.tsv").read_text(encoding="utf-8").splitlines()
    parents, categories, aliases = {}, {}, {}
    for row in rows:
        label, *lists = row.split("\t")
        parents[label], categories[label], aliases[label] = (
            tuple(filter(None, joined.split(";"))) for joined in lists
        )
    labels = [row.split("\t")[2] for row in classes]
    return Taxonomy.of(labels, parents, categories=categories, aliases=aliases)


def labels_from(
    probabilities: NDArray[np.floating[Any]],
    taxonomy: Taxonomy,
    *,
    max_labels: int,
    min_confidence: float,
    combine: np.ufunc = np.add,
) -> tuple[Label, ...]:
    """Return the labels of a softmax, most confident first, ties by name.

    A label's confidence is the sum of its classes as a percentage of three decimals; one that
    rounds to nothing is no label. Classes that don't exclude each other are to be combined by
    `np.maximum` instead.

    Raises:
        ValueError: there is not one finite probability for each class.

    """
    if probabilities.shape != (taxonomy.class_count,) or not np.isfinite(probabilities).all():
        raise ValueError(f"Expected {taxonomy.class_count} finite probabilities")
    whole = np.rint(probabilities.astype(np.float64) * TRILLION).astype(np.int64)
    sums = combine.reduceat(whole[taxonomy.members], taxonomy.starts) / TRILLION
    thousandths = np.rint(sums * PER_CENT_AND_THREE_DECIMALS)
    confidences = np.minimum(thousandths / 1000, 100.0)

    kept = np.flatnonzero((confidences >= min_confidence) & (confidences > 0))
    # The labels are sorted by name already, so a stable sort leaves ties in their order.
    best = kept[np.argsort(-confidences[kept], kind="stable")][:max_labels]
    return tuple(
        replace(taxonomy.labels[i], confidence=confidence)
        for i, confidence in zip(best.tolist(), confidences[best].tolist(), strict=True)
    )


def _ancestors(label: str, parents: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return every ancestor once, breadth first."""
    found: dict[str, None] = {}
    queue = list(parents[label])
    for parent in queue:  # grows as it goes
        if parent not in found:
            found[parent] = None
            queue.extend(parents[parent])
    return tuple(found)
