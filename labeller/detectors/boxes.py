"""Boxes with scores: their shapes, their order and their overlaps. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

# Limits the cost of a picture that was made to look like a thousand of what is searched.
MAX_BOXES: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes as rows of left, top, right and bottom in one unit, and a score for each row."""

    edges: Floats
    scores: Floats

    def with_score(self, score: float) -> Boxes:
        """Return the boxes of at least that score, best first, at most `MAX_BOXES`."""
        order = np.argsort(-self.scores, kind="stable")[:MAX_BOXES]
        return self.rows(order[self.scores[order] >= score])

    def shifted(self, shifts: Floats) -> Boxes:
        """Shift each edge by a share of its box's width or height."""
        size = self.edges[:, 2:] - self.edges[:, :2]
        return Boxes(self.edges + shifts * np.hstack([size, size]), self.scores)

    def squared(self) -> Boxes:
        """Return squares around the boxes' centres, as large as their longer sides."""
        middle = (self.edges[:, :2] + self.edges[:, 2:]) / 2
        half = (self.edges[:, 2:] - self.edges[:, :2]).max(axis=1, keepdims=True) / 2
        return Boxes(np.hstack([middle - half, middle + half]), self.scores)

    def without_overlaps(self, overlap: float, *, of_smaller: bool = False) -> Boxes:
        """Drop each box that overlaps an earlier one too much (non-maximum suppression).

        `overlap` is the allowed intersection, as a share of the union or of the smaller box.
        """
        if len(self.scores) <= 1:
            return self
        left, top, right, bottom = self.edges.T
        area = (right - left) * (bottom - top)
        # Matrices of all pairs: there are at most some hundred boxes.
        width = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
        height = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
        intersection = np.maximum(width, 0) * np.maximum(height, 0)
        smaller, union = np.minimum(area[:, None], area), area[:, None] + area - intersection
        overlaps = intersection > overlap * (smaller if of_smaller else union)
        remaining = np.ones(len(area), dtype=bool)
        kept = []
        for index in range(len(area)):
            if remaining[index]:
                kept.append(index)
                remaining &= ~overlaps[index]
        return self.rows(np.array(kept, dtype=np.intp))

    def rows(self, indexes: NDArray[Any]) -> Boxes:
        """Return the boxes at those indexes, or where a mask is true."""
        return Boxes(self.edges[indexes], self.scores[indexes])


def joined(boxes: Iterable[Boxes]) -> Boxes:
    """Return all boxes in one, in their order."""
    found = [Boxes(np.empty((0, 4)), np.empty(0)), *boxes]
    return Boxes(
        np.concatenate([each.edges for each in found]),
        np.concatenate([each.scores for each in found]),
    )
