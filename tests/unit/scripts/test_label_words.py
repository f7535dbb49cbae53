"""The table of words that searches accept for labels."""

from __future__ import annotations

import pytest

from scripts.label_words import rows_of

TAXONOMY = [
    "Couch\tFurniture\tHome\tSofa;Day Bed",
    "Dog\tAnimal\tPets\t",
    "Sofa Bed\tCouch\tHome\t",
]


def test_labels_have_their_aliases_and_further_words() -> None:
    """Those with further words come first; a label of one plain word and no other has no row."""
    assert rows_of(TAXONOMY, ["# Pets", "", "Dog\tPup;Pooch"]) == [
        ("Dog", "", "Pup;Pooch"),
        ("Couch", "Sofa;Day Bed", ""),
        ("Sofa Bed", "", ""),
    ]
    assert rows_of(TAXONOMY[1:2], []) == []


@pytest.mark.parametrize("further", [["Cat\tPuss"], ["Dog\tPup", "Dog\tPooch"]])
def test_words_of_no_label_are_refused(further: list[str]) -> None:
    with pytest.raises(SystemExit, match="is not a label, or is there twice"):
        rows_of(TAXONOMY, further)
