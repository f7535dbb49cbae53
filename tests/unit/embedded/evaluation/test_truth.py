"""Labels of a detector are compared with those of a person."""

from __future__ import annotations

import pytest

from core.domain.label import Label
from embedded.evaluation.truth import Mistake, TruthUnreadable, compare, read_truth

ANIMAL = ("Animal",)


def cat(confidence: float) -> tuple[Label, ...]:
    return Label("Animal", confidence), Label("Cat", confidence - 1, ANIMAL)


def test_most_specific_confident_labels_count() -> None:
    """A cat is right, an animal is general, a dog is wrong, and the fourth is below the limit."""
    found = {
        "right": cat(90),
        "general": (Label("Animal", 80), Label("Cat", 20, ANIMAL)),
        "wrong": (Label("Animal", 80), Label("Dog", 70, ANIMAL)),
        "nothing": cat(30),
    }
    result = compare(dict.fromkeys(found, ("cat",)), found, 55)
    assert (result.right, result.general, result.wrong, result.nothing) == (1, 1, 1, 1)
    assert result.pictures == 4
    assert result.precision == pytest.approx(1 / 3)
    assert result.recall == pytest.approx(1 / 4)
    assert result.mistakes == (Mistake("wrong", "Dog", 70),)
    assert result.missed == (("cat", 3),)


def test_more_specific_label_than_the_persons_is_right() -> None:
    found = {"a": (*cat(90), Label("Tabby Cat", 60, ("Cat", "Animal")))}
    result = compare({"a": ("Cat",)}, found, 55)
    assert (result.right, result.precision, result.recall) == (1, 1.0, 1.0)


def test_one_wrong_label_makes_a_picture_wrong() -> None:
    """Mistakes come in order of confidence."""
    found = {"a": (*cat(90), Label("Rug", 60), Label("Hat", 95))}
    result = compare({"a": ("Cat",)}, found, 55)
    assert (result.right, result.wrong) == (0, 1)
    assert [each.label for each in result.mistakes] == ["Hat", "Rug"]
    assert result.precision == pytest.approx(1 / 3)


def test_pictures_without_labels_have_no_precision() -> None:
    result = compare({"a": ("Cat",)}, {"a": ()}, 55)
    assert (result.nothing, result.precision, result.recall) == (1, None, 0.0)


def test_truth_has_a_line_for_each_picture() -> None:
    lines = ["# comment", "", "a b.jpg\tCat; Tabby Cat\r\n", "c/d.png\tSea"]
    assert read_truth(lines) == {"a b.jpg": ("Cat", "Tabby Cat"), "c/d.png": ("Sea",)}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a.jpg Cat"], "Line 1 has no labels"),
        (["a.jpg\tCat", "b.jpg\t;"], "Line 2 has no labels"),
        (["a.jpg\tCat", "a.jpg\tDog"], "Line 2: a.jpg is there twice"),
        (["# nothing"], "names no picture"),
    ],
)
def test_unusable_line_is_reported_with_the_remedy(lines: list[str], message: str) -> None:
    with pytest.raises(TruthUnreadable, match=message):
        read_truth(lines)
