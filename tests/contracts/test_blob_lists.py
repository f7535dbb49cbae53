"""Lists of blobs by every filter and order, on every store, compared with a model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from itertools import count, product
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain import blob_list
from core.domain.blob import Blob, BlobStatus, ImageType
from core.domain.blob_list import BlobFilter, BlobIndex, BlobOrder, plan_blob_list
from core.domain.corrections import DecisionKind
from core.domain.edits import set_facts
from core.domain.errors import InvalidValue
from core.domain.facts import Facts, FactsFilter, Pair, metadata_of
from core.domain.label_filter import LabelFilter
from core.domain.pagination import Position
from core.repositories.ports.blobs import BlobRepository
from tests.support.blobs import (
    NOON,
    a_blob,
    again,
    corrected,
    expired,
    failed,
    labelled,
    moments,
    uploaded,
)
from tests.support.lists import a_page, all_pages, listed, listed_by_hand

NAMES = ["Cat", "Dog", "Straße", "Cow"]
ASKED = ["cat", "CAT", "dog", "STRASSE", "cow", "Unknown", ""]
SURE = [40.0, 55.0, 70.0, 99.5]
BYTES = uploaded(a_blob()).digest  # all uploads of these tests have the same bytes
MILLISECOND = timedelta(milliseconds=1)
runs = count()


def keep(blobs: BlobRepository, blob: Blob, *steps: Callable[[Blob], Blob]) -> Blob:
    blobs.create(blob)
    for step in steps:
        before, blob = blob, step(blob)
        blobs.save(blob, before)
    return blob


def with_labels(blobs: BlobRepository, blob: Blob, labels: dict[str, float]) -> Blob:
    return keep(blobs, blob, lambda b: labelled(b, *labels.items()))


def by_labels(**conditions: Any) -> BlobFilter:
    return BlobFilter(labels=LabelFilter(**conditions))


def examining(most: int) -> AbstractContextManager[object]:
    """Let a page that has to check its entries examine at most that many."""
    return patch.object(blob_list, "MAX_EXAMINED", most)


LABELS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(SURE), max_size=4)
# How a blob came to its state, and its labels on the way.
STATES = st.tuples(
    st.sampled_from(
        ["awaiting", "labelling", "labelled", "confirmed", "again", "failed", "expired"]
    ),
    LABELS,
)
SOME = st.lists(st.sampled_from(ASKED), max_size=3).map(tuple)
LABEL_FILTERS = st.builds(
    LabelFilter,
    all=SOME,
    any=SOME,
    none=SOME,
    min_confidence=st.sampled_from([0.0, 55.0, 70.0]),
    confirmed=st.sampled_from([None, None, True, False]),
    found=st.sampled_from([None, None, True, False]),
)
TYPES = st.sampled_from([ImageType.JPEG, ImageType.PNG, ImageType.HEIC])
TIMES = st.one_of(st.none(), st.integers(-1, 10).map(lambda n: NOON + n * MILLISECOND))
KEYS, VALUES = st.sampled_from(["album", "year"]), st.sampled_from(["1", "2", "Élan ☃"])
PAIRS = st.dictionaries(KEYS, VALUES, max_size=2).map(lambda pairs: metadata_of(pairs.items()))
FILE_NAMES = [None, "cat.jpg", "Cat 2.jpg", "CAT.JPG", "Straße.png", "strasse 2.png", "🐈.gif"]
FACTS = st.builds(
    Facts,
    file_name=st.sampled_from(FILE_NAMES),
    external_id=st.sampled_from([None, "1", "2", "3#", "4%"]),
    metadata=PAIRS,
)
FACT_FILTERS = st.one_of(
    st.just(FactsFilter()),
    st.builds(
        FactsFilter,
        file_name_prefix=st.sampled_from(
            [None, None, "c", "CAT", "cat.", "straß", "STRASSE", "🐈"]
        ),
        external_ids=st.lists(st.sampled_from(["1", "2", "3#", "9"]), max_size=3).map(tuple),
        metadata=st.lists(st.tuples(KEYS, VALUES).map(lambda pair: Pair(*pair)), max_size=2).map(
            tuple
        ),
    ),
)
FILTERS = st.builds(
    BlobFilter,
    statuses=st.lists(st.sampled_from(BlobStatus), max_size=3).map(tuple),
    created_after=TIMES,
    created_before=TIMES,
    sha256=st.sampled_from([None, None, BYTES, "unknown"]),
    labels=LABEL_FILTERS,
    facts=FACT_FILTERS,
    content_types=st.one_of(st.just(()), st.lists(TYPES, max_size=2).map(tuple)),
)


def bring_to(state: str, labels: dict[str, float]) -> list[Callable[[Blob], Blob]]:
    def add(blob: Blob) -> Blob:
        return labelled(blob, *labels.items())

    def confirm(blob: Blob) -> Blob:
        name, *_ = labels
        return corrected(blob, DecisionKind.CONFIRMED, name)

    steps: dict[str, list[Callable[[Blob], Blob]]] = {
        "awaiting": [],
        "labelling": [uploaded],
        "labelled": [uploaded, add],
        "confirmed": [uploaded, add, *[confirm] * bool(labels)],
        "again": [uploaded, add, again],
        "failed": [uploaded, add, again, failed],
        "expired": [expired],
    }
    return steps[state]


def not_taken(facts: Facts, kept: list[Blob]) -> Facts:
    """Return the facts, without an external id that a blob has."""
    taken = any(blob.facts.external_id == facts.external_id for blob in kept)
    return replace(facts, external_id=None) if taken else facts


@settings(max_examples=settings.default.max_examples * 3 // 5)  # each has hundreds of calls
@given(
    made=st.lists(st.tuples(STATES, FACTS, st.none() | FACTS, TYPES), max_size=8),
    asked=st.lists(st.tuples(FILTERS, st.sampled_from(BlobOrder)), min_size=2, max_size=5),
    first=st.integers(1, 4),
    examined=st.sampled_from([1, 4, 1000]),
)
def test_pages_are_what_the_model_finds(
    blobs: BlobRepository,
    made: list[tuple[tuple[str, dict[str, float]], Facts, Facts | None, ImageType]],
    asked: list[tuple[BlobFilter, BlobOrder]],
    first: int,
    examined: int,
) -> None:
    """In order, each once, wherever a page stops."""
    owner = f"owner {next(runs)}"
    kept: list[Blob] = []
    for (state, early, later, kind), at in zip(made, moments(), strict=False):
        steps = bring_to(*state)
        fresh = a_blob(at, owner, facts=not_taken(early, kept), content_type=kind)
        blob = keep(blobs, fresh, *steps)
        if later is not None:
            before, blob = blob, set_facts(blob, NOON, not_taken(later, kept))
            if blob is not before:
                blobs.save(blob, before)
        kept.append(blob)
    for blob in kept[::2]:  # counts may lag
        blobs.count_labels(owner, blob.id, blob.version, [each.name for each in blob.labels or ()])
    with examining(examined):
        for wanted, order in asked:
            try:
                plan = plan_blob_list(wanted, order)
            except InvalidValue:
                continue
            pages = all_pages(blobs, owner, wanted, order, first)
            shown = [blob for page in pages for blob in page.items]
            assert shown == listed_by_hand(kept, wanted, order), plan
            if plan.index not in (BlobIndex.LABEL, BlobIndex.CONFIDENCE) or not plan.choices:
                assert blobs.count(owner, plan) in (None, len(shown))
            assert all(len(page.items) <= first for page in pages)
            assert len(pages) <= 1 + len(kept) * max(map(len, plan.choices), default=1)
    for blob in kept:  # moto copies the whole table for each transaction
        blobs.delete(blob, NOON)
        blobs.uncount_labels(owner, blob.id)


def facts_of(number: int) -> Facts:
    pairs = {"third": str(number % 3), "all": "yes"}
    return Facts(f"{number * 7 % 10}.jpg", f"id {number}", metadata_of(pairs.items()))


@pytest.fixture
def many(blobs: BlobRepository) -> list[Blob]:
    """Thirty blobs of Anna's: each has Animal, every third a Cat, every fifth a Dog.

    Each has a name, which is not in the order of creation, an external id and metadata.
    """
    made = []
    for n, at in zip(range(30), moments(), strict=False):
        labels = {"Animal": 70.0 + n % 7}
        labels |= {"Cat": 80.0} if n % 3 == 0 else {}
        labels |= {"Dog": 60.0} if n % 5 == 0 else {}
        made.append(keep(blobs, a_blob(at, facts=facts_of(n)), *bring_to("labelled", labels)))
    facts = facts_of(7)
    with_labels(blobs, a_blob(owner="bert", facts=facts), {"Animal": 90.0, "Cat": 80.0})
    return made


STATUSES = [(), (BlobStatus.LABELLED,), (BlobStatus.FAILED, BlobStatus.LABELLING)]
TIMESPANS = [(None, None), (NOON + 3 * MILLISECOND, NOON + 20 * MILLISECOND)]
LABEL_CONDITIONS = [
    LabelFilter(),
    LabelFilter(all=("Animal",)),
    LabelFilter(all=("Animal", "Cat"), min_confidence=72.0),
    LabelFilter(any=("Cat", "Dog")),
    LabelFilter(none=("Cat",)),
    LabelFilter(all=("Animal",), any=("Dog", "Cow"), none=("Cat",)),
]


@pytest.mark.parametrize(
    ("order", "sha256"), [*((order, None) for order in BlobOrder), (BlobOrder.NEWEST, BYTES)]
)
@pytest.mark.parametrize(
    "facts",
    [
        FactsFilter(),
        FactsFilter(metadata=(Pair("third", "1"), Pair("all", "yes"))),
        FactsFilter(external_ids=tuple(f"id {n}" for n in range(3, 33))),
        FactsFilter(external_ids=("id 6", "id 9"), metadata=(Pair("third", "0"),)),
    ],
    ids=str,
)
def test_every_combination_is_listed_or_refused(
    blobs: BlobRepository,
    many: list[Blob],
    order: BlobOrder,
    sha256: str | None,
    facts: FactsFilter,
) -> None:
    """With what to do about it."""
    made = [
        *many,
        keep(blobs, a_blob(NOON + 9 * MILLISECOND), uploaded, failed),
        keep(blobs, a_blob(NOON + 9 * MILLISECOND), *bring_to("again", {"Animal": 70.0})),
    ]
    for statuses, (since, until), labels in product(STATUSES, TIMESPANS, LABEL_CONDITIONS):
        wanted = BlobFilter(statuses, since, until, sha256, labels, facts)
        one_label = len(labels.all) + len(labels.any) == 1
        by_id = order in (BlobOrder.NEWEST, BlobOrder.OLDEST)
        if (order is BlobOrder.CONFIDENCE and not one_label) or (facts.external_ids and not by_id):
            with pytest.raises(InvalidValue, match=r"by NEWEST") as refusal:
                plan_blob_list(wanted, order)
            assert refusal.value.field == "orderBy"
            continue
        assert listed(blobs, "anna", wanted, order) == listed_by_hand(made, wanted, order)


def test_blobs_are_listed_by_type(blobs: BlobRepository, many: list[Blob]) -> None:
    """Alone and with each other condition; pages that examine in vain tell where they stopped."""
    later = moments(NOON + timedelta(hours=1))
    facts = {"metadata": metadata_of([("all", "yes")])}
    scans = [
        keep(
            blobs,
            a_blob(at, content_type=ImageType.TIFF, facts=Facts(f"{number}.tif", **facts)),
            *bring_to("labelled", {"Animal": 80.0}),
        )
        for number, at in zip(range(3), later, strict=False)
    ]
    made = [*many, *scans]
    conditions = product(TIMESPANS, LABEL_CONDITIONS, [FactsFilter(), FACTS_OF_ALL], BlobOrder)
    for (since, until), labels, some, order in conditions:
        if order is BlobOrder.CONFIDENCE and len(labels.all) + len(labels.any) != 1:
            continue
        for types in ((ImageType.TIFF,), (ImageType.TIFF, ImageType.JPEG), (ImageType.PNG,)):
            wanted = BlobFilter((), since, until, None, labels, some, types)
            assert listed(blobs, "anna", wanted, order) == listed_by_hand(made, wanted, order)
    rare = BlobFilter(content_types=(ImageType.TIFF,))
    with examining(12):
        pages = all_pages(blobs, "anna", rare, BlobOrder.OLDEST)
    assert [blob for page in pages for blob in page.items] == scans
    assert len(pages) >= 3
    assert blobs.count("anna", plan_blob_list(rare)) is None


def test_blobs_are_listed_by_what_their_owner_confirmed(blobs: BlobRepository) -> None:
    """Of the labels that are named, or of any."""
    at = moments()
    labels = {"Cat": 90.0, "Animal": 80.0}
    found = with_labels(blobs, a_blob(next(at)), labels)
    nothing = with_labels(blobs, a_blob(next(at)), {})
    confirmed = with_labels(blobs, a_blob(next(at)), labels)
    added = with_labels(blobs, a_blob(next(at)), {"Animal": 100.0})
    removed = with_labels(blobs, a_blob(next(at)), labels)
    keep(blobs, a_blob(next(at)), uploaded)
    changes = [
        (confirmed, DecisionKind.CONFIRMED, "Cat"),
        (added, DecisionKind.ADDED, "Straße"),
        (removed, DecisionKind.REMOVED, "Cat"),
    ]
    confirmed, added, removed = (
        edited(blobs, before, corrected(before, kind, name)) for before, kind, name in changes
    )

    def found_by(**conditions: Any) -> list[Blob]:
        return listed(blobs, "anna", by_labels(**conditions), BlobOrder.OLDEST)

    assert found_by(confirmed=True) == [confirmed, added]
    assert found_by(confirmed=False) == [found, nothing, removed]
    assert found_by(found=False) == [nothing]
    assert found_by(found=True) == [found, confirmed, added, removed]
    assert found_by(found=True, confirmed=False) == [found, removed]
    assert found_by(found=False, confirmed=False, none=("cat",)) == [nothing]
    assert found_by(found=False, confirmed=True) == found_by(found=False, all=("cat",)) == []
    assert found_by(all=("cat",), confirmed=True) == [confirmed]
    assert found_by(all=("cat",), confirmed=False) == [found]
    assert found_by(any=("STRASSE", "cat"), confirmed=True) == [confirmed, added]
    assert found_by(all=("animal",), confirmed=True) == []
    assert found_by(all=("animal",), none=("cat",), confirmed=False) == [confirmed, added, removed]
    sure = by_labels(all=("Cat",), confirmed=True, min_confidence=95.0)
    assert listed(blobs, "anna", sure, BlobOrder.CONFIDENCE) == [confirmed]
    with examining(2):
        pages = all_pages(blobs, "anna", by_labels(confirmed=True))
    assert [blob for page in pages for blob in page.items] == [added, confirmed]


def edited(blobs: BlobRepository, before: Blob, after: Blob) -> Blob:
    blobs.save(after, before)
    return after


FACTS_OF_ALL = FactsFilter(metadata=(Pair("all", "yes"),))
CHANGING = [
    (BlobFilter(), BlobOrder.NEWEST),
    (by_labels(all=("Animal",)), BlobOrder.NEWEST),
    (by_labels(all=("Animal", "Cat", "Dog")), BlobOrder.NEWEST),
    (by_labels(any=("Cat", "Dog")), BlobOrder.NEWEST),
    (by_labels(any=("Cat", "Dog")), BlobOrder.OLDEST),
    (by_labels(all=("Animal",), none=("Cat", "Dog")), BlobOrder.NEWEST),
    (by_labels(none=("Cat",)), BlobOrder.OLDEST),
    (by_labels(all=("Cat",), any=("Dog", "Animal"), min_confidence=70.0), BlobOrder.NEWEST),
    (by_labels(all=("Animal",), none=("Cat",)), BlobOrder.CONFIDENCE),
    (BlobFilter(), BlobOrder.FILE_NAME),
    (BlobFilter(facts=FactsFilter(metadata=(Pair("all", "yes"),))), BlobOrder.OLDEST),
    (BlobFilter(facts=FactsFilter(metadata=(Pair("all", "yes"),))), BlobOrder.FILE_NAME),
    (BlobFilter(facts=FactsFilter(external_ids=("id 1", "id 7", "id 8"))), BlobOrder.NEWEST),
]


@pytest.mark.parametrize("examined", [3, 1000])
@pytest.mark.parametrize(("wanted", "order"), CHANGING, ids=str)
def test_blobs_that_change_between_pages_move_none(
    blobs: BlobRepository, many: list[Blob], wanted: BlobFilter, order: BlobOrder, examined: int
) -> None:
    """Those that exist from the first page to the last are returned once, in order."""
    leaving = many[7::10]
    newer = moments(NOON.replace(hour=13))
    plan = plan_blob_list(wanted, order)
    shown: list[Blob] = []
    after: Position | None = None
    made = list(many)
    with examining(examined):
        for turn in range(1000):
            page = blobs.find_page("anna", plan, first=2, after=after)
            shown += page.items
            if not page.has_next:
                break
            after = page.reached or plan.position_of(page.items[-1])
            if turn < 5:  # the oldest first meet all of them
                labels = {"Animal": 90.0, "Cat": 90.0, "Dog": 90.0}
                made.append(with_labels(blobs, a_blob(next(newer)), labels))
            if leaving:
                blobs.delete(leaving.pop(), NOON)
    ids = [blob.id for blob in shown]
    assert len(ids) == len(set(ids))
    assert shown == listed_by_hand(shown, wanted, order)
    staying = [blob for blob in many if blobs.get(blob.id)]
    expected = {blob.id for blob in listed_by_hand(staying, wanted, order)}
    assert expected <= set(ids) <= {blob.id for blob in listed_by_hand(made, wanted, order)}


def test_work_of_a_page_is_limited(blobs: BlobRepository, many: list[Blob]) -> None:
    """A page without items tells where it stopped."""
    some = by_labels(all=("Animal",), none=("Cat", "Dog", "Cow"))
    nothing = by_labels(all=("Animal",), min_confidence=99.0)
    for wanted, order in product([some, nothing], [BlobOrder.NEWEST, BlobOrder.OLDEST]):
        with examining(12):
            pages = all_pages(blobs, "anna", wanted, order, first=100)
        found = [blob for page in pages for blob in page.items]
        assert found == listed_by_hand(many, wanted, order)
        assert len(pages) >= 3
        assert all(page.reached for page in pages[:-1])
        assert pages[-1].reached is None


def test_contradictory_filter_reads_nothing(blobs: BlobRepository, many: list[Blob]) -> None:
    for wanted in (
        by_labels(all=("Animal",), none=("animal",)),
        by_labels(any=("Cat", "Dog"), none=("CAT", "dog", "cow")),
        BlobFilter((BlobStatus.FAILED,), labels=LabelFilter(all=("Cat",))),
        BlobFilter(created_after=NOON, created_before=NOON),
    ):
        assert plan_blob_list(wanted).choices == ()
        (page,) = all_pages(blobs, "anna", wanted)
        assert (page.items, page.has_next, page.reached) == ((), False, None)


def test_names_are_listed_by_their_start(blobs: BlobRepository) -> None:
    """Without regard to case, and whatever follows; equal names oldest first."""
    names = ["b.jpg", "Ab.jpg", "a\U0001f600", "AB.JPG", "a", "ß.png", "SS.gif", "a~", "\u00e4b"]
    made = [
        keep(blobs, a_blob(at, facts=Facts(name)))
        for name, at in zip(names, moments(), strict=False)
    ]
    keep(blobs, a_blob())
    for start in [None, "a", "A", "ab", "ss", "S", "ẞ", "x", "ä", "a\U0001f600"]:
        wanted = BlobFilter(facts=FactsFilter(start))
        expected = listed_by_hand(made, wanted, BlobOrder.FILE_NAME)
        for size in (1, 2, 100):
            assert listed(blobs, "anna", wanted, BlobOrder.FILE_NAME, first=size) == expected
    some = BlobFilter(facts=FactsFilter("ab"))
    found = listed(blobs, "anna", some, BlobOrder.FILE_NAME)
    assert [blob.facts.file_name for blob in found] == ["Ab.jpg", "AB.JPG"]


def test_a_renamed_blob_has_one_place(blobs: BlobRepository) -> None:
    first, other = (keep(blobs, a_blob(facts=Facts(name))) for name in ("a.jpg", "m.jpg"))
    renamed = set_facts(first, NOON, Facts("z.jpg"))
    blobs.save(renamed, first)
    assert listed(blobs, "anna", order=BlobOrder.FILE_NAME) == [other, renamed]
    blobs.save(set_facts(renamed, NOON, Facts()), renamed)
    assert listed(blobs, "anna", order=BlobOrder.FILE_NAME) == [other]
    blobs.delete(other, NOON)
    assert listed(blobs, "anna", order=BlobOrder.FILE_NAME) == []


def test_blob_being_relabelled_is_found_by_its_labels(blobs: BlobRepository) -> None:
    """A failed blob is not."""
    labels = {"Cat": 90.0, "Animal": 95.0}
    waiting = keep(blobs, a_blob(facts=Facts("a.jpg")), *bring_to("again", labels))
    keep(blobs, a_blob(facts=Facts("b.jpg")), *bring_to("failed", labels))
    for order in BlobOrder:
        for statuses in ((), (BlobStatus.LABELLING,)):
            wanted = BlobFilter(statuses, labels=LabelFilter(any=("cat",)))
            assert listed(blobs, "anna", wanted, order) == [waiting]
    assert listed(blobs, "anna", by_labels(all=("cat", "animal"))) == [waiting]


@pytest.mark.parametrize("order", list(BlobOrder))
def test_relabelled_blob_has_one_place(blobs: BlobRepository, order: BlobOrder) -> None:
    """That of its present confidence."""
    at = moments()
    name = Facts("a.jpg")
    first = keep(blobs, a_blob(next(at), facts=name), *bring_to("again", {"Cat": 90.0}))
    other = with_labels(blobs, a_blob(next(at), facts=name), {"Cat": 70.0})
    changed = labelled(first, ("Cat", 60.0), at=NOON + timedelta(hours=1))
    blobs.save(changed, first)
    for size in (1, 2):
        found = listed(blobs, "anna", by_labels(all=("Cat",)), order, first=size)
        oldest_first = order in (BlobOrder.OLDEST, BlobOrder.FILE_NAME)
        assert found == ([changed, other] if oldest_first else [other, changed])


def test_no_owner_finds_blobs_of_another(blobs: BlobRepository, many: list[Blob]) -> None:
    """With any filter."""
    for wanted, order in CHANGING:
        assert {blob.owner for blob in listed(blobs, "anna", wanted, order)} == {"anna"}
        assert listed(blobs, "ann", wanted, order) == []


@pytest.mark.parametrize("text", ["x" * 5000, "☃" * 1000, "", "%", "Cat\x00"])
def test_any_text_is_valid(blobs: BlobRepository, many: list[Blob], text: str) -> None:
    """As a label and as a position."""
    assert listed(blobs, "anna", by_labels(all=("Cat", text))) == []
    assert listed(blobs, "anna", by_labels(any=(text,))) == []
    assert listed(blobs, "anna", BlobFilter(facts=FactsFilter(external_ids=(text,)))) == []
    odd = FactsFilter(metadata=(Pair("all", text),))
    assert listed(blobs, "anna", BlobFilter(facts=odd)) == []
    page = a_page(blobs, "anna", order=BlobOrder.FILE_NAME, first=9, after=("5.jpg", text))
    assert len(page.items) in (0, 9)
    cats = listed(blobs, "anna", by_labels(any=("Cat", text), none=(text,)))
    assert cats == many[27::-3]
    for order in (BlobOrder.NEWEST, BlobOrder.OLDEST):
        page = a_page(blobs, "anna", by_labels(any=("Cat",)), order, first=9, after=(text,))
        assert len(page.items) in (0, 9)
    page = a_page(
        blobs,
        "anna",
        by_labels(any=("Cat",)),
        BlobOrder.CONFIDENCE,
        first=9,
        after=(80.0, text),
    )
    assert len(page.items) in (0, 9)


def test_shortest_lists_are_read(blobs: BlobRepository, many: list[Blob]) -> None:
    """By the counts of the summaries; otherwise a page of three would read thirty entries."""
    for name, blob in [("Animal", many[0]), ("Animal", many[1]), ("Dog", many[2])]:
        blobs.count_labels("anna", blob.id, blob.version, [name])
    for labels in (
        LabelFilter(all=("Animal", "Dog")),
        LabelFilter(all=("Animal",), any=("Dog", "Cow")),
    ):
        with examining(10):
            pages = all_pages(blobs, "anna", BlobFilter(labels=labels))
        assert [len(page.items) for page in pages] == [6], labels


def test_blobs_with_a_label_are_counted(blobs: BlobRepository, many: list[Blob]) -> None:
    """Where the label is the only condition, in any order of the list."""
    for blob in many:
        blobs.count_labels("anna", blob.id, blob.version, [each.name for each in blob.labels or ()])

    def counted(order: BlobOrder = BlobOrder.NEWEST, **conditions: Any) -> int | None:
        return blobs.count("anna", plan_blob_list(by_labels(**conditions), order))

    assert counted(BlobOrder.FILE_NAME, all=("Cat",)) is None
    for order in (BlobOrder.NEWEST, BlobOrder.OLDEST, BlobOrder.CONFIDENCE):
        assert counted(order, all=("CAT",)) == counted(order, any=("cat",)) == 10
        assert counted(order, all=("Unknown",)) == 0
        assert counted(order, all=("Cat",), none=("Dog",)) is None
        assert counted(order, all=("Cat",), min_confidence=1.0) is None
    assert (
        counted(all=("Cat", "Dog")) is counted(any=("Cat", "Dog")) is counted(none=("Cat",)) is None
    )
    assert counted(all=("Cat",), none=("cat",)) == 0
    since = BlobFilter(created_after=NOON, labels=LabelFilter(all=("Cat",)))
    assert blobs.count("anna", plan_blob_list(since)) is None
    cats = plan_blob_list(by_labels(all=("Cat",)))
    blobs.delete(many[0], NOON)
    blobs.uncount_labels("anna", many[0].id)
    assert blobs.count("anna", cats) == 9
    assert blobs.count("bert", cats) == 0


def test_blobs_in_a_status_are_counted(blobs: BlobRepository, store: str) -> None:
    """Through all changes, on SQLite; DynamoDB has no such numbers."""
    counted = [BlobFilter(), *(BlobFilter((status,)) for status in BlobStatus)]
    counted.append(BlobFilter((BlobStatus.LABELLED, BlobStatus.FAILED)))
    made: dict[str, Blob] = {}

    def check() -> None:
        for wanted in counted:
            expected = len(listed_by_hand(list(made.values()), wanted))
            found = blobs.count("anna", plan_blob_list(wanted))
            assert found == (expected if store == "sqlite" else None), wanted

    check()
    for state in ("awaiting", "labelling", "again", "failed", "expired"):
        blob = a_blob()
        blobs.create(blob)
        made[blob.id] = blob
        check()
        for step in bring_to(state, {"Cat": 90.0}):
            made[blob.id] = step(made[blob.id])
            blobs.save(made[blob.id], blob)
            blob = made[blob.id]
            check()
    keep(blobs, a_blob(owner="bert"))
    while made:
        blobs.delete(made.popitem()[1], NOON)
        check()
    assert blobs.count("anna", plan_blob_list(BlobFilter(created_after=NOON))) is None
    assert blobs.count("anna", plan_blob_list(BlobFilter(sha256=BYTES))) is None
