"""What decisions say about each label, and the least confidence that follows."""

from __future__ import annotations

import pytest

from embedded.evaluation.labels import (
    DecidedPicture,
    LabelEvaluation,
    evaluate_labels,
    least_confidence,
)


def test_each_label_is_judged_by_the_decisions_about_it() -> None:
    """A label that was found and that nobody decided about does not count."""
    pictures = [
        DecidedPicture({"cat": 90.0, "sofa": 60.0}, {"cat"}, frozenset()),
        DecidedPicture({"cat": 80.0}, {"dog"}, {"cat"}),
        DecidedPicture({"dog": 70.0}, {"cat", "dog"}, {"sofa"}),
    ]
    assert evaluate_labels(pictures, {"cat": "Cat", "dog": "Dog"}) == (
        LabelEvaluation("Cat", right=1, wrong=1, missed=1, suggested=None),
        LabelEvaluation("Dog", right=1, wrong=0, missed=1, suggested=None),
    )


def test_precision_is_that_of_what_was_found() -> None:
    assert LabelEvaluation("Cat", 3, 1, 9, None).precision == 0.75
    assert LabelEvaluation("Cat", 0, 0, 9, None).precision is None


@pytest.mark.parametrize(
    ("right", "wrong", "least"),
    [
        ([], [], None),
        ([90.0, 91.0], [10.0, 20.0], None),  # too few
        ([90.0, 91.0, 80.0], [60.0, 70.0], 75.0),
        ([90.0, 91.0, 80.0, 55.0], [60.0, 70.0], 75.0),  # one right label is hidden for two wrong
        ([90.0, 91.0, 60.0, 65.0], [70.0], None),  # better one wrong label than two hidden
        ([50.0, 60.0, 70.0, 80.0, 90.0], [], None),
        ([60.0, 90.0, 95.0, 97.0], [60.0, 60.0], 75.0),  # of the same confidence
        ([90.04, 91.0, 80.2], [60.0, 70.0], 75.1),
    ],
)
def test_the_suggested_confidence_contradicts_the_fewest_decisions(
    right: list[float], wrong: list[float], least: float | None
) -> None:
    assert least_confidence(right, wrong) == least


def test_a_label_that_is_mostly_wrong_is_best_hidden() -> None:
    wrong = [DecidedPicture({"cat": 50.0 + n}, frozenset(), {"cat"}) for n in range(5)]
    (result,) = evaluate_labels(wrong, {})
    assert result.hides
    assert not LabelEvaluation("Cat", 5, 0, 0, None).hides
