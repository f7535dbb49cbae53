"""Labels from class probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.domain.label import Label
from labeller.detectors.taxonomy import (
    Taxonomy,
    confidences_of,
    labels_from,
    load_taxonomy,
    most_confident,
)

# A boat-car has two parents that share a grandparent: a diamond.
SMALL = Taxonomy.build(
    ["Tabby Cat", "Tiger Cat", "Boat Car", "Bubble", "Tiger Cat"],
    {
        "Animal": (),
        "Cat": ("Animal",),
        "Tabby Cat": ("Cat",),
        "Tiger Cat": ("Cat",),
        "Vehicle": (),
        "Car": ("Vehicle",),
        "Boat": ("Vehicle",),
        "Boat Car": ("Car", "Boat"),
        "Bubble": (),
        "Unreached": (),
    },
)
FULL = load_taxonomy()

softmaxes = arrays(
    np.float32, FULL.class_count, elements=st.floats(0, 1, width=32), fill=st.just(0.0)
).map(lambda drawn: drawn / max(drawn.sum(), 1))


def labels(*probabilities: float, max_labels: int = 100, min_confidence: float = 0) -> list[Label]:
    found = labels_from(
        np.array(probabilities, dtype=np.float32),
        SMALL,
        max_labels=max_labels,
        min_confidence=min_confidence,
    )
    return list(found)


def shown(*probabilities: float, **limits: float) -> list[tuple[str, float]]:
    return [(label.name, label.confidence) for label in labels(*probabilities, **limits)]


def test_label_has_the_sum_of_its_classes() -> None:
    """Child labels are summed, and so are two classes of one label."""
    assert shown(0.5, 0.25, 0, 0, 0.125) == [
        ("Animal", 87.5),
        ("Cat", 87.5),
        ("Tabby Cat", 50.0),
        ("Tiger Cat", 37.5),
    ]


def test_class_counts_once_for_a_shared_ancestor() -> None:
    """Two paths lead to it."""
    assert shown(0, 0, 0.75, 0, 0) == [
        ("Boat", 75.0),
        ("Boat Car", 75.0),
        ("Car", 75.0),
        ("Vehicle", 75.0),
    ]


def test_parents_are_all_ancestors_nearest_first() -> None:
    """Breadth first, each once, in the order of the table."""
    parents = {label.name: label.parents for label in labels(0.2, 0.2, 0.2, 0.2, 0.2)}
    assert parents["Boat Car"] == ("Car", "Boat", "Vehicle")
    assert parents["Tabby Cat"] == ("Cat", "Animal")
    assert parents["Animal"] == ()


def test_labels_are_sorted_by_confidence_then_name() -> None:
    """Labels with the same rounded confidence are in alphabetical order."""
    assert [name for name, _ in shown(0.1, 0.1, 0.3, 0.3, 0)] == [
        "Boat",
        "Boat Car",
        "Bubble",
        "Car",
        "Vehicle",
        "Animal",
        "Cat",
        "Tabby Cat",
        "Tiger Cat",
    ]


def test_max_labels_truncates_the_sorted_list() -> None:
    everything = labels(0.1, 0.1, 0.3, 0.3, 0)
    for count in range(len(everything) + 2):
        assert labels(0.1, 0.1, 0.3, 0.3, 0, max_labels=count) == everything[:count]


def test_min_confidence_is_inclusive() -> None:
    """One thousandth less is not enough."""
    assert shown(0, 0, 0, 0.55, 0, min_confidence=55) == [("Bubble", 55.0)]
    assert shown(0, 0, 0, 0.54999, 0, min_confidence=55) == []


def test_label_that_rounds_to_zero_is_left_out() -> None:
    """Even without a minimum confidence."""
    assert shown(0, 0, 0, 0.000004, 0) == []
    assert shown(0, 0, 0, 0.000006, 0) == [("Bubble", 0.001)]


def test_confidence_is_never_above_100() -> None:
    """A softmax in float32 may sum to slightly more than one."""
    assert shown(0, 0, 0, 1.0001, 0) == [("Bubble", 100.0)]


def test_label_has_the_highest_of_its_sum_and_its_scenes() -> None:
    """Scenes are the last classes: they neither add up nor take from others."""
    found = confidences_of(np.array([0.5, 0.25, 0, 0]), SMALL, scenes=np.array([0.7]))
    best = most_confident(found, SMALL, max_labels=9, min_confidence=1)
    assert [(label.name, label.confidence) for label in best] == [
        ("Animal", 75.0),
        ("Cat", 75.0),
        ("Tiger Cat", 70.0),
        ("Tabby Cat", 50.0),
    ]


@pytest.mark.parametrize("wrong", [[0.5], [[0.2] * 5], [0.2, 0.2, 0.2, 0.2, float("nan")]])
def test_wrong_number_of_probabilities_is_refused(wrong: list[float]) -> None:
    """So is a number that is not finite."""
    with pytest.raises(ValueError, match="Expected 5 finite probabilities"):
        labels_from(np.array(wrong), SMALL, max_labels=5, min_confidence=0)


def test_undefined_parent_is_refused() -> None:
    """So a typing error shows at the start."""
    with pytest.raises(KeyError, match="Anmial"):
        Taxonomy.build(["Cat"], {"Cat": ("Anmial",), "Animal": ()})


@given(softmaxes)
def test_parent_is_never_below_its_child(probabilities: np.ndarray) -> None:
    """Not even by a rounding error. Every parent of a label is also returned."""
    found = labels_from(probabilities, FULL, max_labels=2000, min_confidence=0)
    confidence = {label.name: label.confidence for label in found}
    for label in found:
        for parent in label.parents:
            assert confidence[parent] >= label.confidence


@given(softmaxes, st.integers(0, 50), st.floats(0, 100))
def test_limits_hold_for_any_softmax(
    probabilities: np.ndarray, max_labels: int, min_confidence: float
) -> None:
    """Number, confidence, order, unique names and three decimals."""
    found = labels_from(probabilities, FULL, max_labels=max_labels, min_confidence=min_confidence)
    assert len(found) <= max_labels
    assert all(min_confidence <= label.confidence <= 100 for label in found)
    assert all(label.confidence == round(label.confidence, 3) for label in found)
    assert list(found) == sorted(found, key=lambda label: (-label.confidence, label.name))
    assert len({label.name for label in found}) == len(found)


@given(softmaxes)
def test_sums_equal_plain_sums_of_probabilities(probabilities: np.ndarray) -> None:
    found = labels_from(probabilities, FULL, max_labels=2000, min_confidence=0)
    whole = {label.name: label.confidence for label in found}
    cats = float(probabilities[281:286].astype(np.float64).sum()) * 100
    assert whole.get("Cat", 0.0) == pytest.approx(cats, abs=0.001)
