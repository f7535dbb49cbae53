"""Deleting a blob, on every store: nothing of it is left or comes back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.services.labels import LabelOrder, find_by_label
from core.domain.blob import Blob, BlobStatus
from core.domain.blob_list import BlobFilter
from core.domain.delivery import (
    MAX_PER_ENDPOINT,
    Attempt,
    Delivery,
    DeliveryState,
    Verdict,
    delivery_id,
)
from core.domain.errors import VersionConflict
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.deliveries import DeliveryRepository
from tests.support.blobs import NOON, a_blob, again, expired, failed, labelled, moments, uploaded
from tests.support.lists import a_page

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
URL = "https://example.test/hook"
WAYS: list[list[Callable[[Blob], Blob]]] = [
    [],
    [expired],
    [uploaded],
    [uploaded, failed],
    [uploaded, lambda blob: labelled(blob, ("Cat", 90.0), ("Animal", 95.0))],
    [uploaded, lambda blob: labelled(blob, ("Cat", 90.0), ("CAT", 80.0)), again],
    [uploaded, lambda blob: labelled(blob, *((f"Label {n}", 60.0) for n in range(40)))],
]


def keep(blobs: BlobRepository, blob: Blob, *steps: Callable[[Blob], Blob]) -> Blob:
    blobs.create(blob)
    for step in steps:
        before, blob = blob, step(blob)
        blobs.save(blob, before)
    return blob


def cat(blob: Blob) -> Blob:
    return labelled(blob, ("Cat", 90.0))


def found_by(blobs: BlobRepository, label: str) -> list[str]:
    return [
        found.blob.id
        for order in LabelOrder
        for found in find_by_label(
            blobs, "anna", label, min_confidence=0, order=order, first=100
        ).items
    ]


def counts(blobs: BlobRepository, owner: str = "anna") -> dict[str, int]:
    page = blobs.find_labels(owner, "", first=100)
    return {summary.name: summary.blob_count for summary in page.items}


def delivery_of(blob_id: str, version: int = 3, at: datetime = NOON) -> Delivery:
    return Delivery(delivery_id(blob_id, version), blob_id, "anna", URL, b"{}", at, at)


# The record


@pytest.mark.parametrize("way", WAYS)
def test_deleted_blob_is_in_no_list(
    blobs: BlobRepository, way: list[Callable[[Blob], Blob]]
) -> None:
    """In any status; others stay."""
    other = keep(blobs, a_blob(), uploaded, cat)
    blob = keep(blobs, a_blob(), *way)
    blobs.delete(blob, NOON)
    assert blobs.get(blob.id) is None
    assert blobs.find("anna", [blob.id, other.id]) == {other.id: other}
    for statuses in [(), *((status,) for status in BlobStatus)]:
        page = a_page(blobs, "anna", BlobFilter(statuses), first=100)
        assert blob.id not in [each.id for each in page.items]
    for name in {label.name for label in blob.labels or ()}:
        assert blob.id not in found_by(blobs, name)
    assert list(blobs.find_abandoned(NOON + SECOND, 100)) == []
    assert found_by(blobs, "Cat") == [other.id] * 2


def test_only_the_version_that_was_read_is_deleted(blobs: BlobRepository) -> None:
    """Otherwise label entries of another version would be left; a blob is deleted once."""
    first = a_blob()
    blob = keep(blobs, first, uploaded, cat)
    with pytest.raises(VersionConflict):
        blobs.delete(first, NOON)
    assert blobs.get(blob.id) == blob
    assert not blobs.was_deleted("anna", blob.id)
    blobs.delete(blob, NOON)
    with pytest.raises(VersionConflict):
        blobs.delete(blob, NOON)
    with pytest.raises(VersionConflict):
        blobs.delete(a_blob(), NOON)


def test_deleted_blob_cannot_be_saved(blobs: BlobRepository) -> None:
    """By a labeller that had read it before."""
    blob = keep(blobs, a_blob(), uploaded)
    blobs.delete(blob, NOON)
    for step in (cat, failed):
        with pytest.raises(VersionConflict):
            blobs.save(step(blob), blob)
    assert blobs.get(blob.id) is None
    assert found_by(blobs, "Cat") == []


def test_deletion_is_known_to_the_owner(blobs: BlobRepository) -> None:
    """To no other owner, and only of blobs that existed."""
    blob = keep(blobs, a_blob())
    assert not blobs.was_deleted("anna", blob.id)
    blobs.delete(blob, NOON)
    assert blobs.was_deleted("anna", blob.id)
    for owner, blob_id in (("bert", blob.id), ("anna", a_blob().id), ("anna", ""), ("", blob.id)):
        assert not blobs.was_deleted(owner, blob_id)


def test_deletions_are_found_until_they_are_finished(blobs: BlobRepository) -> None:
    """The earliest first, of all owners."""
    made = []
    for n, at in zip(range(6), moments(), strict=False):
        blob = keep(blobs, a_blob(owner="bert" if n % 2 else "anna"))
        blobs.delete(blob, at)
        made.append((blob.owner, blob.id))
    late = NOON + SECOND
    assert list(blobs.find_unfinished_deletions(late, 100)) == made
    assert list(blobs.find_unfinished_deletions(late, 2)) == made[:2]
    assert list(blobs.find_unfinished_deletions(NOON + timedelta(milliseconds=3), 100)) == made[:3]
    for each in (made[0], made[3], made[3]):
        blobs.finish_deletion(each[1])
    blobs.finish_deletion("unknown")
    assert list(blobs.find_unfinished_deletions(late, 100)) == [made[1], made[2], made[4], made[5]]
    assert blobs.was_deleted(*made[0])
    assert not blobs.was_deleted("anna", "unknown")


def test_concurrent_labelling_and_deleting_leave_nothing(blobs: BlobRepository) -> None:
    """Whichever comes first; the second reads again."""

    def label(blob: Blob) -> None:
        with suppress(VersionConflict):
            blobs.save(cat(blob), blob)

    def delete(blob: Blob) -> None:
        while (now := blobs.get(blob.id)) is not None:
            with suppress(VersionConflict):
                blobs.delete(now, NOON)

    with ThreadPoolExecutor(2) as pool:
        for _ in range(15):
            blob = keep(blobs, a_blob(), uploaded)
            at_once = [pool.submit(step, blob) for step in (label, delete)]
            for each in at_once:
                each.result()
            assert blobs.get(blob.id) is None
            assert found_by(blobs, "Cat") == []


# Counts of labels


def test_deleted_blob_is_not_counted(blobs: BlobRepository) -> None:
    """Nor later, by late or repeated changes."""
    blob, other = keep(blobs, a_blob(), uploaded, cat), keep(blobs, a_blob(), uploaded, cat)
    for each in (blob, other):
        blobs.count_labels("anna", each.id, each.version, ["Cat", "Animal"])
    blobs.delete(blob, NOON)
    for _ in range(2):
        blobs.uncount_labels("anna", blob.id)
        assert counts(blobs) == {"Cat": 1, "Animal": 1}
    for version in (2, blob.version, blob.version + 1):
        blobs.count_labels("anna", blob.id, version, ["Cat", "Dog"])
        assert counts(blobs) == {"Cat": 1, "Animal": 1}
    blobs.delete(other, NOON)
    blobs.uncount_labels("anna", other.id)
    assert counts(blobs) == {}


runs = count()


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(1, 5), st.sets(st.sampled_from(["Cat", "cat", "Dog", "Cow"]))),
            st.sampled_from(["delete", "told"]),
        ),
        max_size=12,
    )
)
def test_counts_end_with_the_deletion_in_any_order(
    blobs: BlobRepository, tellings: list[tuple[int, set[str]] | str]
) -> None:
    """In whatever order, and however often, the feed reports changes."""
    owner = f"owner {next(runs)}"
    blob = keep(blobs, a_blob(owner=owner))
    for each in [*tellings, "delete", "told"]:
        if each == "delete":
            with suppress(VersionConflict):
                blobs.delete(blob, NOON)
        elif isinstance(each, tuple):
            blobs.count_labels(owner, blob.id, *each)
        elif blobs.was_deleted(owner, blob.id):
            blobs.uncount_labels(owner, blob.id)
    assert counts(blobs, owner) == {}


# Deliveries


@pytest.fixture
def deleted(blobs: BlobRepository) -> str:
    """Create and delete a blob; return its id."""
    blob = keep(blobs, a_blob(), uploaded, cat)
    blobs.delete(blob, NOON)
    return blob.id


@pytest.mark.parametrize("state", list(DeliveryState))
def test_removed_deliveries_do_not_exist(
    deliveries: DeliveryRepository, state: DeliveryState
) -> None:
    """In any state; those of other blobs stay."""
    mine, older, other = delivery_of("1"), delivery_of("1", 1), delivery_of("2")
    for each in (mine, older, other):
        deliveries.add(each)
    if state is not DeliveryState.PENDING:
        claim = deliveries.claim(mine.id, NOON, LEASE)
        assert claim is not None
        deliveries.finish(claim, Attempt(1, NOON, NOON, 500), Verdict(state))
    assert list(deliveries.remove("1", NOON)) == []
    assert deliveries.find("anna", [mine.id, older.id]) == {}
    assert deliveries.find_latest("anna", ["1", "2"]) == {"2": other}
    assert list(deliveries.find_due(NOON, 100)) == [other.id]
    assert list(deliveries.find_by_state(state)) in ([], [other])
    for each in (mine, older):
        assert deliveries.claim(each.id, NOON, LEASE) is None
        assert deliveries.redeliver(each.id, NOON) is False
    assert deliveries.get(mine.id) is None
    assert list(deliveries.remove("1", NOON)) == []
    assert list(deliveries.remove("unknown", NOON)) == []


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.DELIVERED])
def test_attempt_at_a_removed_delivery_is_not_recorded(
    deliveries: DeliveryRepository, state: DeliveryState
) -> None:
    """It holds its lease until it ends, and no attempt follows."""
    delivery = delivery_of("1")
    deliveries.add(delivery)
    claim = deliveries.claim(delivery.id, NOON, LEASE)
    assert claim is not None
    deliveries.remove("1", NOON)
    due_at = NOON + SECOND if state is DeliveryState.PENDING else None
    assert deliveries.finish(claim, Attempt(1, NOON, NOON, 500), Verdict(state, due_at)) is False
    assert deliveries.get(delivery.id) is None
    assert list(deliveries.find_due(NOON + 2 * LEASE, 10)) == []


def test_deliveries_that_waited_behind_removed_ones_may_start(
    deliveries: DeliveryRepository,
) -> None:
    """Removed deliveries, waiting or not, do not block the line."""
    held = [delivery_of(str(n)) for n in range(MAX_PER_ENDPOINT)]
    for each in held:
        deliveries.add(each)
    claims = [deliveries.claim(each.id, NOON, LEASE) for each in held]
    waiting = [delivery_of(f"w{n}", at=NOON + n * SECOND) for n in range(4)]
    now = NOON + 10 * SECOND
    assert [deliveries.add(each) for each in waiting] == [False] * 4
    assert list(deliveries.remove("w0", now)) == []
    for claim in claims:
        assert claim is not None
        deliveries.finish(claim, Attempt(1, now, now, 200), Verdict(DeliveryState.DELIVERED))
    let_out = [*deliveries.remove("w1", now), *deliveries.next_in_line("anna", URL, now)]
    assert let_out == [waiting[2].id, waiting[3].id]


def test_no_delivery_is_stored_for_a_deleted_blob(
    deliveries: DeliveryRepository, deleted: str
) -> None:
    """Its last change may arrive after the deletion; a test event has no blob."""
    assert deliveries.add(delivery_of(deleted)) is False
    assert deliveries.get(delivery_id(deleted, 3)) is None
    assert list(deliveries.find_due(NOON, 10)) == []
    assert deliveries.add(delivery_of(a_blob().id, 0)) is True


def test_concurrent_adding_and_removing_leave_nothing(
    blobs: BlobRepository, deliveries: DeliveryRepository
) -> None:
    """Whichever comes first."""

    def delete(blob: Blob) -> None:
        blobs.delete(blob, NOON)
        deliveries.remove(blob.id, NOON)

    with ThreadPoolExecutor(2) as pool:
        for _ in range(15):
            blob = keep(blobs, a_blob())
            at_once = [
                pool.submit(deliveries.add, delivery_of(blob.id)),
                pool.submit(delete, blob),
            ]
            for each in at_once:
                each.result()
            assert deliveries.find_latest("anna", [blob.id]) == {}
    assert list(deliveries.find_due(NOON, 10)) == []
