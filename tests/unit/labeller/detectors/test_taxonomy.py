"""Class probabilities become labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.domain.label import Label
from labeller.detectors.taxonomy import Taxonomy, labels_from, load_taxonomy

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


def test_a_label_has_the_sum_of_its_classes() -> None:
    """Kinds add up, and so do two classes of one name."""
    assert shown(0.5, 0.25, 0, 0, 0.125) == [
        ("Animal", 87.5),
        ("Cat", 87.5),
        ("Tabby Cat", 50.0),
        ("Tiger Cat", 37.5),
    ]


def test_a_class_counts_once_through_a_diamond() -> None:
    """A class that reaches an ancestor by two paths is counted once there."""
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


def test_the_most_confident_come_first_and_ties_by_name() -> None:
    """What shows the same confidence is in alphabetical order."""
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


def test_fewer_labels_are_the_front_of_more() -> None:
    """max_labels cuts the sorted list."""
    everything = labels(0.1, 0.1, 0.3, 0.3, 0)
    for count in range(len(everything) + 2):
        assert labels(0.1, 0.1, 0.3, 0.3, 0, max_labels=count) == everything[:count]


def test_a_label_is_at_least_as_confident_as_asked() -> None:
    """min_confidence itself is enough, and one thousandth less is not."""
    assert shown(0, 0, 0, 0.55, 0, min_confidence=55) == [("Bubble", 55.0)]
    assert shown(0, 0, 0, 0.54999, 0, min_confidence=55) == []


def test_what_rounds_to_nothing_is_no_label() -> None:
    """Even when any confidence will do."""
    assert shown(0, 0, 0, 0.000004, 0) == []
    assert shown(0, 0, 0, 0.000006, 0) == [("Bubble", 0.001)]


def test_confidence_is_never_above_100() -> None:
    """A softmax in float32 may add up to a little more than one."""
    assert shown(0, 0, 0, 1.0001, 0) == [("Bubble", 100.0)]


@pytest.mark.parametrize("wrong", [[0.5], [[0.2] * 5], [0.2, 0.2, 0.2, 0.2, float("nan")]])
def test_anything_but_a_probability_for_each_class_is_refused(wrong: list[float]) -> None:
    """A model with other classes must not be mistaken for ours."""
    with pytest.raises(ValueError, match="Expected 5 finite probabilities"):
        labels_from(np.array(wrong), SMALL, max_labels=5, min_confidence=0)


def test_an_undefined_parent_is_refused() -> None:
    """A typing error in the table shows at the start, not in the labels."""
    with pytest.raises(KeyError, match="Anmial"):
        Taxonomy.build(["Cat"], {"Cat": ("Anmial",), "Animal": ()})


@given(softmaxes)
def test_a_parent_is_never_below_its_child(probabilities: np.ndarray) -> None:
    """Not even by a rounding error, and every parent of a label is a label itself."""
    found = labels_from(probabilities, FULL, max_labels=2000, min_confidence=0)
    confidence = {label.name: label.confidence for label in found}
    for label in found:
        for parent in label.parents:
            assert confidence[parent] >= label.confidence


@given(softmaxes, st.integers(0, 50), st.floats(0, 100))
def test_limits_hold_for_any_softmax(
    probabilities: np.ndarray, max_labels: int, min_confidence: float
) -> None:
    """At most so many, at least so confident, in order, each name once, three decimals."""
    found = labels_from(probabilities, FULL, max_labels=max_labels, min_confidence=min_confidence)
    assert len(found) <= max_labels
    assert all(min_confidence <= label.confidence <= 100 for label in found)
    assert all(label.confidence == round(label.confidence, 3) for label in found)
    assert list(found) == sorted(found, key=lambda label: (-label.confidence, label.name))
    assert len({label.name for label in found}) == len(found)


@given(softmaxes)
def test_a_class_is_worth_its_probability(probabilities: np.ndarray) -> None:
    """The summed confidence agrees with a plain sum over the classes."""
    found = labels_from(probabilities, FULL, max_labels=2000, min_confidence=0)
    whole = {label.name: label.confidence for label in found}
    cats = float(probabilities[281:286].astype(np.float64).sum()) * 100
    assert whole.get("Cat", 0.0) == pytest.approx(cats, abs=0.001)
