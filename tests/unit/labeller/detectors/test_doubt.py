"""Doubtful labels are recognised, and a picture's other views show what they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.domain.label import Label
from labeller.detectors.doubt import (
    AGREED,
    SHOWN,
    SURE,
    agreed,
    is_doubtful,
    is_undecided,
    largest_square,
    mirrored,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
SIDE = 8


def stripes(*colours: tuple[int, int, int], width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture of vertical stripes, each of `width` x `height` pixels."""
    row = np.repeat(np.array(colours, np.uint8), width, axis=0)
    return np.repeat(row[np.newaxis], height, axis=0)


@pytest.mark.parametrize(
    ("animal", "cat", "doubtful"),
    [
        (99.0, SURE - 0.001, True),
        (99.0, SHOWN, True),
        (99.0, SURE, False),
        (SURE, SHOWN - 0.001, False),
        (SURE - 0.001, 10.0, True),
        (SHOWN - 0.001, 10.0, False),
    ],
)
def test_most_specific_shown_label_that_is_not_sure_is_doubtful(
    animal: float, cat: float, *, doubtful: bool
) -> None:
    """Cat counts where it is shown, Animal where Cat is not."""
    labels = (Label("Animal", animal), Label("Cat", cat, ("Animal",)))
    assert is_doubtful(labels) is doubtful


def test_one_doubtful_label_among_sure_ones_is_enough() -> None:
    assert is_doubtful([Label("Flower", 99.0, ("Plant",)), Label("Rose", 70.0), Label("Plant", 99)])
    assert not is_doubtful([])


def test_general_label_is_not_doubtful_beside_its_sure_child() -> None:
    """A label may have less than its child where a detector doesn't sum up."""
    assert not is_doubtful([Label("Animal", 80.0), Label("Cat", 95.0, ("Animal",))])


@pytest.mark.parametrize(
    ("highest", "undecided"),
    [(AGREED - 0.001, False), (AGREED, True), (SHOWN - 0.001, True), (SHOWN, False)],
)
def test_picture_is_undecided_where_a_label_is_nearly_shown(
    highest: float, *, undecided: bool
) -> None:
    assert is_undecided(np.array([3.0, highest, 20.0])) is undecided
    assert not is_undecided(np.array([]))


def test_labels_that_are_agreed_on_are_shown_in_their_order() -> None:
    """Those of less confidence stay suggestions."""
    raised = agreed(np.array([AGREED - 0.001, AGREED, 50.0, 0.0]))
    assert raised.tolist() == [AGREED - 0.001, SHOWN, 60.0, 0.0]


def test_mirrored_view_shows_all_of_the_picture_the_other_way_round() -> None:
    view = mirrored(stripes(RED, GREEN, BLUE, BLUE, width=10, height=5), SIDE)
    assert view.shape == (SIDE, SIDE, 3)
    assert view.dtype == np.uint8
    assert view[:, 0].tolist() == [list(BLUE)] * SIDE
    assert view[:, -1].tolist() == [list(RED)] * SIDE


def test_largest_square_is_the_middle_of_a_wide_picture() -> None:
    view = largest_square(stripes(RED, GREEN, BLUE, width=20, height=20), SIDE)
    assert view.shape == (SIDE, SIDE, 3)
    assert view[1:-1, 1:-1].reshape(-1, 3).tolist() == [list(GREEN)] * (SIDE - 2) ** 2


def test_largest_square_is_the_middle_of_a_high_picture() -> None:
    high = stripes(RED, GREEN, BLUE, width=20, height=20).swapaxes(0, 1)
    view = largest_square(high, SIDE)
    assert view[1:-1, 1:-1].reshape(-1, 3).tolist() == [list(GREEN)] * (SIDE - 2) ** 2


@pytest.mark.parametrize("view", [mirrored, largest_square])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1)])
def test_views_of_very_narrow_pictures_have_the_networks_size(
    view: object, shape: tuple[int, int]
) -> None:
    assert callable(view)
    assert view(np.full((*shape, 3), 9, np.uint8), SIDE).tolist() == [[[9, 9, 9]] * SIDE] * SIDE
