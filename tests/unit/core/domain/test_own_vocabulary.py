"""What a vocabulary may contain."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.own_vocabulary import (
    MAX_BYTES,
    InvalidVocabulary,
    LabelDefinition,
    OwnVocabulary,
    check_vocabulary,
)


def checked(*labels: LabelDefinition) -> tuple[LabelDefinition, ...]:
    return check_vocabulary(OwnVocabulary(3, labels)).labels


def problems(*labels: LabelDefinition) -> list[str]:
    with pytest.raises(InvalidVocabulary) as refused:
        checked(*labels)
    return [".".join(each.path) for each in refused.value.problems]


def test_names_are_stored_in_one_form_and_once() -> None:
    given = LabelDefinition(" Rex ", ("Dog", "DOG "), ("e\u0301", "\xe9"), ())
    assert checked(given) == (LabelDefinition("Rex", ("DOG",), ("\xe9",), ()),)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"name": ""}, "labels.0.name"),
        ({"name": "x" * 101}, "labels.0.name"),
        ({"name": "a\nb"}, "labels.0.name"),
        ({"parents": ("Dog", "\x00")}, "labels.0.parents.1"),
        ({"aliases": (" ",)}, "labels.0.aliases.0"),
        ({"categories": tuple(f"{n}" for n in range(21))}, "labels.0.categories"),
        ({"aliases": ("REX",)}, "labels.0.aliases"),
        ({"parents": ("rex",)}, "labels.0.parents"),
    ],
)
def test_wrong_names_are_refused_where_they_are(values: dict[str, Any], path: str) -> None:
    assert problems(LabelDefinition(**{"name": "Rex", **values})) == [path]


def test_no_name_means_two_labels() -> None:
    rex = LabelDefinition("Rex", aliases=("Our dog",))
    assert problems(rex, LabelDefinition("REX")) == ["labels.1.name"]
    assert problems(rex, LabelDefinition("our Dog")) == ["labels.1.name"]
    assert problems(rex, LabelDefinition("Bello", aliases=("our dog",))) == ["labels.1.aliases"]
    assert problems(rex, LabelDefinition("Bello", aliases=("rex",))) == ["labels.1.aliases"]


def test_no_label_is_its_own_ancestor() -> None:
    dog = LabelDefinition("Dog", ("Animal",))
    assert len(checked(LabelDefinition("Rex", ("dog", "Animal")), dog)) == 2
    assert problems(LabelDefinition("Animal", ("Dog",)), dog) == [
        "labels.0.parents",
        "labels.1.parents",
    ]


def test_all_names_together_have_a_limit() -> None:
    def definition(number: int) -> LabelDefinition:
        aliases = tuple(f"{number:03} {other:02} " + "é" * 93 for other in range(20))
        return LabelDefinition(f"{number:03}", aliases=aliases)

    size = len(definition(0).name) + sum(len(each.encode()) for each in definition(0).aliases)
    most = MAX_BYTES // size
    assert len(checked(*map(definition, range(most)))) == most
    assert problems(*map(definition, range(most + 1))) == ["labels"]
