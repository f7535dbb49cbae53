"""Label policies: which labels they show, by which names, and which policies are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.corrections import Correction, Decision, DecisionKind, decide, effective_labels
from core.domain.label import MAX_LABELS, BoundingBox, Instance, Label
from core.domain.label_policy import (
    MAX_RULES,
    NO_POLICY,
    InvalidPolicy,
    LabelAction,
    LabelPolicy,
    LabelRule,
    check_policy,
    shown_labels,
)
from tests.support.blobs import NOON

HIDE, ALLOW, RENAME, REQUIRE = LabelAction
ADDED, CONFIRMED, REMOVED = DecisionKind
LEFT, RIGHT = (Instance(BoundingBox(x, 0, 0.5, 1), 70.0) for x in (0, 0.5))
CAT = Label("Cat", 90.0, ("Animal",), (), ("Kitty",), ("Animals and Pets",))
DOG = Label("Dog", 70.0, ("Animal",), (), (), ("Animals and Pets",))
CAR = Label("Car", 60.0, ("Vehicle",), (LEFT,), ("Motorcar",), ("Vehicles",))
AUTO = Label("Automobile", 80.0, ("Car", "Vehicle"), (RIGHT,), ("Motorcar",), ("Vehicles",))
FOUND = (CAT, AUTO, DOG, CAR)


def hide(name: str) -> LabelRule:
    return LabelRule(HIDE, name)


def rename(name: str, to: str) -> LabelRule:
    return LabelRule(RENAME, name, replacement=to)


def require(name: str, confidence: float) -> LabelRule:
    return LabelRule(REQUIRE, name, min_confidence=confidence)


def of_category(action: LabelAction, category: str, confidence: float | None = None) -> LabelRule:
    return LabelRule(action, category=category, min_confidence=confidence)


def policy(*rules: LabelRule, least: float = 0.0, most: int = MAX_LABELS) -> LabelPolicy:
    return check_policy(LabelPolicy(1, least, most, rules))


def decided(*wanted: tuple[DecisionKind, str]) -> tuple[Decision, ...]:
    known = {each.name.casefold(): each for each in FOUND}
    corrections = [Correction(*each) for each in wanted]
    return decide("1", (), corrections, known, NOON, "key:1")


def names(
    given: LabelPolicy, *wanted: tuple[DecisionKind, str], found: tuple[Label, ...] = FOUND
) -> list[str]:
    return [each.name for each in effective_labels(found, decided(*wanted), given)]


def test_without_a_policy_all_labels_are_shown_as_detected() -> None:
    assert effective_labels(FOUND, (), NO_POLICY) == FOUND


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (policy(hide("cat")), ["Automobile", "Dog", "Car"]),
        (policy(of_category(HIDE, "vehicles")), ["Cat", "Dog"]),
        (policy(LabelRule(ALLOW, "Cat")), ["Cat"]),
        (policy(of_category(ALLOW, "Animals and Pets")), ["Cat", "Dog"]),
        (policy(of_category(ALLOW, "Vehicles"), hide("Car")), ["Automobile"]),
        (policy(of_category(HIDE, "Vehicles"), LabelRule(ALLOW, "Car")), ["Car"]),
        (policy(least=70), ["Cat", "Automobile", "Dog"]),
        (policy(require("Car", 50), least=85), ["Cat", "Car"]),
        (policy(of_category(REQUIRE, "Vehicles", 80)), ["Cat", "Automobile", "Dog"]),
        (policy(of_category(REQUIRE, "Vehicles", 99), require("CAR", 60)), ["Cat", "Dog", "Car"]),
        (policy(most=2), ["Cat", "Automobile"]),
    ],
)
def test_rules_show_and_hide_labels(given: LabelPolicy, shown: list[str]) -> None:
    """The rule of a label precedes those of its categories, whose rule precedes the default."""
    assert names(given) == shown


def test_of_several_categories_the_highest_required_confidence_counts() -> None:
    toy = Label("Toy", 75.0, categories=("Hobbies", "Vehicles"))
    given = policy(of_category(REQUIRE, "Hobbies", 70), of_category(REQUIRE, "Vehicles", 80))
    assert names(given, found=(toy,)) == []


def test_renamed_label_keeps_its_former_name_as_an_alias() -> None:
    """It is not its own parent."""
    (shown,) = shown_labels([AUTO], policy(rename("AUTOMOBILE", "Car")))
    assert shown == replace(
        AUTO, name="Car", parents=("Vehicle",), aliases=("Motorcar", "Automobile")
    )


def test_labels_that_become_one_have_the_higher_confidence_and_all_places() -> None:
    _, car, _ = shown_labels(FOUND, policy(rename("Automobile", "Car")))
    assert (car.name, car.confidence, car.instances) == ("Car", 80.0, (RIGHT, LEFT))
    assert car.aliases == ("Motorcar", "Automobile")


def test_rules_apply_to_the_new_name() -> None:
    assert names(policy(rename("Automobile", "Car"), require("Car", 75))) == ["Cat", "Car", "Dog"]
    assert names(policy(rename("Automobile", "Car"), hide("Car"))) == ["Cat", "Dog"]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ((CONFIRMED, "Cat"), ["Cat", "Car"]),  # which the policy hides
        ((ADDED, "Lion"), ["Lion", "Car"]),
        ((REMOVED, "Car"), ["Dog"]),  # the name that the policy gives
        ((CONFIRMED, "Car"), ["Car", "Dog"]),
        ((REMOVED, "Automobile"), ["Dog", "Car"]),  # the name that the detector gives
        ((CONFIRMED, "Automobile"), ["Automobile", "Dog"]),
    ],
)
def test_decisions_precede_the_policy(wanted: tuple[DecisionKind, str], shown: list[str]) -> None:
    """They may name a label as the detector does, or as the policy does."""
    given = policy(hide("Cat"), hide("Lion"), rename("Automobile", "Car"), most=2)
    assert names(given, wanted) == shown


def test_added_and_confirmed_labels_are_never_too_many_for_the_policy() -> None:
    wanted = [(CONFIRMED, each.name) for each in FOUND[:3]]
    assert names(policy(most=1), *wanted) == ["Cat", "Automobile", "Dog"]


WRONG = {
    "confidence of a policy": (LabelPolicy(0, 100.5), "minConfidence: must be 0 to 100"),
    "no labels": (LabelPolicy(0, 0, 0), "maxLabels: must be 1 to 40"),
    "too many labels": (LabelPolicy(0, 0, 41), "maxLabels: must be 1 to 40"),
    "too many rules": (
        LabelPolicy(rules=tuple(hide(f"Thing {n}") for n in range(MAX_RULES + 1))),
        "rules: must be at most 200",
    ),
    "a rule about nothing": (
        LabelPolicy(rules=(LabelRule(HIDE),)),
        "rules.0.label: must be given, or else category; not both",
    ),
    "a rule about both": (
        LabelPolicy(rules=(LabelRule(HIDE, "Cat", "Pets"),)),
        "rules.0.label: must be given, or else category; not both",
    ),
    "a renamed category": (
        LabelPolicy(rules=(LabelRule(RENAME, category="Pets", replacement="Animals"),)),
        "rules.0.label: must be given: only a label can be renamed",
    ),
    "no new name": (
        LabelPolicy(rules=(LabelRule(RENAME, "Cat"),)),
        "rules.0.replacement: RENAME needs it",
    ),
    "a new name of another action": (
        LabelPolicy(rules=(LabelRule(HIDE, "Cat", replacement="Dog"),)),
        "rules.0.replacement: only RENAME may have it",
    ),
    "no confidence": (
        LabelPolicy(rules=(LabelRule(REQUIRE, "Cat"),)),
        "rules.0.minConfidence: REQUIRE_CONFIDENCE needs it",
    ),
    "a confidence of another action": (
        LabelPolicy(rules=(LabelRule(HIDE, "Cat", min_confidence=5),)),
        "rules.0.minConfidence: only REQUIRE_CONFIDENCE may have it",
    ),
    "a confidence out of range": (
        LabelPolicy(rules=(require("Cat", -1),)),
        "rules.0.minConfidence: must be 0 to 100",
    ),
    "an empty name": (
        LabelPolicy(rules=(hide("Cow"), hide("  "))),
        "rules.1.label: must have 1 to 100 characters",
    ),
    "a new name with a line break": (
        LabelPolicy(rules=(rename("Cat", "a\nb"),)),
        "rules.0.replacement: must have printable characters only",
    ),
    "a long category": (
        LabelPolicy(rules=(of_category(HIDE, "c" * 101),)),
        "rules.0.category: must have 1 to 100 characters",
    ),
    "two rules of one kind": (
        LabelPolicy(rules=(hide("Cat"), LabelRule(ALLOW, "CAT"))),
        "rules.1.label: has another rule of this kind",
    ),
    "another rule for a renamed label": (
        LabelPolicy(rules=(hide("Cat"), rename("cat", "Dog"))),
        "rules.0.label: is renamed by another rule: give its replacement here",
    ),
    "a chain of names": (
        LabelPolicy(rules=(rename("Cat", "Dog"), rename("Dog", "Cow"))),
        "rules.0.replacement: is renamed itself: give the last name",
    ),
}


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
def test_wrong_policy_is_refused(given: LabelPolicy, message: str) -> None:
    with pytest.raises(InvalidPolicy) as raised:
        check_policy(given)
    assert str(raised.value) == message


def test_all_that_is_wrong_with_a_policy_is_told_at_once() -> None:
    with pytest.raises(InvalidPolicy) as raised:
        check_policy(LabelPolicy(0, -1, 0, (hide(""), require("Cat", 101))))
    assert [each.path for each in raised.value.problems] == [
        ("minConfidence",),
        ("maxLabels",),
        ("rules", "0", "label"),
        ("rules", "1", "minConfidence"),
    ]


def test_names_are_stored_in_one_form_and_may_change_their_case() -> None:
    given = check_policy(LabelPolicy(rules=(rename(" the\u0301 ", "TH\u00c9"),)))
    assert given.rules == (rename("th\u00e9", "TH\u00c9"),)
    (shown,) = shown_labels([Label("Thé", 80.0)], given)
    assert shown.name == "THÉ"


NAMES = st.sampled_from(["Cat", "Dog", "Car", "Cow", "cat"])
FOUND_LABELS = st.lists(
    st.builds(
        Label,
        NAMES,
        st.integers(0, 100).map(float),
        categories=st.lists(st.sampled_from(["Pets", "Farm"]), unique=True).map(tuple),
    ),
    unique_by=lambda each: each.name.casefold(),
).map(tuple)
RULES = st.one_of(
    st.builds(LabelRule, st.sampled_from([HIDE, ALLOW]), NAMES),
    st.builds(rename, NAMES, NAMES),
    st.builds(require, NAMES, st.integers(0, 100)),
    st.builds(of_category, st.sampled_from([HIDE, ALLOW]), st.sampled_from(["Pets", "Farm"])),
)
POLICIES = st.builds(
    LabelPolicy,
    st.just(1),
    st.integers(0, 100).map(float),
    st.integers(1, 5),
    st.lists(RULES, max_size=5).map(tuple),
)
DECISIONS = st.lists(
    st.builds(
        Decision,
        st.sampled_from(DecisionKind),
        NAMES.map(lambda name: Label(name, 0)),
        st.just(NOON),
        st.just("key:1"),
    ),
    unique_by=lambda each: each.key,
)


@given(FOUND_LABELS, DECISIONS, POLICIES)
def test_every_decision_holds_under_every_policy(
    found: tuple[Label, ...], decisions: list[Decision], given_: LabelPolicy
) -> None:
    """Names are unique, and what the owner did not decide is confident enough."""
    shown = effective_labels(found, decisions, given_)
    keys = [each.name.casefold() for each in shown]
    assert len(set(keys)) == len(keys)
    assert all((each.key in keys) is (each.kind is not REMOVED) for each in decisions)
    decided_keys = {each.key for each in decisions}
    rest = [each for each in shown if each.name.casefold() not in decided_keys]
    assert all(given_.shows(each) for each in rest)
    assert len(shown) <= max(given_.max_labels, len(shown) - len(rest))
    assert [each.confidence for each in rest] == sorted(
        (each.confidence for each in rest), reverse=True
    )
