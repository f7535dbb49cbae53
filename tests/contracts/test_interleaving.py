"""What another process writes between a repository's read and its write is not lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from api.services.labels import LabelOrder, find_by_label
from core.domain.delivery import (
    MAX_PER_ENDPOINT,
    Attempt,
    Claim,
    Delivery,
    DeliveryState,
    Verdict,
    delivery_id,
)
from core.domain.errors import VersionConflict
from core.domain.owner import Owner, with_new_secret
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.deliveries import DeliveryRepository
from core.repositories.ports.owners import OwnerRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from tests.support.blobs import NOON, a_blob, again, failed, labelled, uploaded

LEASE = timedelta(seconds=30)
URL = "https://example.test/hook"
OTHER_URL = "https://example.test/other"

BeforeNextWrite = Callable[..., None]


@pytest.fixture
def before_next_write(store: str, request: pytest.FixtureRequest) -> Iterator[BeforeNextWrite]:
    """Calls a function once, just before the next write to the store, or `after` so many writes.

    On DynamoDB that is after the reads of the call under test. SQLite reads inside the write
    transaction, and makes one for each call, so there it is before them.
    """
    target: Any
    if store == "sqlite":
        target, names = request.getfixturevalue("database"), ["write"]
    else:
        target = request.getfixturevalue("table")
        names = ["put", "update", "delete", "pop", "transact", "write_many"]
    patches = pytest.MonkeyPatch()
    calls: list[Callable[[], Any]] = []

    def wrap(original: Callable[..., Any], left: list[None]) -> Callable[..., Any]:
        def write(*args: Any, **kwargs: Any) -> Any:
            if left:
                left.pop()
            else:
                patches.undo()
                calls.pop()()
            return original(*args, **kwargs)

        return write

    def arrange(call: Callable[[], Any], *, after: int = 0) -> None:
        calls.append(call)
        left = [None] * (0 if store == "sqlite" else after)
        for name in names:
            patches.setattr(target, name, wrap(getattr(target, name), left))

    yield arrange
    patches.undo()
    assert calls == [], "nothing was written"


@pytest.fixture
def two_at_a_time(store: str, request: pytest.FixtureRequest) -> DeliveryRepository:
    """A delivery repository with two leases for each endpoint and two for each owner."""
    if store == "sqlite":
        return SqliteDeliveryRepository(request.getfixturevalue("database"), 2, 2)
    return DynamoDeliveryRepository(request.getfixturevalue("table"), 2, 2)


def a_delivery(number: int, at: datetime = NOON) -> Delivery:
    return Delivery(
        delivery_id(str(number), 3), str(number), "anna", URL, b"{}", created_at=at, due_at=at
    )


def claim(deliveries: DeliveryRepository, number: int, at: datetime = NOON) -> Claim | None:
    """Add a delivery to the endpoint and claim it."""
    deliveries.add(a_delivery(number, at))
    return deliveries.claim(a_delivery(number).id, at, LEASE)


def fill(deliveries: DeliveryRepository, count: int, at: datetime = NOON) -> list[Claim]:
    """Claim that many deliveries to the endpoint."""
    claims = [claim(deliveries, number, at) for number in range(100, 100 + count)]
    return [each for each in claims if each is not None]


def claimable(deliveries: DeliveryRepository, at: datetime = NOON) -> int:
    """How many more deliveries to the endpoint can be claimed."""
    claims = [claim(deliveries, number, at) for number in range(200, 201 + MAX_PER_ENDPOINT)]
    return sum(each is not None for each in claims)


def finish(deliveries: DeliveryRepository, claim: Claim, at: datetime = NOON) -> Attempt:
    attempt = Attempt(claim.attempt, NOON, at, status=200)
    assert deliveries.finish(claim, attempt, Verdict(DeliveryState.DELIVERED)) is True
    return attempt


def test_lease_released_meanwhile_stays_released(
    deliveries: DeliveryRepository, before_next_write: BeforeNextWrite
) -> None:
    first, *others = fill(deliveries, MAX_PER_ENDPOINT - 1)
    deliveries.add(a_delivery(1))
    before_next_write(lambda: finish(deliveries, first))
    assert deliveries.claim(a_delivery(1).id, NOON, LEASE) is not None
    assert claimable(deliveries) == MAX_PER_ENDPOINT - len(others) - 1


def test_lease_taken_meanwhile_counts(
    deliveries: DeliveryRepository, before_next_write: BeforeNextWrite
) -> None:
    first, *_ = fill(deliveries, MAX_PER_ENDPOINT - 1)
    deliveries.add(a_delivery(1))
    before_next_write(lambda: claim(deliveries, 2))
    assert deliveries.claim(a_delivery(1).id, NOON, LEASE) is None
    assert claimable(deliveries) == 0
    finish(deliveries, first)
    assert list(deliveries.next_in_line("anna", URL, NOON)) == [a_delivery(1).id]


def test_delivery_that_finds_room_after_all_leaves_the_line(
    narrow_deliveries: DeliveryRepository, before_next_write: BeforeNextWrite
) -> None:
    """The end of an attempt releases one delivery of the line, and not one that has started."""
    for number in (1, 2):
        narrow_deliveries.add(a_delivery(number))
    first = narrow_deliveries.claim(a_delivery(1).id, NOON, LEASE)
    assert first is not None
    before_next_write(lambda: finish(narrow_deliveries, first))
    second = narrow_deliveries.claim(a_delivery(2).id, NOON, LEASE)
    assert second is not None
    assert claim(narrow_deliveries, 3) is None
    finish(narrow_deliveries, second)
    assert list(narrow_deliveries.next_in_line("anna", URL, NOON)) == [a_delivery(3).id]


def test_delivery_that_meets_a_lease_returned_unused_waits_for_the_owner(
    two_at_a_time: DeliveryRepository, before_next_write: BeforeNextWrite
) -> None:
    """Two jobs of delivery 3 hold its endpoint's leases for a moment, as its owner has none."""
    deliveries = two_at_a_time
    running = [replace(a_delivery(number), url=OTHER_URL) for number in (1, 2)]
    third, fourth = a_delivery(3), a_delivery(4)
    for each in (*running, third, fourth):
        deliveries.add(each)
    claims = [deliveries.claim(each.id, NOON, LEASE) for each in running]

    def job_of(delivery: Delivery) -> None:
        assert deliveries.claim(delivery.id, NOON, LEASE) is None

    def repeated_job_of_third() -> None:
        before_next_write(lambda: job_of(fourth), after=1)
        job_of(third)

    before_next_write(repeated_job_of_third, after=1)
    job_of(third)
    for ended, released in zip(claims, (third, fourth), strict=True):
        assert ended is not None
        finish(deliveries, ended)
        assert list(deliveries.next_in_line("anna", OTHER_URL, NOON)) == [released.id]
        assert deliveries.claim(released.id, NOON, LEASE) is not None


def test_first_lease_of_an_endpoint_taken_meanwhile_counts(
    deliveries: DeliveryRepository, before_next_write: BeforeNextWrite
) -> None:
    deliveries.add(a_delivery(1))
    before_next_write(lambda: claim(deliveries, 2))
    assert deliveries.claim(a_delivery(1).id, NOON, LEASE) is not None
    assert claimable(deliveries) == MAX_PER_ENDPOINT - 2


def test_expired_leases_replaced_meanwhile_do_not_count(
    deliveries: DeliveryRepository, before_next_write: BeforeNextWrite
) -> None:
    fill(deliveries, MAX_PER_ENDPOINT)
    later = NOON + LEASE
    deliveries.add(a_delivery(1, later))
    before_next_write(lambda: claim(deliveries, 2, later))
    assert deliveries.claim(a_delivery(1).id, later, LEASE) is not None
    assert claimable(deliveries, later) == MAX_PER_ENDPOINT - 2


def test_expired_lease_released_meanwhile_does_not_count(
    deliveries: DeliveryRepository, before_next_write: BeforeNextWrite
) -> None:
    """Its attempt took longer than the lease."""
    first, *_ = fill(deliveries, MAX_PER_ENDPOINT)
    later = NOON + LEASE
    deliveries.add(a_delivery(1, later))
    before_next_write(lambda: finish(deliveries, first, later))
    assert deliveries.claim(a_delivery(1).id, later, LEASE) is not None
    assert claimable(deliveries, later) == MAX_PER_ENDPOINT - 1


@pytest.mark.parametrize("others", [0, 1])
def test_endpoint_disabled_meanwhile_is_disabled(
    deliveries: DeliveryRepository, before_next_write: BeforeNextWrite, others: int
) -> None:
    fill(deliveries, others)
    deliveries.add(a_delivery(1))
    before_next_write(lambda: deliveries.disable_endpoint("anna", URL, NOON))
    claimed = deliveries.claim(a_delivery(1).id, NOON, LEASE)
    assert claimed is not None
    assert claimed.disabled_at == NOON
    assert claimable(deliveries) == MAX_PER_ENDPOINT - others - 1


@pytest.mark.parametrize("due_at", [None, NOON + timedelta(hours=1)])
def test_redelivery_keeps_an_attempt_finished_meanwhile(
    deliveries: DeliveryRepository, before_next_write: BeforeNextWrite, due_at: datetime | None
) -> None:
    """The lease of the attempt had expired, so a redelivery was allowed."""
    deliveries.add(a_delivery(1))
    claimed = deliveries.claim(a_delivery(1).id, NOON, LEASE)
    assert claimed is not None
    later = NOON + LEASE
    attempt = Attempt(1, NOON, later, status=503 if due_at else 200)
    verdict = Verdict(DeliveryState.PENDING if due_at else DeliveryState.DELIVERED, due_at)
    before_next_write(lambda: deliveries.finish(claimed, attempt, verdict))
    deliveries.redeliver(a_delivery(1).id, later)
    found = deliveries.get(a_delivery(1).id)
    assert found is not None
    assert found.attempts == (attempt,)


def test_owner_changed_meanwhile_is_not_overwritten(
    owners: OwnerRepository, before_next_write: BeforeNextWrite
) -> None:
    read = owners.get_or_create("anna")
    mine, theirs = (with_new_secret(read, value, NOON) for value in ("whsec_mine", "whsec_theirs"))
    before_next_write(lambda: owners.save_owner(theirs, read))
    assert owners.save_owner(mine, read) is False
    assert owners.find_owner("anna") == theirs


def test_owner_created_meanwhile_is_returned(
    owners: OwnerRepository, before_next_write: BeforeNextWrite
) -> None:
    created: list[Owner] = []
    before_next_write(lambda: created.append(owners.get_or_create("anna")))
    assert [owners.get_or_create("anna")] == created


@pytest.mark.parametrize("change", ["save", "delete"])
def test_blob_saved_meanwhile_is_not_overwritten(
    blobs: BlobRepository, before_next_write: BeforeNextWrite, change: str
) -> None:
    read = a_blob()
    blobs.create(read)
    theirs = uploaded(read)
    before_next_write(lambda: blobs.save(theirs, read))
    with pytest.raises(VersionConflict):
        blobs.save(failed(read), read) if change == "save" else blobs.delete(read, NOON)
    assert blobs.get(read.id) == theirs


def found_by(blobs: BlobRepository, label: str) -> list[tuple[str, float]]:
    page = find_by_label(blobs, "anna", label, min_confidence=0, order=LabelOrder.NEWEST, first=9)
    return [(found.blob.id, found.confidence) for found in page.items]


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("delay", [timedelta(0), timedelta(seconds=1)])
def test_blob_labelled_meanwhile_is_found_by_the_labels_it_has(
    blobs: BlobRepository, before_next_write: BeforeNextWrite, after: int, delay: timedelta
) -> None:
    """Not by those of the labeller that came too late, which may have ended in the same moment."""
    read = a_blob()
    blobs.create(read)
    theirs = labelled(read, ("Cat", 90.0), ("Cow", 80.0))
    mine = labelled(read, ("Cat", 60.0), ("Dog", 70.0), at=NOON + delay)
    before_next_write(lambda: blobs.save(theirs, read), after=after)
    with pytest.raises(VersionConflict):
        blobs.save(mine, read)
    assert found_by(blobs, "Cat") == [(read.id, 90.0)]
    assert found_by(blobs, "Cow") == [(read.id, 80.0)]
    assert found_by(blobs, "Dog") == []


def test_blob_labelled_again_before_the_end_of_a_save_is_found(
    store: str, blobs: BlobRepository, before_next_write: BeforeNextWrite
) -> None:
    """A late removal of old labels removes none of a newer run, even if they are the same."""
    first = labelled(a_blob(), ("Cat", 90.0), at=NOON)
    blobs.create(first)
    second = labelled(again(first), ("Dog", 90.0), at=NOON + timedelta(seconds=1))
    third = labelled(again(second), ("Cat", 90.0), at=NOON + timedelta(seconds=2))
    if store == "sqlite":  # a save is one transaction
        blobs.save(second, first)
        blobs.save(third, second)
    else:
        before_next_write(lambda: blobs.save(third, second), after=2)
        blobs.save(second, first)
    assert found_by(blobs, "Cat") == [(first.id, 90.0)]
    assert found_by(blobs, "Dog") == []


def test_blob_deleted_meanwhile_stays_deleted(
    blobs: BlobRepository, before_next_write: BeforeNextWrite
) -> None:
    read = a_blob()
    blobs.create(read)
    before_next_write(lambda: blobs.delete(read, NOON))
    with pytest.raises(VersionConflict):
        blobs.save(labelled(read, ("Cat", 90.0)), read)
    assert blobs.get(read.id) is None
    assert blobs.was_deleted("anna", read.id)


def summaries(blobs: BlobRepository) -> dict[str, int]:
    return {each.name: each.blob_count for each in blobs.find_labels("anna", "", first=9).items}


@pytest.mark.parametrize("counted_before", [False, True])
def test_labels_of_a_newer_version_counted_meanwhile_stay(
    blobs: BlobRepository, before_next_write: BeforeNextWrite, *, counted_before: bool
) -> None:
    blob = a_blob()
    blobs.create(blob)
    if counted_before:
        blobs.count_labels("anna", blob.id, 2, ["Dog"])
    before_next_write(lambda: blobs.count_labels("anna", blob.id, 4, ["Cat", "Cow"]))
    blobs.count_labels("anna", blob.id, 3, ["Cat", "Dog"])
    assert summaries(blobs) == {"Cat": 1, "Cow": 1}


def test_labels_of_a_blob_deleted_meanwhile_are_not_counted(
    blobs: BlobRepository, before_next_write: BeforeNextWrite
) -> None:
    blob = a_blob()
    blobs.create(blob)

    def delete() -> None:
        blobs.delete(blob, NOON)
        blobs.uncount_labels("anna", blob.id)

    blobs.count_labels("anna", blob.id, 2, ["Dog"])
    before_next_write(delete)
    blobs.count_labels("anna", blob.id, 3, ["Cat"])
    assert summaries(blobs) == {}


def test_labels_counted_meanwhile_are_removed_with_the_blob(
    blobs: BlobRepository, before_next_write: BeforeNextWrite
) -> None:
    blob = a_blob()
    blobs.create(blob)
    blobs.count_labels("anna", blob.id, 2, ["Dog"])
    blobs.delete(blob, NOON)
    before_next_write(lambda: blobs.count_labels("anna", blob.id, 3, ["Cat"]))
    blobs.uncount_labels("anna", blob.id)
    assert summaries(blobs) == {}


def test_label_that_loses_its_last_blob_and_gets_another_meanwhile_is_counted(
    blobs: BlobRepository, before_next_write: BeforeNextWrite
) -> None:
    first, second = a_blob(), a_blob()
    for blob in (first, second):
        blobs.create(blob)
    blobs.count_labels("anna", first.id, 2, ["Cat"])
    before_next_write(lambda: blobs.count_labels("anna", second.id, 2, ["Cat"]))
    blobs.count_labels("anna", first.id, 3, [])
    assert summaries(blobs) == {"Cat": 1}
