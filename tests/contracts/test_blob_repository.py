"""The contract of every blob repository."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import count, product
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.services.labels import LabelledBlob, LabelOrder, find_by_label
from core.domain.blob import Blob, BlobStatus
from core.domain.blob_list import BlobFilter
from core.domain.errors import AlreadyExists, VersionConflict
from core.domain.label import Label
from core.domain.pagination import Page
from core.repositories.ports.blobs import BlobLabels, BlobRepository, LabelSummary
from tests.support.blobs import (
    NOON,
    a_blob,
    again,
    expired,
    failed,
    full_blob,
    labelled,
    moments,
    uploaded,
)
from tests.support.lists import a_page, listed

ANY = BlobFilter()
SIZES = [1, 2, 3, 7, 100]
ORDERS = list(LabelOrder)
BYTES = "R1l0CMvgh0mX0Fk1nZ5k0m8lKu0N4oPzT0r4mVXl8sE="
OTHER_BYTES = "b1l0CMvgh0mX0Fk1nZ5k0m8lKu0N4oPzT0r4mVXl8sE="
MILLISECOND = timedelta(milliseconds=1)
newest_first = attrgetter("id")


def keep(records: BlobRepository, blob: Blob, *versions: Callable[[Blob], Blob]) -> Blob:
    """Store a blob and its later versions; return the last."""
    records.create(blob)
    for step in versions:
        before, blob = blob, step(blob)
        records.save(blob, before)
    return blob


def keep_labelled(records: BlobRepository, blob: Blob, *labels: tuple[str, float]) -> Blob:
    return keep(records, blob, uploaded, lambda blob: labelled(blob, *labels))


def every_page(list_page: Callable[[Any], Page[Any]], key: Callable[[Any], Any]) -> list[Any]:
    """Return all pages, each starting behind the last item of the one before."""
    items: list[Any] = []
    after = None
    for _ in range(1000):
        page = list_page(after)
        items += page.items
        if not page.has_next:
            return items
        assert page.items, "a page without items can't be the last but one"
        after = key(page.items[-1])
    raise AssertionError("the list has no end")


def all_of(records: BlobRepository, owner: str, wanted: BlobFilter, first: int) -> list[Blob]:
    return listed(records, owner, wanted, first=first)


def position(found: LabelledBlob) -> tuple[float, str]:
    return found.confidence, found.blob.id


def all_with(
    records: BlobRepository,
    label: str,
    *,
    owner: str = "anna",
    order: LabelOrder = LabelOrder.NEWEST,
    min_confidence: float = 0.0,
    first: int = 100,
) -> list[LabelledBlob]:
    return every_page(
        lambda after: find_by_label(
            records,
            owner,
            label,
            min_confidence=min_confidence,
            order=order,
            first=first,
            after=after,
        ),
        key=position,
    )


def summaries(records: BlobRepository, owner: str = "anna", prefix: str = "") -> dict[str, int]:
    found = every_page(
        lambda after: records.find_labels(owner, prefix, first=100, after=after),
        key=lambda summary: summary.name.casefold(),
    )
    return {summary.name: summary.blob_count for summary in found}


def ids(blobs: Iterable[Blob]) -> list[str]:
    return [blob.id for blob in blobs]


# One blob


def test_blob_is_read_as_it_was_stored(blobs: BlobRepository) -> None:
    blob = full_blob()
    blobs.create(blob)
    assert blobs.get(blob.id) == blob
    assert blobs.find("anna", [blob.id]) == {blob.id: blob}


def test_missing_blob_is_none(blobs: BlobRepository) -> None:
    """Lists are empty, and there is no error."""
    assert blobs.get("01ARYZ") is None
    assert blobs.find("anna", ["01ARYZ"]) == blobs.find("anna", []) == {}
    assert a_page(blobs, "anna", ANY, first=1) == Page((), has_next=False)
    assert blobs.find_labels("anna", "", first=1) == Page((), has_next=False)
    assert all_with(blobs, "Cat") == []


def test_id_is_unique(blobs: BlobRepository) -> None:
    """Another owner cannot use it either."""
    blob = a_blob()
    blobs.create(blob)
    for other in (blob, replace(blob, owner="bert")):
        with pytest.raises(AlreadyExists):
            blobs.create(other)
    assert blobs.get(blob.id) == blob


def test_find_returns_existing_blobs(blobs: BlobRepository) -> None:
    """Each once, however often it is requested, and many at a time."""
    kept = [keep(blobs, a_blob(at)) for at, _ in zip(moments(), range(120), strict=False)]
    wanted = ids(kept)
    assert blobs.find("anna", [*wanted[:100], wanted[0], "unknown"]) == {
        blob.id: blob for blob in kept[:100]
    }


def test_every_version_replaces_the_one_before(blobs: BlobRepository) -> None:
    """Through all states of a blob."""
    blob = a_blob()
    blobs.create(blob)
    steps = [uploaded, lambda b: labelled(b, ("Cat", 90.0)), again, failed, again]
    for step in steps:
        before, blob = blob, step(blob)
        blobs.save(blob, before)
        assert blobs.get(blob.id) == blob


def test_saving_over_another_version_is_a_conflict(blobs: BlobRepository) -> None:
    """An older, a future or no version; nothing changes."""
    first = a_blob()
    second = keep(blobs, first, uploaded)
    third = replace(second, version=3)
    for stale, before in ((expired(first), first), (second, first), (labelled(third), third)):
        with pytest.raises(VersionConflict, match="read it again") as caught:
            blobs.save(stale, before)
        assert (caught.value.blob_id, caught.value.expected) == (first.id, before.version)
    assert blobs.get(first.id) == second
    unknown = a_blob()
    with pytest.raises(VersionConflict):
        blobs.save(uploaded(unknown), unknown)
    assert blobs.get(unknown.id) is None


def test_refused_save_changes_no_list(blobs: BlobRepository) -> None:
    """Neither labels nor statuses."""
    kept = keep_labelled(blobs, a_blob(), ("Cat", 90.0))
    before = replace(kept, status=BlobStatus.LABELLING, version=1)
    with pytest.raises(VersionConflict):
        blobs.save(labelled(before, ("Dog", 90.0)), before)
    assert all_with(blobs, "Dog") == []
    assert ids(found.blob for found in all_with(blobs, "Cat")) == [kept.id]


# Lists by owner


@pytest.mark.parametrize("first", SIZES)
def test_pages_make_the_whole_list(blobs: BlobRepository, first: int) -> None:
    """Newest first, for every page size and order of creation."""
    made = [a_blob(at) for at, _ in zip(moments(), range(7), strict=False)]
    for n in (3, 0, 6, 1, 5, 2, 4):
        blobs.create(made[n])
    assert all_of(blobs, "anna", ANY, first) == made[::-1]


@pytest.mark.parametrize("first", [6, 7, 8])
def test_last_page_has_no_next(blobs: BlobRepository, first: int) -> None:
    """Also if it is full."""
    for at, _ in zip(moments(), range(7), strict=False):
        blobs.create(a_blob(at))
    page = a_page(blobs, "anna", ANY, first=first)
    assert (len(page.items), page.has_next) == (min(first, 7), first < 7)


@pytest.mark.parametrize("first", SIZES)
@pytest.mark.parametrize("wanted", [ANY, BlobFilter(statuses=tuple(BlobStatus))])
def test_blobs_created_between_pages_move_none(
    blobs: BlobRepository, wanted: BlobFilter, first: int
) -> None:
    """No earlier blob is repeated or missed; the newer ones are not shown."""
    old, between = [], []
    for n, at in zip(range(14), moments(), strict=False):
        (between if n % 2 else old).append(a_blob(at))
    for blob in old:
        blobs.create(blob)
    newer = (a_blob(at) for at in moments(NOON + timedelta(hours=1)))

    def list_page(after: str | None) -> Page[Blob]:
        page = a_page(blobs, "anna", wanted, first=first, after=after)
        blobs.create(next(newer))
        if between:
            blobs.create(between.pop())
        return page

    shown = every_page(list_page, key=attrgetter("id"))
    assert ids(shown) == sorted(ids(shown), reverse=True)
    assert [blob for blob in shown if blob in old] == old[::-1]
    assert all(blob.created_at < NOON + timedelta(hours=1) for blob in shown)


def one_in_each_status(blobs: BlobRepository, owner: str = "anna") -> list[Blob]:
    """Fifteen blobs of an owner, three in each status, oldest first."""
    paths: list[list[Callable[[Blob], Blob]]] = [
        [],
        [uploaded],
        [uploaded, labelled],
        [uploaded, failed],
        [expired],
    ]
    return [
        keep(blobs, a_blob(at, owner), *paths[n % 5])
        for n, at in zip(range(15), moments(), strict=False)
    ]


@pytest.mark.parametrize(
    "statuses",
    [
        *[(status,) for status in BlobStatus],
        (BlobStatus.LABELLED, BlobStatus.FAILED),
        (BlobStatus.FAILED, BlobStatus.EXPIRED, BlobStatus.AWAITING_UPLOAD),
        (BlobStatus.LABELLED, BlobStatus.LABELLED),
        tuple(BlobStatus),
        (),
    ],
)
def test_statuses_filter_the_list(blobs: BlobRepository, statuses: tuple[BlobStatus, ...]) -> None:
    """In one order; an empty filter matches all."""
    made = one_in_each_status(blobs)
    one_in_each_status(blobs, "bert")
    wanted = [blob for blob in made if not statuses or blob.status in statuses]
    for first in (1, 2, 100):
        assert all_of(blobs, "anna", BlobFilter(statuses=statuses), first) == wanted[::-1]


def test_blobs_are_found_by_their_digest(blobs: BlobRepository) -> None:
    """The declared one or that of the upload; newest first, within one owner."""
    at = moments()
    promised = keep(blobs, a_blob(next(at), declared_sha256=BYTES))
    arrived = keep(blobs, a_blob(next(at)), lambda blob: replace(uploaded(blob), sha256=BYTES))
    keep(blobs, a_blob(next(at), "bert", declared_sha256=BYTES))
    keep(blobs, a_blob(next(at), declared_sha256=OTHER_BYTES))
    keep(blobs, a_blob(next(at)))
    for first in (1, 2, 100):
        assert all_of(blobs, "anna", BlobFilter(sha256=BYTES), first) == [arrived, promised]
    wanted = BlobFilter((BlobStatus.AWAITING_UPLOAD,), sha256=BYTES)
    assert all_of(blobs, "anna", wanted, 1) == [promised]
    since = BlobFilter(created_after=arrived.created_at, sha256=BYTES)
    assert all_of(blobs, "anna", since, 10) == [arrived]
    until = BlobFilter(created_before=arrived.created_at, sha256=BYTES)
    assert all_of(blobs, "anna", until, 10) == [promised]
    for unknown in ("", "x", "y" * 3000, f"{BYTES}#anna"):
        assert all_of(blobs, "anna", BlobFilter(sha256=unknown), 10) == []


def test_deleted_blob_is_not_found_by_its_digest(blobs: BlobRepository) -> None:
    """Others with the same bytes are."""
    gone, stays = (keep(blobs, a_blob(), uploaded) for _ in range(2))
    blobs.delete(gone, NOON)
    assert all_of(blobs, "anna", BlobFilter(sha256=uploaded(a_blob()).sha256), 10) == [stays]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_scan_returns_every_blob_once(blobs: BlobRepository, size: int) -> None:
    """Of one owner, or of all."""
    made = {
        blob.id: blob
        for owner in ("anna", "bert", "#")
        for blob in one_in_each_status(blobs, owner)
    }
    for owner in (None, "anna", "#", "nobody"):
        found: list[Blob] = []
        after: str | None = None
        for _ in range(100):
            some, after = blobs.scan(owner, size, after)
            found += some
            if after is None:
                break
        wanted = {each for each, blob in made.items() if owner in (None, blob.owner)}
        assert sorted(blob.id for blob in found) == sorted(wanted)
        assert all(made[blob.id] == blob for blob in found)


def test_blob_is_in_the_list_of_its_status_only(blobs: BlobRepository) -> None:
    blob = keep(blobs, a_blob(), uploaded)
    assert all_of(blobs, "anna", BlobFilter((BlobStatus.AWAITING_UPLOAD,)), 10) == []
    assert all_of(blobs, "anna", BlobFilter((BlobStatus.LABELLING,)), 10) == [blob]


@pytest.mark.parametrize("statuses", [(), (BlobStatus.LABELLED, BlobStatus.EXPIRED)])
def test_times_filter_the_list(blobs: BlobRepository, statuses: tuple[BlobStatus, ...]) -> None:
    """From the first time on, and before the second, to the millisecond."""
    made = one_in_each_status(blobs)
    for after, before in product((None, -1, 0, 1, 7, 14, 15), repeat=2):
        since, until = (None if n is None else NOON + n * MILLISECOND for n in (after, before))
        wanted = [
            blob
            for blob in made
            if (not statuses or blob.status in statuses)
            and (since is None or blob.created_at >= since)
            and (until is None or blob.created_at < until)
        ]
        for first in (4, 100):
            found = all_of(blobs, "anna", BlobFilter(statuses, since, until), first)
            assert found == wanted[::-1]


# Lists by label


@pytest.fixture
def cats(blobs: BlobRepository) -> list[tuple[Blob, float]]:
    """Twelve blobs of anna's with cats, oldest first; several have the same confidence."""
    confidences = [70.0, 90.0, 55.0, 90.0, 100.0, 70.0, 55.5, 90.0, 0.0, 99.99, 70.0, 100.0]
    found = []
    for at, confidence in zip(moments(), confidences, strict=False):
        blob = keep_labelled(blobs, a_blob(at), ("Cat", confidence), ("Animal", 100.0))
        found.append((blob, confidence))
        keep_labelled(blobs, a_blob(at), ("Dog", confidence))
        keep_labelled(blobs, a_blob(at, "bert"), ("Cat", confidence))
    return found


@pytest.mark.parametrize("order", ORDERS)
def test_blobs_with_a_label_are_found_in_order(
    blobs: BlobRepository,
    cats: list[tuple[Blob, float]],
    order: LabelOrder,
) -> None:
    """From a confidence on; newest first, or most confident first and ties newest first."""
    for least, first in product([0.0, 55.0, 70.0, 70.5, 100.0], SIZES):
        wanted = [LabelledBlob(*cat) for cat in cats[::-1] if cat[1] >= least]
        if order is LabelOrder.CONFIDENCE:
            wanted.sort(key=lambda found: -found.confidence)  # is stable
        found = all_with(blobs, "Cat", order=order, min_confidence=least, first=first)
        assert found == wanted


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("first", [1, 2, 5])
def test_labels_added_between_pages_move_no_blob(
    blobs: BlobRepository, cats: list[tuple[Blob, float]], order: LabelOrder, first: int
) -> None:
    """Newer and older blobs, more and less confident labels."""
    older = moments(NOON - timedelta(hours=1))
    newer = moments(NOON + timedelta(hours=1))

    def list_page(after: tuple[float, str] | None) -> Page[LabelledBlob]:
        page = find_by_label(
            blobs, "anna", "Cat", min_confidence=10.0, order=order, first=first, after=after
        )
        if after is None:
            for at, confidence in ((newer, 90.0), (newer, 20.0), (older, 100.0), (older, 90.0)):
                keep_labelled(blobs, a_blob(next(at)), ("Cat", confidence))
        return page

    shown = every_page(list_page, key=position)
    known = {blob.id for blob, confidence in cats if confidence >= 10.0}
    assert len(shown) == len({found.blob.id for found in shown})
    assert {found.blob.id for found in shown} >= known
    place = position if order is LabelOrder.CONFIDENCE else (lambda found: found.blob.id)
    assert shown == sorted(shown, key=place, reverse=True)


@pytest.mark.parametrize("label", ["Straße", "STRASSE", "straße", "strasse"])
@pytest.mark.parametrize("order", ORDERS)
def test_label_is_found_in_any_case(blobs: BlobRepository, label: str, order: LabelOrder) -> None:
    """By Unicode case folding; the names stay as they were."""
    blob = keep_labelled(blobs, a_blob(), ("Straße", 90.0))
    assert all_with(blobs, label, order=order) == [LabelledBlob(blob, 90.0)]
    blobs.count_labels("anna", blob.id, 3, ["Straße"])
    assert summaries(blobs, prefix=label[:4]) == {"Straße": 1}


@pytest.mark.parametrize("label", ["", "Ca", "Cats", "%", "Cat%", "_at", "Cat\x00", "Cat "])
def test_label_is_found_by_its_whole_name_only(blobs: BlobRepository, label: str) -> None:
    """Not by a pattern or prefix."""
    keep_labelled(blobs, a_blob(), ("Cat", 90.0))
    assert all_with(blobs, label) == []


def test_blob_is_found_by_each_of_its_labels(blobs: BlobRepository) -> None:
    """All forty of them."""
    names = [f"Label {n}" for n in range(40)]
    blob = keep_labelled(blobs, a_blob(), *((name, 50.0 + n) for n, name in enumerate(names)))
    for n, name in enumerate(names):
        assert all_with(blobs, name) == [LabelledBlob(blob, 50.0 + n)]


def test_relabelling_replaces_label_entries(blobs: BlobRepository) -> None:
    """Old ones are deleted, new ones are added, and confidences change."""
    blob = keep(
        blobs,
        a_blob(),
        uploaded,
        lambda b: labelled(b, ("Cat", 90.0), ("Animal", 95.0)),
        again,
        lambda b: labelled(b, ("Animal", 60.0), ("Dog", 80.0)),
    )
    for order in ORDERS:
        assert all_with(blobs, "Cat", order=order) == []
        assert all_with(blobs, "Dog", order=order) == [LabelledBlob(blob, 80.0)]
        assert all_with(blobs, "Animal", order=order) == [LabelledBlob(blob, 60.0)]
        assert all_with(blobs, "Animal", order=order, min_confidence=95.0) == []


def test_label_that_changes_its_case_has_one_entry(blobs: BlobRepository) -> None:
    """That of the new version."""
    blob = keep(
        blobs,
        a_blob(),
        uploaded,
        lambda b: labelled(b, ("Cat", 90.0)),
        again,
        lambda b: labelled(b, ("CAT", 60.0)),
    )
    assert all_with(blobs, "cat") == [LabelledBlob(blob, 60.0)]


def test_blob_being_relabelled_is_still_found(blobs: BlobRepository) -> None:
    """By the labels it has until new ones replace them, with its current status."""
    blob = keep(blobs, a_blob(), uploaded, lambda b: labelled(b, ("Cat", 90.0)), again)
    assert all_with(blobs, "Cat") == [LabelledBlob(blob, 90.0)]


def test_failure_removes_label_entries(blobs: BlobRepository) -> None:
    keep(blobs, a_blob(), uploaded, lambda b: labelled(b, ("Cat", 90.0)), again, failed)
    assert all_with(blobs, "Cat") == []


# Labels in use


@pytest.fixture
def many_labels(blobs: BlobRepository) -> list[str]:
    """Anna's labels, in order of their folded names."""
    names = ["Apple", "apple pie", "Äpfel", "Ast", "banana", "Cat", "cat's eye", "Zebra", "ﬁsh"]
    for n, name in enumerate(reversed(names)):
        blobs.count_labels("anna", f"blob {n}", 3, [name])
        blobs.count_labels("bert", f"bert's blob {n}", 3, [name, "Bert's"])
    return sorted(names, key=str.casefold)


PREFIXES = ["", "a", "A", "ap", "Ä", "cat", "CAT'", "f", "ﬁ", "z", "%", "zz", "\U0010ffff"]


@pytest.mark.parametrize("first", SIZES)
def test_labels_in_use_are_listed_by_name(
    blobs: BlobRepository, many_labels: list[str], first: int
) -> None:
    """Those with a prefix, ignoring case, page by page."""
    for prefix in PREFIXES:
        found = every_page(
            lambda after, prefix=prefix: blobs.find_labels(
                "anna", prefix, first=first, after=after
            ),
            key=lambda summary: summary.name.casefold(),
        )
        assert found == [
            LabelSummary(name, 1)
            for name in many_labels
            if name.casefold().startswith(prefix.casefold())
        ]


@pytest.mark.parametrize(("after", "found"), [("a", ["Cat"]), ("cat", []), ("zz", [])])
def test_list_of_labels_starts_behind_any_name(
    blobs: BlobRepository, after: str, found: list[str]
) -> None:
    """Also behind one that is no longer in use, or outside the prefix."""
    blobs.count_labels("anna", "1", 3, ["Apple", "Cat"])
    page = blobs.find_labels("anna", "c", first=10, after=after)
    assert [summary.name for summary in page.items] == found


def test_counts_follow_a_blob_through_relabelling_and_failure(blobs: BlobRepository) -> None:
    """A label without blobs is no longer in use."""
    blobs.count_labels("anna", "1", 3, ["Cat", "Animal"])
    blobs.count_labels("anna", "2", 3, ["Dog", "Animal"])
    assert summaries(blobs) == {"Cat": 1, "Dog": 1, "Animal": 2}
    blobs.count_labels("anna", "1", 5, ["Dog", "Animal"])
    assert summaries(blobs) == {"Dog": 2, "Animal": 2}
    blobs.count_labels("anna", "2", 5, [])
    assert summaries(blobs) == {"Dog": 1, "Animal": 1}
    blobs.count_labels("anna", "1", 7, [])
    assert summaries(blobs) == {}


def test_repeated_or_late_change_is_counted_once(blobs: BlobRepository) -> None:
    """Streams repeat records, and a retry may change their order."""
    for version, names in [(5, ["Dog"]), (3, ["Cat"]), (5, ["Dog"]), (5, ["Cow"]), (4, [])]:
        blobs.count_labels("anna", "1", version, names)
    assert summaries(blobs) == {"Dog": 1}


NAMES = ["Cat", "cat", "CAT", "Dog", "Straße", "STRASSE"]
TELLINGS = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.integers(1, 6), st.sets(st.sampled_from(NAMES), max_size=4)
    ),
    max_size=25,
)
unique = count()


@given(TELLINGS)
def test_counts_are_those_of_each_blobs_newest_version(
    blobs: BlobRepository, tellings: list[tuple[str, int, set[str]]]
) -> None:
    """However often and in whatever order the versions are counted."""
    owner = f"owner {next(unique)}"
    newest: dict[str, tuple[int, set[str]]] = {}
    for blob, version, names in tellings:
        blobs.count_labels(owner, f"{owner}'s {blob}", version, names)
        if version > newest.get(blob, (0, set()))[0]:
            newest[blob] = version, names
    carried = [{name.casefold() for name in names} for _, names in newest.values()]
    found = {name.casefold(): n for name, n in summaries(blobs, owner).items()}
    assert found == {
        name: sum(name in names for names in carried) for name in set().union(*carried)
    }


@given(st.lists(TELLINGS, max_size=4))
def test_batches_count_as_their_parts_do(
    blobs: BlobRepository, batches: list[list[tuple[str, int, set[str]]]]
) -> None:
    """Several versions of a blob may be in a batch, in any order."""
    owners = [f"owner {next(unique)}" for _ in range(2)]
    for batch in batches:
        for blob, version, names in batch:
            blobs.count_labels(owners[0], f"{owners[0]}'s {blob}", version, names)
        blobs.count_batch(
            [
                BlobLabels(owners[1], f"{owners[1]}'s {blob}", version, names)
                for blob, version, names in batch
            ]
        )
    one_by_one, together = (
        {name.casefold(): n for name, n in summaries(blobs, owner).items()} for owner in owners
    )
    assert together == one_by_one


def test_large_batch_is_counted(blobs: BlobRepository) -> None:
    """Of several owners, with more labels than a transaction of DynamoDB holds."""
    owners = ("anna", "bert")
    batch = [
        BlobLabels(owners[n % 2], f"blob {n}", 3, {"Every", *(f"{n} {each}" for each in range(9))})
        for n in range(30)
    ]
    blobs.count_batch(batch)
    blobs.count_batch(batch)
    for owner in owners:
        assert summaries(blobs, owner, "every") == {"Every": 15}
        assert len(summaries(blobs, owner)) == 1 + 15 * 9


def test_deleted_blobs_of_a_batch_are_not_counted(blobs: BlobRepository) -> None:
    """Their changes came too late."""
    gone, stays = (keep_labelled(blobs, a_blob(), ("Cat", 90.0)) for _ in range(2))
    blobs.delete(gone, NOON)
    blobs.count_batch(
        [BlobLabels("anna", each.id, each.version, ["Cat"]) for each in (gone, stays)]
    )
    assert summaries(blobs) == {"Cat": 1}


# Internal reads, and the separation of owners


def test_abandoned_uploads_are_found_oldest_first(blobs: BlobRepository) -> None:
    """Of all owners, created before a time and still awaiting an upload; up to a limit."""
    anna, bert = one_in_each_status(blobs), one_in_each_status(blobs, "bert")
    before = NOON + 10 * MILLISECOND
    awaiting = [
        blob
        for blob in sorted([*anna, *bert], key=attrgetter("id"))
        if blob.status is BlobStatus.AWAITING_UPLOAD and blob.created_at < before
    ]
    assert len(awaiting) == 4
    assert list(blobs.find_abandoned(before, 100)) == awaiting
    assert list(blobs.find_abandoned(before, 3)) == awaiting[:3]
    assert list(blobs.find_abandoned(NOON, 100)) == []


def test_no_owner_sees_blobs_of_another(blobs: BlobRepository) -> None:
    """In no list and no read, not even with the other's id or cursor."""
    blob = keep_labelled(blobs, a_blob(), ("Cat", 90.0))
    blobs.count_labels("anna", blob.id, blob.version, ["Cat"])
    for owner in ("bert", "ann", "annab", "ANNA", "", "%", "anna\x00"):
        assert blobs.find(owner, [blob.id]) == {}
        assert all_of(blobs, owner, ANY, 10) == []
        assert all_of(blobs, owner, BlobFilter(tuple(BlobStatus)), 10) == []
        for order in ORDERS:
            assert all_with(blobs, "Cat", owner=owner, order=order) == []
            page = find_by_label(
                blobs, owner, "Cat", min_confidence=0, order=order, first=9, after=(101.0, "Z" * 26)
            )
            assert page.items == ()
        assert summaries(blobs, owner) == {}


def test_label_counts_are_separate_for_each_owner(blobs: BlobRepository) -> None:
    blobs.count_labels("anna", "1", 3, ["Cat"])
    blobs.count_labels("bert", "2", 3, ["Cat", "Dog"])
    blobs.count_labels("bert", "2", 5, ["Dog"])
    assert summaries(blobs, "anna") == {"Cat": 1}
    assert summaries(blobs, "bert") == {"Dog": 1}


def test_blob_found_by_label_is_complete(blobs: BlobRepository) -> None:
    """With parents and instances of its labels."""
    seen = full_blob().labels
    blob = keep(blobs, a_blob(), uploaded, lambda b: replace(labelled(b), labels=seen))
    (found,) = all_with(blobs, "tabby cat")
    assert found.blob == blob
    assert isinstance((found.blob.labels or ())[0], Label)
