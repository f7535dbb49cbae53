"""What people call labels: aliases, other words, plurals, spellings."""

from __future__ import annotations

from importlib.resources import files

import pytest

from core.domain.label_names import (
    MAX_BY_WORD,
    first_in_use,
    labels_by_word,
    plural_of,
    possible_labels,
)

OURS = {
    row.split("\t")[0].casefold()
    for row in files("labeller.detectors").joinpath("taxonomy.tsv").read_text().splitlines()
}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("sofa", "couch"),
        ("SOFAS", "couch"),
        ("puppy", "dog"),
        ("puppies", "dog"),
        ("doggies", "dog"),
        ("automobile", "car"),
        ("bike", "bicycle"),
        ("bikes", "bicycle"),
        ("motorbike", "motorcycle"),
        ("kitten", "cat"),
        ("cats", "cat"),
        ("mobile phone", "cell phone"),
        ("mobile-phones", "cell phone"),
        ("cellphone", "cell phone"),
        ("rainbarrel", "rain barrel"),
        ("tee shirt", "t-shirt"),
        ("tshirts", "t-shirt"),
        ("tv", "television"),
        ("women", "person"),
        ("children", "person"),
        ("mice", "computer mouse"),
        ("geese", "goose"),
        ("knives", "knife"),
        ("wolves", "wolf"),
        ("loaves", "bread"),
        ("cherries", None),
        ("foxes", "fox"),
        ("buses", "bus"),
        ("houses", "house"),
        ("horses", "horse"),
        ("oceans", "sea"),
        ("backyard", "garden"),
        ("beaches", "beach"),
        ("dishes", "tableware"),
        ("cookies", None),
        ("scarves", "scarf"),
        ("shoes", "shoe"),
        ("glasses", "glasses"),
        ("dresses", "dress"),
        ("goldfish", "goldfish"),
        ("seagulls", "seabird"),
        ("tulips", "flower"),
        ("jail", "prison"),
        ("fridge", "refrigerator"),
        (" lorry ", "truck"),
        ("", None),
        ("☃", None),
    ],
)
def test_name_means_a_label(name: str, label: str | None) -> None:
    """Where all labels of the table are in use."""
    assert first_in_use(name, OURS) == label


def test_label_of_the_very_name_wins() -> None:
    assert first_in_use("mouse", {"computer mouse", "mouse"}) == "mouse"
    assert first_in_use("glasses", {"glass", "glasses"}) == "glasses"
    assert first_in_use("Sofa", {"couch", "sofa"}) == "sofa"


def test_labels_in_use_decide_what_a_word_means() -> None:
    """The likelier of them, where several are."""
    assert first_in_use("bike", {"motorcycle"}) == "motorcycle"
    assert first_in_use("bike", {"motorcycle", "bicycle"}) == "bicycle"
    assert first_in_use("panther", {"jaguar", "cougar"}) == "jaguar"
    assert first_in_use("panther", {"dog"}) is None


def test_label_of_another_vocabulary_is_found_by_the_same_words() -> None:
    """Rekognition and other detectors may call it by one of its aliases."""
    assert first_in_use("cell phone", {"mobile phone"}) == "mobile phone"
    assert first_in_use("couch", {"sofa"}) == "sofa"
    assert first_in_use("automobiles", {"auto"}) == "auto"
    assert first_in_use("rose", {"roses"}) == "roses"
    assert first_in_use("cat", {"kitty"}) is None  # another word, and no alias


def test_other_words_of_a_label_do_not_mean_each_other() -> None:
    """A woman and a child are persons, and a woman is not a child."""
    assert not {"child", "man", "boy"} & set(possible_labels("woman"))


def test_name_has_few_meanings() -> None:
    """Each is a key to look up."""
    assert max(len(possible_labels(f"{label}s")) for label in OURS) <= 20


def test_labels_are_found_in_the_plural() -> None:
    """All but a few of them."""
    missed = {label for label in OURS if label not in possible_labels(plural_of(label))}
    assert len(missed) < 0.02 * len(OURS), missed


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("sof", {"couch": "Sofa", "teddy bear": "Soft Toy"}),
        ("SOFA", {"couch": "Sofa"}),
        ("pupp", {"dog": "Puppy"}),
        ("puppies", {"dog": "puppies", "puppy": "puppies", "puppie": "puppies"}),
        ("dogs", {"dog": "dogs"}),
        ("couc", {}),
        ("so", {}),
        ("", {}),
        ("qqq", {}),
    ],
)
def test_other_words_are_completed(prefix: str, found: dict[str, str]) -> None:
    """From three letters on; labels whose own name starts with the prefix are left out."""
    assert labels_by_word(prefix) == found


def test_completion_is_bounded() -> None:
    assert max(len(labels_by_word(word[:3])) for word in OURS) <= MAX_BY_WORD
