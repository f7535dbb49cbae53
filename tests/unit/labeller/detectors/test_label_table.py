"""The committed tables of ImageNet's classes and of labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
CLASSES = [
    row.split("\t")
    for row in (ROOT / "labeller/detectors/classes.tsv").read_text("utf-8").splitlines()
]
ROWS = [
    row.split("\t")
    for row in (ROOT / "labeller/detectors/taxonomy.tsv").read_text("utf-8").splitlines()
]
PARENTS, CATEGORIES, ALIASES = (
    {row[0]: tuple(filter(None, row[column].split(";"))) for row in ROWS} for column in (1, 2, 3)
)
OVERRIDES = [
    (*row.split("\t"), "", "")[:4]
    for row in (ROOT / "scripts/label_overrides.tsv").read_text("utf-8").splitlines()
    if row and row[0] not in "#+!"
]
SCENES = [
    name
    for name, use in (
        row.split("\t")
        for row in (ROOT / "labeller/detectors/scenes.tsv").read_text("utf-8").splitlines()
    )
    if use == "label"
]
LABELS = [*(label for _, _, label in CLASSES), *SCENES]

# In the words of Rekognition's categories.
KNOWN_CATEGORIES = {
    "Animals and Pets",
    "Apparel and Accessories",
    "Beauty and Personal Care",
    "Buildings and Architecture",
    "Education",
    "Events and Attractions",
    "Everyday Objects",
    "Food and Beverage",
    "Furniture and Furnishings",
    "Hobbies and Interests",
    "Home Appliances",
    "Home and Indoors",
    "Kitchen and Dining",
    "Materials",
    "Medical",
    "Nature and Outdoors",
    "Offices and Workspaces",
    "Patterns and Shapes",
    "Performing Arts",
    "Person Description",
    "Plants and Flowers",
    "Popular Landmarks",
    "Public Safety",
    "Religion",
    "Sports",
    "Symbols and Flags",
    "Technology and Computing",
    "Text and Documents",
    "Tools and Machinery",
    "Toys and Gaming",
    "Transport and Logistics",
    "Travel and Adventure",
    "Vehicles and Automotive",
    "Weapons and Military",
}
SMALL_WORDS = {"and", "by", "for", "of", "des", "the", "o'", "iPod"}

# Parents with the same classes as their only child: people search for both words.
BOTH_SEARCHED = {
    "Boot": "Cowboy Boot",
    "Cattle": "Ox",
    "Christmas": "Christmas Stocking",
    "Coffee": "Espresso",
    "Dinosaur": "Triceratops",
    "Door": "Sliding Door",
    "Dress": "Gown",
    "Eagle": "Bald Eagle",
    "Flag": "Flagpole",
    "Fossil": "Trilobite",
    "Glasses": "Sunglasses",
    "Glove": "Mitten",
    "Goat": "Ibex",
    "Halloween": "Jack-o'-Lantern",
    "Jewelry": "Necklace",
    "Kangaroo": "Wallaby",
    "Pants": "Jeans",
    "Playground": "Swing",
    "Seashell": "Conch",
    "Shirt": "T-Shirt",
    "Spacecraft": "Space Shuttle",
    "Underwear": "Bra",
    "Uniform": "Military Uniform",
    "Wedding": "Bridegroom",
}


def ancestors(label: str) -> set[str]:
    return set(PARENTS[label]).union(*(ancestors(parent) for parent in PARENTS[label]))


def depth(label: str) -> int:
    return 1 + max(map(depth, PARENTS[label]), default=0)


def key(name: str) -> str:
    return re.sub(r"\W", "", name).casefold()


def classes_of(label: str) -> frozenset[int]:
    return frozenset(i for i, name in enumerate(LABELS) if label in {name, *ancestors(name)})


def test_every_class_has_its_row_in_order() -> None:
    """A thousand rows, numbered from 0, each with its own WordNet synset."""
    assert [int(index) for index, _, _ in CLASSES] == list(range(1000))
    synsets = [synset for _, synset, _ in CLASSES]
    assert len(set(synsets)) == 1000
    assert all(re.fullmatch(r"n\d{8}", synset) for synset in synsets)


def test_labels_and_parents_are_defined() -> None:
    """Every class's label and every parent has a row."""
    assert set(LABELS) <= PARENTS.keys()
    assert {parent for parents in PARENTS.values() for parent in parents} <= PARENTS.keys()


def test_names_differ_in_more_than_case() -> None:
    """So two things never share a name."""
    assert len({label.casefold() for label in PARENTS}) == len(ROWS)


def test_taxonomy_has_no_cycle() -> None:
    """No label is its own ancestor."""
    assert len(list(TopologicalSorter(PARENTS).static_order())) == len(PARENTS)


def test_taxonomy_has_at_most_five_levels() -> None:
    """For example from Yorkshire Terrier to Animal."""
    assert max(map(depth, PARENTS)) == depth("Yorkshire Terrier") == 6


def test_parents_are_not_redundant() -> None:
    """No parent is also an ancestor by another parent."""
    for parents in PARENTS.values():
        assert not set(parents) & {far for parent in parents for far in ancestors(parent)}


@pytest.mark.parametrize("names", [PARENTS, chain.from_iterable(ALIASES.values())])
def test_names_are_words_in_title_case(names: Iterable[str]) -> None:
    """At most five words, capitalised except for small words inside."""
    for name in names:
        words = re.split(r"[ -]", name)
        assert len(words) <= 5, name
        for word in words:
            assert re.fullmatch(r"[A-Za-z0-9']+", word), name
            assert word[0].isupper() or word in SMALL_WORDS, name


def test_every_label_has_categories() -> None:
    """One to three, of a known list."""
    assert {category for own in CATEGORIES.values() for category in own} <= KNOWN_CATEGORIES
    assert all(1 <= len(set(own)) == len(own) <= 3 for own in CATEGORIES.values())


def test_alias_belongs_to_one_label() -> None:
    """No other label has it as an alias or name."""
    names = [key(name) for name in PARENTS]
    aliases = [key(alias) for own in ALIASES.values() for alias in own]
    assert len({*names, *aliases}) == len(names) + len(aliases)


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("Moped", "Motorcycle"),
        ("Sofa", "Couch"),
        ("Mobile Phone", "Cell Phone"),
        ("Kitten", "Cat"),
        ("Hedgehog", "Porcupine"),
        ("Lorry", "Truck"),
        ("Killer Whale", "Orca"),
        ("Granny Smith", "Apple"),
    ],
)
def test_synonyms_are_aliases(word: str, label: str) -> None:
    """ImageNet's words, and those of other countries."""
    assert word in ALIASES[label]


def test_every_label_has_a_class() -> None:
    """So every label can be found."""
    assert {name for label in LABELS for name in (label, *ancestors(label))} == PARENTS.keys()


def test_parent_of_a_single_child_is_a_common_word() -> None:
    """People search for it, although it has the same classes."""
    children: dict[str, list[str]] = {}
    for label, parents in PARENTS.items():
        for parent in parents:
            children.setdefault(parent, []).append(label)
    same = {
        parent: only[0]
        for parent, only in children.items()
        if len(only) == 1 and classes_of(parent) == classes_of(only[0])
    }
    assert same == BOTH_SEARCHED


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        (range(151, 269), {"Dog", "Canine", "Mammal", "Animal"}),
        (range(269, 276), {"Canine", "Mammal", "Animal"}),
        (range(281, 286), {"Cat", "Feline", "Mammal", "Animal"}),
        (range(286, 294), {"Feline", "Mammal", "Animal"}),
        ([*range(7, 25), *range(80, 101), *range(127, 147)], {"Bird", "Animal"}),
        ([*range(7), *range(389, 398)], {"Fish", "Animal"}),
        (range(25, 33), {"Amphibian", "Animal"}),
        (range(33, 69), {"Reptile", "Animal"}),
        (range(300, 327), {"Insect", "Animal"}),
        ([*range(101, 107), *range(147, 300), *range(330, 389)], {"Mammal", "Animal"}),
        ([407, 436, 468, 511, 555, 569, 665, 751, 779, 817, 867], {"Motor Vehicle", "Vehicle"}),
        ([404, 405, 895], {"Aircraft", "Vehicle"}),
        ([472, 510, 628, 780, 833], {"Watercraft", "Vehicle"}),
        ([497, 668, 698, 483], {"Building", "Architecture"}),
        ([985, 986], {"Flower", "Plant"}),
        ([948, 949, 950, 954], {"Fruit", "Food"}),
        ([967], {"Coffee", "Drink"}),
    ],
)
def test_class_has_the_expected_ancestors(indices: list[int], expected: set[str]) -> None:
    """Dogs are dogs, birds are birds, and a daisy is a flower."""
    for index in indices:
        assert expected <= {LABELS[index], *ancestors(LABELS[index])}, LABELS[index]


def test_only_dogs_are_dogs() -> None:
    """Neither wolves nor hyenas, and no hot dogs."""
    assert classes_of("Dog") == frozenset(range(151, 269))
    assert classes_of("Cat") == frozenset(range(281, 286))


@pytest.mark.parametrize(
    ("index", "label"),
    [
        (134, "Crane Bird"),
        (517, "Crane"),
        (21, "Kite Bird"),
        (242, "Boxer Dog"),
        (673, "Computer Mouse"),
        (264, "Cardigan Welsh Corgi"),
        (474, "Cardigan"),
        (97, "Duck"),
        (665, "Motorcycle"),
        (487, "Cell Phone"),
    ],
)
def test_homonyms_have_different_names(index: int, label: str) -> None:
    assert LABELS[index] == label


def test_tables_are_generated_from_the_overrides() -> None:
    """Decisions are in scripts/label_overrides.tsv and not only in the tables."""
    of_synset = {synset: label for _, synset, label in CLASSES}
    for synset, label, parents, categories in OVERRIDES:
        assert of_synset.get(synset, label) == label
        if parents:
            given = set() if parents == "." else set(parents.split(";"))
            assert set(PARENTS[label]) == given
        if categories:
            assert ";".join(CATEGORIES[label]) == categories
