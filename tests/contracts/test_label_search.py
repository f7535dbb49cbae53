"""Searches by several labels, on every store, compared with a model that checks each blob."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from operator import attrgetter
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.blob import Blob
from core.domain.label_filter import LabelFilter
from core.domain.pagination import Page
from core.repositories.ports import blobs as ports
from core.repositories.ports.blobs import BlobRepository
from tests.support.blobs import NOON, a_blob, again, failed, labelled, moments, uploaded

NAMES = ["Cat", "Dog", "Straße", "Cow"]
ASKED = ["cat", "CAT", "dog", "STRASSE", "cow", "Unknown", ""]
SURE = [40.0, 55.0, 70.0, 99.5]
runs = count()


def keep(blobs: BlobRepository, blob: Blob, *steps: Callable[[Blob], Blob]) -> Blob:
    blobs.create(blob)
    for step in steps:
        before, blob = blob, step(blob)
        blobs.save(blob, before)
    return blob


def with_labels(blobs: BlobRepository, blob: Blob, labels: dict[str, float]) -> Blob:
    return keep(blobs, blob, lambda b: labelled(b, *labels.items()))


def pages(
    blobs: BlobRepository, owner: str, wanted: LabelFilter, first: int, most: int = 1000
) -> list[Page[Blob]]:
    """Return all pages, each starting behind what the one before reached."""
    found: list[Page[Blob]] = []
    after = None
    for _ in range(most):
        page = blobs.find_by_labels(owner, wanted, first=first, after=after)
        found.append(page)
        if not page.has_next:
            return found
        after = page.reached or page.items[-1].id
        assert page.reached is None or not page.items or page.reached <= page.items[-1].id
    raise AssertionError("the list has no end")


def search(
    blobs: BlobRepository, wanted: LabelFilter, first: int = 100, owner: str = "anna"
) -> list[Blob]:
    return [blob for page in pages(blobs, owner, wanted, first) for blob in page.items]


def wanted_by_hand(made: list[Blob], wanted: LabelFilter) -> list[Blob]:
    """The model: check every blob as the port describes it."""

    def carries(blob: Blob, name: str) -> bool:
        return any(
            label.name.casefold() == name.casefold() and label.confidence >= wanted.min_confidence
            for label in blob.labels or ()
        )

    return [
        blob
        for blob in sorted(made, key=attrgetter("id"), reverse=True)
        if all(carries(blob, name) for name in wanted.all)
        and (not wanted.any or any(carries(blob, name) for name in wanted.any))
        and not any(carries(blob, name) for name in wanted.none)
    ]


LABELS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(SURE), max_size=4)
SOME = st.lists(st.sampled_from(ASKED), max_size=3).map(tuple)
FILTERS = st.builds(
    LabelFilter, all=SOME, any=SOME, none=SOME, min_confidence=st.sampled_from([0.0, 55.0, 70.0])
).filter(lambda wanted: bool(wanted.all or wanted.any))


@given(
    made=st.lists(LABELS, max_size=9),
    filters=st.lists(FILTERS, min_size=2, max_size=5),
    first=st.integers(1, 4),
    looked_at=st.sampled_from([1, 2, 5, 1000]),
)
def test_pages_are_what_the_model_finds(
    blobs: BlobRepository,
    made: list[dict[str, float]],
    filters: list[LabelFilter],
    first: int,
    looked_at: int,
) -> None:
    """Newest first, each once, wherever a page stops."""
    owner = f"owner {next(runs)}"
    kept = [
        with_labels(blobs, a_blob(at, owner), labels)
        for labels, at in zip(made, moments(), strict=False)
    ]
    for blob, labels in list(zip(kept, made, strict=True))[::2]:  # counts may lag
        blobs.count_labels(owner, blob.id, blob.version, labels)
    with patch.object(ports, "MAX_ENTRIES_READ", looked_at):
        for wanted in filters:
            found = pages(blobs, owner, wanted, first)
            shown = [blob for page in found for blob in page.items]
            assert shown == wanted_by_hand(kept, wanted)
            assert all(len(page.items) <= first for page in found)
            assert len(found) <= 1 + len(kept) * (1 + len(wanted.any))
            assert all(page.reached for page in found if page.has_next and not page.items)
    for blob in kept:  # moto copies the whole table for each transaction
        blobs.delete(blob, NOON)
        blobs.uncount_labels(owner, blob.id)


@pytest.fixture
def many(blobs: BlobRepository) -> list[Blob]:
    """Thirty blobs of Anna's: each has Animal, every third a Cat, every fifth a Dog."""
    made = []
    for n, at in zip(range(30), moments(), strict=False):
        labels = {"Animal": 90.0}
        labels |= {"Cat": 80.0} if n % 3 == 0 else {}
        labels |= {"Dog": 60.0} if n % 5 == 0 else {}
        made.append(with_labels(blobs, a_blob(at), labels))
    with_labels(blobs, a_blob(owner="bert"), {"Animal": 90.0, "Cat": 80.0})
    return made


@pytest.mark.parametrize("looked_at", [3, 1000])
@pytest.mark.parametrize(
    "wanted",
    [
        LabelFilter(all=("Animal",)),
        LabelFilter(all=("Animal", "Cat", "Dog")),
        LabelFilter(any=("Cat", "Dog")),
        LabelFilter(any=("Cat", "Dog"), none=("Animal",)),
        LabelFilter(all=("Animal",), none=("Cat", "Dog")),
        LabelFilter(all=("Cat",), any=("Dog", "Animal"), min_confidence=70.0),
    ],
    ids=str,
)
def test_blobs_that_change_between_pages_move_none(
    blobs: BlobRepository, many: list[Blob], wanted: LabelFilter, looked_at: int
) -> None:
    """Those that exist from the first page to the last are returned once, in order."""
    leaving = many[7::10]
    newer = moments(NOON.replace(hour=13))
    shown: list[Blob] = []
    after: str | None = None
    with patch.object(ports, "MAX_ENTRIES_READ", looked_at):
        for _ in range(1000):
            page = blobs.find_by_labels("anna", wanted, first=2, after=after)
            shown += page.items
            if not page.has_next:
                break
            after = page.reached or page.items[-1].id
            with_labels(blobs, a_blob(next(newer)), {"Animal": 90.0, "Cat": 90.0, "Dog": 90.0})
            if leaving:
                blobs.delete(leaving.pop(), NOON)
    ids = [blob.id for blob in shown]
    assert ids == sorted(set(ids), reverse=True)
    staying = [blob for blob in many if blobs.get(blob.id)]
    expected = {blob.id for blob in wanted_by_hand(staying, wanted)}
    assert expected <= set(ids) <= {blob.id for blob in wanted_by_hand(many, wanted)}


def test_work_of_a_page_is_limited(blobs: BlobRepository, many: list[Blob]) -> None:
    """A page without items tells where it stopped."""
    nothing = LabelFilter(all=("Animal",), none=("animal",))
    with patch.object(ports, "MAX_ENTRIES_READ", 10):
        found = pages(blobs, "anna", nothing, 5)
    assert [page.items for page in found] == [(), (), ()]
    assert [page.reached for page in found] == [many[20].id, many[10].id, None]


def test_blob_being_relabelled_is_found_by_its_labels(blobs: BlobRepository) -> None:
    """A failed blob is not."""
    labels = {"Cat": 90.0, "Animal": 95.0}
    waiting = keep(blobs, a_blob(), uploaded, lambda b: labelled(b, *labels.items()), again)
    keep(blobs, a_blob(), uploaded, lambda b: labelled(b, *labels.items()), again, failed)
    assert search(blobs, LabelFilter(all=("cat", "animal"))) == [waiting]
    assert search(blobs, LabelFilter(any=("cat", "dog"))) == [waiting]


def test_no_owner_finds_blobs_of_another(blobs: BlobRepository, many: list[Blob]) -> None:
    """With any filter."""
    for wanted in (LabelFilter(all=("Animal", "Cat")), LabelFilter(any=("Animal", "Cat"))):
        assert {blob.owner for blob in search(blobs, wanted)} == {"anna"}
        assert search(blobs, wanted, owner="ann") == []


@pytest.mark.parametrize("text", ["x" * 5000, "☃" * 1000, "", "%", "Cat\x00"])
def test_any_text_is_valid(blobs: BlobRepository, many: list[Blob], text: str) -> None:
    """As a label and as a position."""
    assert search(blobs, LabelFilter(all=("Cat", text))) == []
    assert search(blobs, LabelFilter(any=(text,))) == []
    cats = search(blobs, LabelFilter(any=("Cat", text), none=(text,)))
    assert cats == many[27::-3]
    if text:
        page: Any = blobs.find_by_labels("anna", LabelFilter(any=("Cat",)), first=9, after=text)
        assert len(page.items) in (0, 9)


def test_shortest_list_is_read(blobs: BlobRepository, many: list[Blob]) -> None:
    """By the counts of the summaries; otherwise a page of three would read thirty entries."""
    for name, blob in [("Animal", many[0]), ("Animal", many[1]), ("Dog", many[2])]:
        blobs.count_labels("anna", blob.id, blob.version, [name])
    with patch.object(ports, "MAX_ENTRIES_READ", 6):
        found = pages(blobs, "anna", LabelFilter(all=("Animal", "Dog")), 100)
    assert [len(page.items) for page in found] == [6]
