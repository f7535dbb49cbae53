"""Decisions of owners about labels, and the labels that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.corrections import (
    MAX_DECISIONS,
    Correction,
    Decision,
    DecisionKind,
    check_box,
    decide,
    effective_labels,
)
from core.domain.errors import InvalidValue, TooManyCorrections
from core.domain.label import (
    MAX_LABELS,
    MAX_NAME,
    BoundingBox,
    Instance,
    Label,
    LabelSource,
    read_name,
)
from tests.support.blobs import NOON

ADDED, CONFIRMED, REMOVED = DecisionKind
LEFT, RIGHT = BoundingBox(0, 0, 0.5, 1), BoundingBox(0.5, 0, 0.5, 1)
CAT = Label("Cat", 80.0, ("Animal",), (Instance(LEFT, 70.0),), ("Kitty",), ("Pets",))
DOG = Label("Dog", 60.0)
LATER = NOON + timedelta(minutes=1)


def decided(
    *corrections: Correction,
    before: Sequence[Decision] = (),
    known: Sequence[Label] = (CAT, DOG),
    at: datetime = NOON,
) -> tuple[Decision, ...]:
    labels = {each.name.casefold(): each for each in known}
    return decide("1", before, corrections, labels, at, "key:1")


def labels(*corrections: Correction, detected: Sequence[Label] = (CAT, DOG)) -> list[Label]:
    return list(effective_labels(detected, decided(*corrections)))


def test_labels_without_decisions_are_those_of_the_detector() -> None:
    assert labels() == [CAT, DOG]


def test_removed_label_is_left_out_whatever_its_case() -> None:
    assert labels(Correction(REMOVED, "CAT")) == [DOG]


def test_removed_label_stays_removed_when_a_detector_finds_it_later() -> None:
    assert labels(Correction(REMOVED, "cow"), detected=(DOG, Label("Cow", 99.0))) == [DOG]


def test_confirmed_label_is_certain_and_keeps_what_the_detector_found() -> None:
    found = replace(CAT, confidence=100.0, confirmed_at=NOON)
    assert labels(Correction(CONFIRMED, "cat")) == [found, DOG]


def test_confirmed_label_stays_when_a_detector_finds_it_no_more() -> None:
    """With the places that the former detector found; then it is the owner's alone."""
    (found,) = labels(Correction(CONFIRMED, "cat"), detected=())
    assert found == replace(CAT, confidence=100.0, source=LabelSource.OWNER, confirmed_at=NOON)


def test_added_label_takes_its_parents_from_a_label_of_the_same_name() -> None:
    (found,) = labels(Correction(ADDED, "cat"), detected=())
    assert found == replace(
        CAT, confidence=100.0, instances=(), source=LabelSource.OWNER, confirmed_at=NOON
    )


def test_added_label_of_a_new_name_comes_first() -> None:
    cow = Label("Cow", 100.0, source=LabelSource.OWNER, confirmed_at=NOON)
    assert labels(Correction(ADDED, "Cow")) == [cow, CAT, DOG]


@pytest.mark.parametrize("detected", [(), (CAT,)])
def test_places_that_the_owner_gives_replace_those_of_the_detector(
    detected: Sequence[Label],
) -> None:
    (found,) = labels(Correction(ADDED, "Cat", (RIGHT, LEFT)), detected=detected)
    assert found.instances == (Instance(RIGHT, 100.0), Instance(LEFT, 100.0))


def test_added_label_without_places_has_those_of_the_detector() -> None:
    (found,) = labels(Correction(ADDED, "Cat"), detected=(CAT,))
    assert (found.instances, found.source) == (CAT.instances, LabelSource.OWNER)


def test_labels_are_as_many_as_can_be_counted() -> None:
    """Those of the owner come first, so they are never left out."""
    detected = [Label(f"Thing {n}", 60.0) for n in range(MAX_LABELS)]
    found = labels(Correction(ADDED, "Cow"), detected=detected)
    assert [each.name for each in found] == ["Cow", *(f"Thing {n}" for n in range(MAX_LABELS - 1))]


def test_repeated_correction_changes_nothing() -> None:
    first = decided(Correction(ADDED, "Cow", (LEFT,)), Correction(REMOVED, "Cat"))
    again = decided(Correction(REMOVED, "CAT"), Correction(ADDED, "cow"), before=first, at=LATER)
    assert again == first


def test_correction_with_other_places_replaces_the_former_one() -> None:
    first = decided(Correction(ADDED, "Cow", (LEFT,)))
    (second,) = decided(Correction(ADDED, "Cow", (RIGHT,)), before=first, at=LATER)
    assert (second.at, second.label.instances) == (LATER, (Instance(RIGHT, 100.0),))


def test_latest_decision_about_a_label_is_the_one_that_counts() -> None:
    first = decided(Correction(REMOVED, "Cat"), Correction(CONFIRMED, "Dog"))
    last = decided(Correction(CONFIRMED, "cat"), before=first, at=LATER)
    assert [(each.kind, each.label.name, each.by) for each in last] == [
        (CONFIRMED, "Dog", "key:1"),
        (CONFIRMED, "Cat", "key:1"),
    ]


def test_withdrawn_decision_leaves_no_trace() -> None:
    first = decided(Correction(REMOVED, "Cat"), Correction(ADDED, "Cow"))
    last = decided(Correction(None, "cat"), Correction(None, "Bird"), before=first)
    assert [each.label.name for each in last] == ["Cow"]


@pytest.mark.parametrize(
    ("kind", "most"), [(ADDED, MAX_LABELS), (CONFIRMED, MAX_LABELS), (REMOVED, MAX_DECISIONS)]
)
def test_decisions_of_a_picture_are_limited(kind: DecisionKind, most: int) -> None:
    full = decided(*(Correction(kind, str(n)) for n in range(most)))
    with pytest.raises(TooManyCorrections, match=f"{most} .* this would be {most + 1}"):
        decided(Correction(kind, "one more"), before=full)
    assert len(decided(Correction(None, "1"), Correction(kind, "other"), before=full)) == most


NAMES = st.sampled_from(["Cat", "cat", "Dog", "Cow"])
KINDS = st.none() | st.sampled_from(list(DecisionKind))
REQUESTS = st.lists(st.builds(Correction, KINDS, NAMES), max_size=8)


@given(REQUESTS)
def test_corrections_one_by_one_or_together_are_the_same(requests: list[Correction]) -> None:
    one_by_one: tuple[Decision, ...] = ()
    for each in requests:
        one_by_one = decided(each, before=one_by_one)
    assert decided(*requests) == one_by_one


@given(REQUESTS, st.lists(st.sampled_from([CAT, DOG, Label("Bird", 55.0)]), unique=True))
def test_every_decision_holds_whatever_is_detected(
    requests: list[Correction], detected: list[Label]
) -> None:
    decisions = decided(*requests)
    found = {each.name.casefold(): each for each in effective_labels(detected, decisions)}
    for decision in decisions:
        assert (decision.key in found) is (decision.kind is not REMOVED)
    for label in detected:
        if label.name.casefold() not in {each.key for each in decisions}:
            assert found[label.name.casefold()] == label


@pytest.mark.parametrize(
    ("given_name", "name"),
    [(" Cat ", "Cat"), ("Cafe\u0301", "Café"), ("x" * MAX_NAME, "x" * MAX_NAME)],
)
def test_name_is_stored_in_one_form(given_name: str, name: str) -> None:
    assert read_name(given_name) == name


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00", "\ud800", "x" * (MAX_NAME + 1)])
def test_name_that_nobody_can_read_is_rejected(name: str) -> None:
    with pytest.raises(InvalidValue, match="name: must have"):
        read_name(name)


@pytest.mark.parametrize(
    "box",
    [
        BoundingBox(-0.1, 0, 1, 1),
        BoundingBox(0, -0.1, 1, 1),
        BoundingBox(0.6, 0, 0.5, 1),
        BoundingBox(0, 0.6, 1, 0.5),
        BoundingBox(0, 0, 0, 1),
        BoundingBox(0, 0, 1, 0),
        BoundingBox(float("nan"), 0, 1, 1),
        BoundingBox(0, 0, float("inf"), 1),
    ],
)
def test_box_outside_of_the_image_is_rejected(box: BoundingBox) -> None:
    with pytest.raises(InvalidValue, match="within the image"):
        check_box(box)


def test_box_may_touch_the_edges() -> None:
    check_box(BoundingBox(0.7, 0.9, 0.3, 0.1))
