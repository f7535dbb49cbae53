"""Owners' own vocabularies, on every store: replaced as a whole, and found by names and aliases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from api.services.labels import find_labels_by_word, resolve_labels
from core.domain.errors import VocabularyConflict
from core.domain.own_vocabulary import (
    NO_VOCABULARY,
    InvalidVocabulary,
    LabelDefinition,
    OwnVocabulary,
)
from core.repositories.ports.blobs import BlobRepository, LabelSummary
from core.repositories.ports.vocabularies import set_vocabulary_of
from tests.support.blobs import NOON

REX = LabelDefinition("Rex", ("Dog", "Animal"), ("Our dog", "Straßenköter"), ("Family",))
VAN = LabelDefinition("Red Van", aliases=("Sofa",))
runs = count()


def new_owner(blobs: BlobRepository, *labels: LabelDefinition, used: tuple[str, ...] = ()) -> str:
    """Have a new owner with a vocabulary, and a blob with labels; return the owner."""
    owner = f"words {next(runs)}"
    if labels:
        set_vocabulary_of(blobs.vocabularies, owner, OwnVocabulary(0, labels), NOON)
    if used:
        blobs.count_labels(owner, f"{owner}'s", 3, used)
    return owner


def test_a_vocabulary_is_stored_and_replaced(blobs: BlobRepository) -> None:
    owner = new_owner(blobs)
    assert blobs.vocabularies.find(owner) == NO_VOCABULARY
    for version, labels in enumerate([(REX,), (REX, VAN), ()]):
        stored = set_vocabulary_of(blobs.vocabularies, owner, OwnVocabulary(version, labels), NOON)
        assert stored == blobs.vocabularies.find(owner) == OwnVocabulary(version + 1, labels)
    assert blobs.vocabularies.find("someone else") == NO_VOCABULARY


@pytest.mark.parametrize("version", [0, 2, 9])
def test_a_vocabulary_that_changed_meanwhile_stays(blobs: BlobRepository, version: int) -> None:
    owner = new_owner(blobs, REX)
    with pytest.raises(VocabularyConflict) as conflict:
        set_vocabulary_of(blobs.vocabularies, owner, OwnVocabulary(version, (VAN,)), NOON)
    assert conflict.value.current == 1
    assert blobs.vocabularies.find(owner) == OwnVocabulary(1, (REX,))


def test_a_repeated_request_changes_nothing(blobs: BlobRepository) -> None:
    owner = new_owner(blobs, REX)
    again = set_vocabulary_of(blobs.vocabularies, owner, OwnVocabulary(0, (REX,)), NOON)
    assert again == blobs.vocabularies.find(owner) == OwnVocabulary(1, (REX,))


def test_one_of_many_changes_of_a_version_is_stored(blobs: BlobRepository) -> None:
    owner = new_owner(blobs)
    wanted = [OwnVocabulary(0, (LabelDefinition(f"Label {n}"),)) for n in range(8)]

    def attempt(vocabulary: OwnVocabulary) -> OwnVocabulary | None:
        try:
            return set_vocabulary_of(blobs.vocabularies, owner, vocabulary, NOON)
        except VocabularyConflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        stored = [each for each in pool.map(attempt, wanted) if each]
    assert stored == [blobs.vocabularies.find(owner)]


def test_the_largest_vocabulary_is_stored(blobs: BlobRepository) -> None:
    labels = tuple(
        LabelDefinition(f"{n:03} " + "é" * 96, aliases=(f"{n:03} " + "ü" * 96,)) for n in range(500)
    )
    owner = new_owner(blobs, *labels)
    assert blobs.vocabularies.find(owner).labels == labels
    with pytest.raises(InvalidVocabulary, match="at most 500, not 501"):
        new_owner(blobs, *labels, REX)


def test_names_and_aliases_find_defined_labels(blobs: BlobRepository) -> None:
    """Used or not, in any case; and before another word that people have."""
    owner = new_owner(blobs, REX, VAN, used=("Rex", "Couch"))
    found = resolve_labels(blobs, owner, ["REX", "our DOG", "STRASSENKÖTER", "sofa", "red van"])
    assert found == {
        "REX": LabelSummary("Rex", 1),
        "our DOG": LabelSummary("Rex", 1),
        "STRASSENKÖTER": LabelSummary("Rex", 1),
        "sofa": LabelSummary("Red Van", 0),
        "red van": LabelSummary("Red Van", 0),
    }


def test_a_label_in_use_of_the_very_name_wins(blobs: BlobRepository) -> None:
    owner = new_owner(blobs, VAN, used=("Sofa", "Couch"))
    assert resolve_labels(blobs, owner, ["sofa"]) == {"sofa": LabelSummary("Sofa", 1)}


def test_a_prefix_finds_defined_labels_besides_those_in_use(blobs: BlobRepository) -> None:
    """One in use whose own name starts so is in the list of those already."""
    owner = new_owner(blobs, REX, VAN, used=("Rex", "Couch"))
    assert find_labels_by_word(blobs, owner, "re") == {
        "red van": (None, LabelSummary("Red Van", 0))
    }
    assert find_labels_by_word(blobs, owner, "OUR") == {"rex": ("Our dog", LabelSummary("Rex", 1))}
    assert find_labels_by_word(blobs, owner, "sof") == {
        "couch": ("Sofa", LabelSummary("Couch", 1)),
        "red van": ("Sofa", LabelSummary("Red Van", 0)),
    }


def test_no_owner_has_the_words_of_another(blobs: BlobRepository) -> None:
    new_owner(blobs, REX)
    other = new_owner(blobs, used=("Cat",))
    assert resolve_labels(blobs, other, ["Rex", "our dog"]) == {}
    assert find_labels_by_word(blobs, other, "our") == {}
