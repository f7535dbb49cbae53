"""Labels in use, found by what people call them, on every store."""

from __future__ import annotations

from itertools import count

import pytest

from api.services.labels import find_labels_by_word, merge_labels, resolve_labels
from core.domain.pagination import Page
from core.repositories.ports.blobs import BlobRepository, LabelSummary

runs = count()


def use(blobs: BlobRepository, *names: str) -> str:
    """Have a new owner's blob with labels; return the owner."""
    owner = f"names {next(runs)}"
    blobs.count_labels(owner, f"{owner}'s", 3, names)
    return owner


def test_names_mean_labels_in_use(blobs: BlobRepository) -> None:
    owner = use(blobs, "Couch", "Dog", "Sofa Bed")
    found = resolve_labels(blobs, owner, ["sofas", "DOG", "puppy", "cat", ""])
    assert {name: summary.name for name, summary in found.items()} == {
        "sofas": "Couch",
        "DOG": "Dog",
        "puppy": "Dog",
    }


def test_label_of_the_very_name_wins(blobs: BlobRepository) -> None:
    owner = use(blobs, "Couch", "Sofa")
    assert resolve_labels(blobs, owner, ["sofa"]) == {"sofa": LabelSummary("Sofa", 1)}


def test_labels_of_other_owners_are_not_found(blobs: BlobRepository) -> None:
    use(blobs, "Couch")
    other = use(blobs, "Dog")
    assert resolve_labels(blobs, other, ["sofa", "couch"]) == {}
    assert find_labels_by_word(blobs, other, "sofa") == {}


def test_name_that_no_key_can_have_means_nothing(blobs: BlobRepository) -> None:
    owner = use(blobs, "Couch")
    assert resolve_labels(blobs, owner, ["x" * 5000, "\x00", "é" * 1500]) == {}


def test_labels_are_found_by_the_start_of_another_word(blobs: BlobRepository) -> None:
    owner = use(blobs, "Couch", "Sofa Bed", "Teddy Bear")
    assert find_labels_by_word(blobs, owner, "sof") == {
        "couch": ("Sofa", LabelSummary("Couch", 1)),
        "teddy bear": ("Soft Toy", LabelSummary("Teddy Bear", 1)),
    }


@pytest.mark.parametrize("first", [1, 2, 3, 9])
def test_pages_contain_each_label_once(first: int) -> None:
    """Those of the list and the others, in order, wherever pages end."""
    listed = [LabelSummary(name, 1) for name in ("Sofa Bed", "Sofia", "Sole")]
    others = [LabelSummary(name, 1) for name in ("Couch", "Soap", "Teddy Bear")]
    found: list[str] = []
    after: tuple[object, ...] | None = None
    while True:
        behind = [each for each in listed if after is None or rank(each) > after]
        page = Page(tuple(behind[:first]), len(behind) > first)
        page = merge_labels(page, others, first, rank, after)
        assert len(page.items) <= first
        found += [each.name for each in page.items]
        if not page.has_next:
            break
        after = rank(page.items[-1])
    assert found == ["Couch", "Soap", "Sofa Bed", "Sofia", "Sole", "Teddy Bear"]


def rank(summary: LabelSummary) -> tuple[object, ...]:
    return (summary.name.casefold(),)
