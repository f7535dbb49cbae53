"""The contract of clients' facts: kept with the blob; an external id belongs to one blob."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from core.domain.blob import Blob
from core.domain.edits import set_facts
from core.domain.errors import AlreadyExists, ExternalIdTaken, VersionConflict
from core.domain.facts import NO_FACTS, Facts, metadata_of
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.uploads import IdempotencyKey, UploadLimits, UploadRepository
from tests.support.blobs import NOON, a_blob, labelled

FACTS = Facts("Straße 1.jpg", "order-17", metadata_of([("year", "2026"), ("album", "Élan ☃")]))
KEY = IdempotencyKey("a" * 64, "d1")


def created(blobs: BlobRepository, facts: Facts, owner: str = "anna") -> Blob:
    blob = a_blob(owner=owner, facts=facts)
    blobs.create(blob)
    return blob


def changed(blobs: BlobRepository, blob: Blob, facts: Facts) -> Blob:
    new = set_facts(blob, NOON, facts)
    blobs.save(new, blob)
    return new


@pytest.fixture
def unbounded(uploads: Callable[[UploadLimits], UploadRepository]) -> UploadRepository:
    return uploads(UploadLimits())


def test_facts_are_kept_when_a_blob_is_labelled(blobs: BlobRepository) -> None:
    blob = created(blobs, FACTS)
    done = labelled(blob, ("Cat", 90.0))
    blobs.save(done, blob)
    stored = blobs.get(blob.id)
    assert stored == done
    assert stored.facts == FACTS


def test_facts_are_changed_and_removed(blobs: BlobRepository) -> None:
    blob = changed(blobs, created(blobs, NO_FACTS), FACTS)
    assert blobs.get(blob.id) == blob
    other = Facts("b.png", "order-18", metadata_of([("album", "Winter"), ("year", "2026")]))
    blob = changed(blobs, blob, other)
    assert blobs.get(blob.id) == blob
    blob = changed(blobs, blob, NO_FACTS)
    assert blobs.get(blob.id) == blob
    assert blob.facts == NO_FACTS


def test_an_external_id_belongs_to_one_blob_of_an_owner(
    blobs: BlobRepository, unbounded: UploadRepository
) -> None:
    first = created(blobs, FACTS)
    second = a_blob(facts=Facts(external_id="order-17"))
    for create in (blobs.create, unbounded.reserve, lambda blob: unbounded.reserve(blob, KEY)):
        with pytest.raises(ExternalIdTaken) as refused:
            create(second)
        assert refused.value.blob_id == first.id
    assert blobs.get(second.id) is None
    plain = created(blobs, NO_FACTS)
    with pytest.raises(ExternalIdTaken) as refused:
        changed(blobs, plain, Facts(external_id="order-17"))
    assert refused.value.blob_id == first.id
    assert blobs.get(plain.id) == plain


def test_owners_do_not_share_external_ids(blobs: BlobRepository) -> None:
    """Nor is `a#b` of one the `b` of another."""
    for owner in ("anna", "bert", "anna#order", "anna%23order"):
        blob = created(blobs, Facts(external_id="order-17"), owner)
        assert blobs.get(blob.id) == blob


@pytest.mark.parametrize("leave", ["change", "clear", "delete"])
def test_an_external_id_that_was_given_up_is_free(blobs: BlobRepository, leave: str) -> None:
    blob = created(blobs, FACTS)
    if leave == "delete":
        blobs.delete(blob, NOON)
    else:
        changed(blobs, blob, Facts(external_id="other") if leave == "change" else NO_FACTS)
    assert created(blobs, FACTS).facts == FACTS


def test_a_blob_keeps_its_own_external_id(blobs: BlobRepository) -> None:
    blob = changed(blobs, created(blobs, FACTS), replace(FACTS, file_name="b.jpg"))
    assert blobs.get(blob.id) == blob
    with pytest.raises(AlreadyExists):
        blobs.create(blob)


def test_an_outdated_change_of_facts_changes_nothing(blobs: BlobRepository) -> None:
    blob = created(blobs, NO_FACTS)
    newer = changed(blobs, blob, FACTS)
    with pytest.raises(VersionConflict):
        changed(blobs, blob, Facts("b.png", "order-18", metadata_of([("album", "Winter")])))
    assert blobs.get(blob.id) == newer
    assert created(blobs, Facts(external_id="order-18"))


def test_a_repeated_key_returns_the_blob_with_its_external_id(
    blobs: BlobRepository, unbounded: UploadRepository
) -> None:
    first = unbounded.reserve(a_blob(facts=FACTS), KEY)
    assert unbounded.reserve(a_blob(facts=FACTS), KEY) == first


def test_one_of_many_gets_an_external_id(
    blobs: BlobRepository, unbounded: UploadRepository
) -> None:
    """At the same time, whether it is created, reserved or changed."""
    plain = created(blobs, NO_FACTS)

    def attempt(number: int) -> Blob | None:
        blob = a_blob(facts=FACTS)
        try:
            match number % 4:
                case 0:
                    blobs.create(blob)
                case 1:
                    return unbounded.reserve(blob)
                case 2:
                    return unbounded.reserve(blob, IdempotencyKey(str(number), "d1"))
                case 3:
                    return changed(blobs, plain, FACTS)
        except (ExternalIdTaken, VersionConflict):
            return None
        return blob

    with ThreadPoolExecutor(8) as pool:
        got = [blob for blob in pool.map(attempt, range(12)) if blob]
    assert len(got) == 1
    assert blobs.get(got[0].id) == got[0]


def test_the_same_request_at_the_same_time_makes_one_blob(
    unbounded: UploadRepository,
) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: unbounded.reserve(a_blob(facts=FACTS), KEY), range(8)))
    assert len({blob.id for blob in made}) == 1
