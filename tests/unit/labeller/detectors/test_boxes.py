"""Boxes with scores."""

from __future__ import annotations

import numpy as np
import pytest

from labeller.detectors.boxes import MAX_BOXES, Boxes, joined


def boxes(*rows: tuple[float, ...]) -> Boxes:
    """Rows of left, top, right, bottom and score."""
    return Boxes(np.array([row[:4] for row in rows]), np.array([row[4] for row in rows]))


def test_with_score_keeps_the_best_first() -> None:
    found = boxes((0, 0, 1, 1, 0.3), (0, 0, 2, 2, 0.9), (0, 0, 3, 3, 0.5)).with_score(0.5)
    assert found.scores.tolist() == [0.9, 0.5]
    assert found.edges[:, 2].tolist() == [2, 3]


def test_with_score_keeps_a_limited_number() -> None:
    many = Boxes(np.zeros((MAX_BOXES + 50, 4)), np.linspace(1, 0, MAX_BOXES + 50))
    assert len(many.with_score(0).scores) == MAX_BOXES


@pytest.mark.parametrize(
    ("overlap", "of_smaller", "kept"),
    [(0.3, False, [0, 2]), (0.4, False, [0, 1, 2]), (0.49, True, [0, 2]), (0.51, True, [0, 1, 2])],
)
def test_overlaps_are_a_share_of_the_union_or_of_the_smaller(
    overlap: float, of_smaller: bool, kept: list[int]
) -> None:
    """Two boxes of 4 by 2 that share 2 by 2: a third of the union, half of the smaller."""
    three = boxes((0, 0, 4, 2, 0.9), (2, 0, 6, 2, 0.8), (6, 0, 8, 2, 0.7))
    found = three.without_overlaps(overlap, of_smaller=of_smaller)
    assert found.edges[:, 0].tolist() == [three.edges[index, 0] for index in kept]


def test_dropped_box_drops_no_other() -> None:
    """The third overlaps the second, which the first has dropped."""
    row = boxes((0, 0, 10, 1, 0.9), (4, 0, 14, 1, 0.8), (8, 0, 18, 1, 0.7))
    assert row.without_overlaps(0.4).edges[:, 0].tolist() == [0, 8]


def test_joined_boxes_keep_their_order() -> None:
    found = joined([boxes((0, 0, 1, 1, 0.1)), boxes((1, 1, 2, 2, 0.9))])
    assert found.scores.tolist() == [0.1, 0.9]
    assert joined([]).edges.shape == (0, 4)
