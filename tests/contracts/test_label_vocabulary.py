"""Labels in use by the number of their blobs, single ones, and the newest blob of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.blob import Blob
from core.domain.errors import InvalidValue
from core.domain.pagination import Page
from core.repositories.ports import blobs as ports
from core.repositories.ports.blobs import BlobRepository, LabelSummary
from tests.support.blobs import NOON, a_blob, again, failed, labelled, moments

NAMES = ["Apple", "apple pie", "Ast", "Cat", "cat's eye", "Zebra", "ﬁsh"]
runs = count()


def keep(blobs: BlobRepository, blob: Blob, *steps: Callable[[Blob], Blob]) -> Blob:
    blobs.create(blob)
    for step in steps:
        before, blob = blob, step(blob)
        blobs.save(blob, before)
    return blob


def by_count(
    blobs: BlobRepository, owner: str, prefix: str = "", first: int = 100
) -> list[LabelSummary]:
    """Return all pages, each starting behind the last entry of the one before."""
    found: list[LabelSummary] = []
    after = None
    while True:
        page = blobs.find_labels_by_count(owner, prefix, first=first, after=after)
        assert len(page.items) <= first
        found += page.items
        if not page.has_next:
            return found
        after = (found[-1].blob_count, found[-1].name.casefold())


@given(
    labels=st.lists(st.sets(st.sampled_from(NAMES)), max_size=6),
    prefix=st.sampled_from(["", "a", "CAT", "fi", "x"]),
    first=st.integers(1, 4),
)
def test_labels_are_listed_by_their_number_of_blobs(
    blobs: BlobRepository, labels: list[set[str]], prefix: str, first: int
) -> None:
    """Equal counts are ordered by name, and each label is listed once, wherever pages end."""
    owner = f"owner {next(runs)}"
    for n, names in enumerate(labels):
        blobs.count_labels(owner, f"{owner}'s {n}", 3, names)
    counts = Counter(name for names in labels for name in names)
    wanted = [
        LabelSummary(name, number)
        for name, number in counts.items()
        if name.casefold().startswith(prefix.casefold())
    ]
    wanted.sort(key=lambda each: (-each.blob_count, each.name.casefold()))
    assert by_count(blobs, owner, prefix, first) == wanted
    for n in range(len(labels)):  # moto copies the whole table for each transaction
        blobs.uncount_labels(owner, f"{owner}'s {n}")
    assert by_count(blobs, owner) == []


def test_order_by_count_follows_the_counts(blobs: BlobRepository) -> None:
    """Also between two pages: a cursor is a place in the order."""
    blobs.count_labels("anna", "1", 3, ["Cat", "Dog"])
    blobs.count_labels("anna", "2", 3, ["Dog"])
    first = blobs.find_labels_by_count("anna", "", first=1)
    assert first == Page((LabelSummary("Dog", 2),), has_next=True)
    blobs.count_labels("anna", "1", 5, ["Cat"])
    blobs.count_labels("anna", "2", 5, ["Cat"])
    assert by_count(blobs, "anna") == [LabelSummary("Cat", 2)]
    behind = blobs.find_labels_by_count("anna", "", first=1, after=(2, "dog"))
    assert behind == Page((), has_next=False)


def test_too_many_labels_to_sort_are_refused(blobs: BlobRepository, store: str) -> None:
    """SQLite walks an index where there is no prefix."""
    blobs.count_labels("anna", "1", 3, ["Cat", "Cow", "Camel", "Dog"])
    with patch.object(ports, "MAX_LABELS_SORTED", 3):
        assert [each.name for each in by_count(blobs, "anna", "c")] == ["Camel", "Cat", "Cow"]
    with patch.object(ports, "MAX_LABELS_SORTED", 2):
        with pytest.raises(InvalidValue, match="orderBy: BLOB_COUNT sorts at most 2 labels"):
            blobs.find_labels_by_count("anna", "c", first=1)
        if store == "sqlite":
            assert len(by_count(blobs, "anna")) == 4
        else:
            with pytest.raises(InvalidValue, match="give a longer prefix"):
                blobs.find_labels_by_count("anna", "", first=1)


def test_summaries_are_found_by_folded_names(blobs: BlobRepository) -> None:
    """Labels of other owners, unknown ones and those of no blob are left out."""
    blobs.count_labels("anna", "1", 3, ["Straße", "Cat"])
    blobs.count_labels("anna", "2", 3, ["Cat"])
    blobs.count_labels("bert", "3", 3, ["Dog"])
    found = blobs.find_label_summaries("anna", ["strasse", "cat", "dog", "", "x" * 5000])
    assert found == {"strasse": LabelSummary("Straße", 1), "cat": LabelSummary("Cat", 2)}
    blobs.uncount_labels("anna", "1")
    assert blobs.find_label_summaries("anna", ["strasse"]) == {}
    assert blobs.find_label_summaries("anna", []) == {}


def test_newest_blob_of_each_label_is_found(blobs: BlobRepository) -> None:
    """However confident the label is; blobs of other owners do not count."""
    times = moments()
    older = keep(blobs, a_blob(next(times)), lambda b: labelled(b, ("Cat", 99.0), ("Dog", 60.0)))
    newer = keep(blobs, a_blob(next(times)), lambda b: labelled(b, ("Cat", 55.0)))
    keep(blobs, a_blob(next(times), "bert"), lambda b: labelled(b, ("Cat", 90.0), ("Cow", 90.0)))
    found = blobs.find_newest("anna", ["cat", "dog", "cow", "", "x" * 5000])
    assert found == {"cat": newer, "dog": older}
    assert blobs.find_newest("anna", []) == {}


def test_newest_blob_still_has_the_label(blobs: BlobRepository) -> None:
    """A blob that lost it, that failed or that was deleted gives way to an older one."""
    times = moments()
    made = [
        keep(blobs, a_blob(next(times)), lambda b: labelled(b, ("Cat", 90.0))) for _ in range(7)
    ]
    changes: list[Callable[[Blob], Blob]] = [
        lambda b: labelled(again(b), ("Dog", 90.0)),
        lambda b: failed(again(b)),
    ]
    for blob, change in zip(made[5:], changes, strict=True):
        blobs.save(change(blob), blob)
    for blob in made[1:5]:
        blobs.delete(blob, NOON)
    assert blobs.find_newest("anna", ["cat"]) == {"cat": made[0]}
    blobs.delete(made[0], NOON)
    assert blobs.find_newest("anna", ["cat"]) == {}
