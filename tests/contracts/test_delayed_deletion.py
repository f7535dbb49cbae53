"""Blobs that wait to be deleted, on every store: in no list, until they are restored or deleted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.blob import Blob, BlobStatus
from core.domain.blob_list import BlobFilter, BlobOrder, plan_blob_list
from core.domain.change import Change, label_names
from core.domain.deletion import set_deletion
from core.domain.edits import set_facts
from core.domain.errors import ExternalIdTaken, VersionConflict
from core.domain.facts import NO_FACTS, Facts, FactsFilter, Pair, metadata_of
from core.domain.label_filter import LabelFilter
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.uploads import UploadLimits, UploadRepository
from tests.support.blobs import NOON, a_blob, again, expired, failed, labelled, uploaded

SECOND = timedelta(seconds=1)
FACTS = Facts("a.jpg", "order-17", metadata_of([("album", "Winter")]))
FILTERS = [
    (BlobFilter(), BlobOrder.NEWEST),
    (BlobFilter(), BlobOrder.OLDEST),
    (BlobFilter(), BlobOrder.FILE_NAME),
    *((BlobFilter((status,)), BlobOrder.NEWEST) for status in BlobStatus),
    (BlobFilter(sha256="c2hh"), BlobOrder.NEWEST),
    (BlobFilter(labels=LabelFilter(all=("cat",))), BlobOrder.NEWEST),
    (BlobFilter(labels=LabelFilter(any=("cat", "dog"))), BlobOrder.NEWEST),
    (BlobFilter(labels=LabelFilter(none=("dog",))), BlobOrder.NEWEST),
    (BlobFilter(labels=LabelFilter(all=("cat",))), BlobOrder.CONFIDENCE),
    (BlobFilter(facts=FactsFilter(file_name_prefix="a")), BlobOrder.FILE_NAME),
    (BlobFilter(facts=FactsFilter(external_ids=("order-4", "order-17"))), BlobOrder.NEWEST),
    (BlobFilter(facts=FactsFilter(metadata=(Pair("album", "Winter"),))), BlobOrder.NEWEST),
]
WAYS: list[list[Callable[[Blob], Blob]]] = [
    [],
    [expired],
    [uploaded],
    [uploaded, failed],
    [uploaded, lambda blob: labelled(blob, ("Cat", 90.0))],
    [uploaded, lambda blob: labelled(blob, ("Cat", 90.0)), again],
]


def save(blobs: BlobRepository, blob: Blob, replaced: Blob) -> Blob:
    """Store a version of a blob and count its labels, as the change feed does."""
    blobs.save(blob, replaced)
    if Change(replaced, blob).labels_changed:
        blobs.count_labels(blob.owner, blob.id, blob.version, label_names(blob))
    return blob


def keep(blobs: BlobRepository, blob: Blob, *steps: Callable[[Blob], Blob]) -> Blob:
    blobs.create(blob)
    for step in steps:
        blob = save(blobs, step(blob), blob)
    return blob


def delayed(blob: Blob) -> Blob:
    return set_deletion(blob, NOON, NOON + SECOND)


def restored(blob: Blob) -> Blob:
    return set_deletion(blob, NOON, None)


def cat(blob: Blob) -> Blob:
    return labelled(blob, ("Cat", 90.0))


def counts(blobs: BlobRepository, owner: str = "anna") -> dict[str, int]:
    labels = blobs.find_labels(owner, "", first=10).items
    return {each.name: each.blob_count for each in labels}


def everything(blobs: BlobRepository) -> dict[str, object]:
    """What all lists, counts and summaries say."""
    found: dict[str, object] = {}
    for wanted, order in FILTERS:
        plan = plan_blob_list(wanted, order)
        page = blobs.find_page("anna", plan, first=10)
        assert not page.has_next
        found[plan.name] = [blob.id for blob in page.items]
        found[f"count {plan.name}"] = blobs.count("anna", plan)
    found["labels"] = counts(blobs)
    found["newest"] = {name: each.id for name, each in blobs.find_newest("anna", ["cat"]).items()}
    return found


def test_waiting_blobs_are_in_no_list_and_restored_ones_in_all(blobs: BlobRepository) -> None:
    """In any status: as if they were deleted, and as if nothing had happened; another stays."""
    keep(blobs, a_blob(facts=Facts("b.jpg")), uploaded, cat)
    without = everything(blobs)
    made = [
        keep(blobs, a_blob(facts=replace(FACTS, external_id=f"order-{n}")), *way)
        for n, way in enumerate(WAYS)
    ]
    complete = everything(blobs)
    assert complete != without
    waiting = [save(blobs, delayed(blob), blob) for blob in made]
    assert everything(blobs) == without
    assert blobs.find("anna", [blob.id for blob in made]) == {blob.id: blob for blob in waiting}
    assert [blobs.get(blob.id) for blob in made] == waiting
    assert not any(blobs.was_deleted("anna", blob.id) for blob in made)
    back = [save(blobs, restored(blob), blob) for blob in waiting]
    assert everything(blobs) == complete
    for blob in back:
        blobs.delete(save(blobs, delayed(blob), blob), NOON)
        blobs.uncount_labels("anna", blob.id)
    assert everything(blobs) == without
    assert all(blobs.was_deleted("anna", blob.id) for blob in made)
    assert list(blobs.find_due_deletions(NOON + timedelta(days=9), 10)) == []


def test_what_is_done_with_a_waiting_blob_counts_when_it_is_restored(blobs: BlobRepository) -> None:
    """Its bytes arrive, it is labelled, renamed and labelled again meanwhile."""
    keep(blobs, a_blob(), uploaded, cat)
    without = everything(blobs)
    blob = keep(blobs, a_blob(), delayed)
    for step in (
        uploaded,
        lambda b: labelled(b, ("Dog", 90.0)),
        lambda b: set_facts(b, NOON, FACTS),
        again,
        lambda b: labelled(b, ("Cat", 80.0), ("Dog", 70.0)),
    ):
        blob = save(blobs, step(blob), blob)
        assert everything(blobs) == without
    save(blobs, restored(blob), blob)
    found = everything(blobs)
    assert found["labels"] == {"Cat": 2, "Dog": 1}
    for wanted, order in (FILTERS[-1], FILTERS[-2], FILTERS[-3]):
        assert found[plan_blob_list(wanted, order).name] == [blob.id]


def test_waiting_blob_keeps_its_external_id(blobs: BlobRepository) -> None:
    """So it can be restored; once it is deleted, the id is free."""
    blob = keep(blobs, a_blob(facts=FACTS), delayed)
    with pytest.raises(ExternalIdTaken):
        blobs.create(a_blob(facts=Facts(external_id="order-17")))
    blob = save(blobs, set_facts(blob, NOON, NO_FACTS), blob)
    other = keep(blobs, a_blob(facts=FACTS))
    with pytest.raises(ExternalIdTaken):
        blobs.save(set_facts(blob, NOON, FACTS), blob)
    other = save(blobs, delayed(other), other)
    blobs.delete(other, NOON)
    keep(blobs, a_blob(facts=FACTS))


def test_due_deletions_are_found_the_earliest_first(blobs: BlobRepository) -> None:
    """Of all owners, in any status; not those that were restored or wait longer."""
    due = []
    for n, way in enumerate([*WAYS, *WAYS]):
        blob = keep(blobs, a_blob(owner="bert" if n % 2 else "anna"), *way)
        save(blobs, set_deletion(blob, NOON, NOON + n * SECOND), blob)
        due.append((blob.owner, blob.id))
    back = keep(blobs, a_blob(), delayed)
    save(blobs, restored(back), back)
    late = NOON + timedelta(days=1)
    assert list(blobs.find_due_deletions(late, 100)) == due
    assert list(blobs.find_due_deletions(late, 3)) == due[:3]
    assert list(blobs.find_due_deletions(NOON + 2 * SECOND, 100)) == due[:2]
    assert list(blobs.find_due_deletions(NOON, 100)) == []
    assert list(blobs.find_abandoned(late, 100)) == [blobs.get(back.id)]


@pytest.mark.parametrize("first", [1, 2, 3, 100])
def test_scan_returns_waiting_blobs_too(blobs: BlobRepository, first: int) -> None:
    """Each blob once, of one owner or of all."""
    for n in range(5):
        keep(blobs, a_blob(), *([delayed] if n % 2 else []))
        keep(blobs, a_blob(owner="bert"), *([] if n % 2 else [delayed]))
    for owner, expected in (("anna", 5), ("bert", 5), ("carl", 0), (None, 10)):
        found: list[str] = []
        after: str | None = None
        while True:
            page, after = blobs.scan(owner, first, after)
            found += [blob.id for blob in page]
            if after is None:
                break
        assert len(found) == len(set(found)) == expected


@pytest.mark.parametrize("owner", ["anna", None])
def test_blob_that_is_restored_during_a_scan_is_read(
    blobs: BlobRepository, owner: str | None
) -> None:
    """Or `relabel --all` would leave it as it is. Wherever its new place in an index is."""
    waiting = [keep(blobs, a_blob(owner=name), delayed) for name in ("anna", "bert", "carl")]
    others = [keep(blobs, a_blob()) for _ in range(3)]
    found, after = blobs.scan(owner, 2)
    ids = {blob.id for blob in found}
    for blob in waiting:
        save(blobs, restored(blob), blob)
    while after is not None:
        found, after = blobs.scan(owner, 2, after)
        ids |= {blob.id for blob in found}
    assert ids == {blob.id for blob in (*waiting, *others) if owner in (None, blob.owner)}


def test_waiting_blob_is_created_as_such(blobs: BlobRepository) -> None:
    """By a copy of another store."""
    keep(blobs, a_blob(), uploaded, cat)
    without = everything(blobs)
    blob = a_blob(facts=FACTS, deletes_at=NOON, deletion_set_at=NOON)
    keep(blobs, blob)
    assert everything(blobs) == without
    assert list(blobs.find_due_deletions(NOON + SECOND, 10)) == [("anna", blob.id)]


def test_waiting_upload_is_not_counted_as_open(
    blobs: BlobRepository, uploads: Callable[[UploadLimits], UploadRepository]
) -> None:
    """As a deleted one is not."""
    limited = uploads(UploadLimits(per_minute=0, open=2))
    first, second = a_blob(), a_blob()
    for each in (first, second):
        limited.reserve(each)
    blobs.save(delayed(first), first)
    limited.reserve(a_blob(NOON + timedelta(minutes=1)))


# Interleavings


def apply(blobs: BlobRepository, blob_id: str, step: Callable[[Blob], Blob] | None) -> None:
    """Apply a step to a blob as it is stored, again after a conflict; None deletes it."""
    while (blob := blobs.get(blob_id)) is not None:
        with suppress(VersionConflict):
            if step is None:
                blobs.delete(blob, NOON)
                blobs.uncount_labels(blob.owner, blob_id)
            elif (changed := step(blob)) is not blob:
                save(blobs, changed, blob)
            return


def test_deletion_by_an_outdated_read_does_not_delete_a_restored_blob(
    blobs: BlobRepository,
) -> None:
    """The version decides, whichever came first."""
    waiting = keep(blobs, a_blob(), uploaded, cat, delayed)
    back = save(blobs, restored(waiting), waiting)
    with pytest.raises(VersionConflict):
        blobs.delete(waiting, NOON)
    assert blobs.get(back.id) == back
    waiting = save(blobs, delayed(back), back)
    blobs.delete(waiting, NOON)
    with pytest.raises(VersionConflict):
        blobs.save(restored(waiting), waiting)
    assert blobs.get(back.id) is None


runs = count()
STEPS: dict[str, Callable[[Blob], Blob]] = {
    "delay": delayed,
    "delay longer": lambda blob: set_deletion(blob, NOON, NOON + 9 * SECOND),
    "restore": restored,
    "label": lambda blob: labelled(again(blob), ("Cat", 80.0), ("Dog", 60.0)),
    "name": lambda blob: set_facts(blob, NOON, FACTS),
}


@settings(max_examples=settings.default.max_examples // 5)  # each has hundreds of calls
@given(st.lists(st.sampled_from([*STEPS, "delete"]), max_size=6))
def test_lists_follow_from_the_last_state_after_any_steps(
    blobs: BlobRepository, steps: list[str]
) -> None:
    """Whatever came before, a blob is in all of its lists or in none."""
    owner = f"owner {next(runs)}"
    blob = keep(blobs, a_blob(owner=owner), uploaded, cat)
    for each in steps:
        apply(blobs, blob.id, STEPS.get(each))
    last = blobs.get(blob.id)
    listed = last is not None and last.listed
    expected = {label.name: 1 for label in last.labels or ()} if last and listed else {}
    assert counts(blobs, owner) == expected
    for labels in (LabelFilter(all=("cat",)), LabelFilter()):
        page = blobs.find_page(owner, plan_blob_list(BlobFilter(labels=labels)), first=10)
        assert list(page.items) == ([last] if listed else [])
    due = blobs.find_due_deletions(NOON + timedelta(days=1), 100)
    assert ((owner, blob.id) in due) == (last is not None and not listed)


def test_concurrent_deletions_and_restorations_leave_nothing(blobs: BlobRepository) -> None:
    """In any order: the deletion is repeated until the blob is gone."""
    with ThreadPoolExecutor(3) as pool:
        for _ in range(4):
            blob = keep(blobs, a_blob(facts=FACTS), uploaded, cat, delayed)
            steps: list[Callable[[Blob], Blob] | None] = [restored, None, delayed]
            for each in [pool.submit(apply, blobs, blob.id, step) for step in steps]:
                each.result()
            assert blobs.get(blob.id) is None
    assert set(map(str, everything(blobs).values())) <= {"[]", "{}", "0", "None"}
