"""The contract of every upload repository: one blob for a key, within the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.blob import Blob, BlobStatus
from core.domain.blob_list import BlobFilter
from core.domain.errors import AlreadyExists, IdempotencyKeyReused, QuotaExceeded
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.uploads import (
    KEY_RETENTION,
    RETRY_DELAY,
    IdempotencyKey,
    UploadLimits,
    UploadRepository,
)
from tests.support.blobs import NOON, a_blob, expired, labelled, uploaded
from tests.support.lists import a_page

Promises = Callable[[UploadLimits], UploadRepository]
KEY = IdempotencyKey("a" * 64, "d1")
MINUTE = timedelta(minutes=1)
TICK = timedelta(milliseconds=1)
NEXT_MINUTE = datetime.fromisoformat("2026-01-31T12:01:00Z")


@pytest.fixture
def unbounded(uploads: Promises) -> UploadRepository:
    return uploads(UploadLimits())


def saved(blobs: BlobRepository, blob: Blob, step: Callable[[Blob], Blob]) -> Blob:
    changed = step(blob)
    blobs.save(changed, blob)
    return changed


def all_of(blobs: BlobRepository, owner: str = "anna") -> list[Blob]:
    return list(a_page(blobs, owner, BlobFilter(), first=100).items)


def outcomes(calls: Iterable[Callable[[], Blob]]) -> list[Blob | Exception]:
    """Return the results of many concurrent calls."""

    def made(call: Callable[[], Blob]) -> Blob | Exception:
        try:
            return call()
        except (IdempotencyKeyReused, QuotaExceeded) as refusal:
            return refusal

    with ThreadPoolExecutor(8) as pool:
        return [each.result() for each in [pool.submit(made, call) for call in calls]]


# Keys


def test_without_a_key_each_reservation_is_a_blob(
    blobs: BlobRepository, unbounded: UploadRepository
) -> None:
    """An id is used once."""
    made = [a_blob(NOON + n * TICK) for n in range(3)]
    assert [unbounded.reserve(blob) for blob in made] == made
    assert all_of(blobs) == made[::-1]
    with pytest.raises(AlreadyExists):
        unbounded.reserve(made[0])


@pytest.mark.parametrize("steps", [[], [expired], [uploaded], [uploaded, labelled]])
def test_same_key_returns_the_same_blob(
    blobs: BlobRepository, unbounded: UploadRepository, steps: list[Callable[[Blob], Blob]]
) -> None:
    """In its current state, without creating another."""
    blob = a_blob()
    assert unbounded.reserve(blob, KEY) == blob
    for step in steps:
        blob = saved(blobs, blob, step)
    for later in (timedelta(0), TICK, KEY_RETENTION - TICK):
        assert unbounded.reserve(a_blob(NOON + later), KEY) == blob
    assert all_of(blobs) == [blob]


def test_keys_are_separate_for_each_owner(
    blobs: BlobRepository, unbounded: UploadRepository
) -> None:
    """Other keys are independent too."""
    mine = unbounded.reserve(a_blob(), KEY)
    for owner in ("bert", "anna#", "ann"):
        theirs = a_blob(owner=owner)
        assert unbounded.reserve(theirs, KEY) == theirs
    other = a_blob()
    assert unbounded.reserve(other, replace(KEY, hash="b" * 64)) == other
    assert unbounded.reserve(a_blob(), KEY) == mine


def test_another_input_under_a_key_is_refused(
    blobs: BlobRepository, unbounded: UploadRepository
) -> None:
    """The error has the first blob; nothing is created, and the first input is still valid."""
    blob = unbounded.reserve(a_blob(), KEY)
    for _ in range(2):
        with pytest.raises(IdempotencyKeyReused, match="choose another key") as caught:
            unbounded.reserve(a_blob(), replace(KEY, digest="d2"))
        assert caught.value.blob_id == blob.id
    assert unbounded.reserve(a_blob(), KEY) == blob
    assert all_of(blobs) == [blob]


def test_key_expires_after_a_day(blobs: BlobRepository, unbounded: UploadRepository) -> None:
    """From the creation of its blob, for any input, whether or not it was deleted."""
    first = unbounded.reserve(a_blob(), KEY)
    second = a_blob(NOON + KEY_RETENTION)
    key = replace(KEY, digest="d2")
    assert unbounded.reserve(second, key) == second
    assert unbounded.reserve(a_blob(NOON + 2 * KEY_RETENTION - TICK), key) == second
    assert all_of(blobs) == [second, first]


def test_key_of_a_deleted_blob_is_free(blobs: BlobRepository, unbounded: UploadRepository) -> None:
    """The blob does not come back."""
    first = unbounded.reserve(a_blob(), KEY)
    blobs.delete(first, NOON)
    second = a_blob(NOON + TICK)
    assert unbounded.reserve(second, replace(KEY, digest="d2")) == second
    assert unbounded.reserve(a_blob(), replace(KEY, digest="d2")) == second
    assert all_of(blobs) == [second]


@pytest.mark.parametrize("before", ["nothing", "an old one", "a deleted one"])
def test_concurrent_calls_with_a_key_make_one_blob(
    blobs: BlobRepository, unbounded: UploadRepository, before: str
) -> None:
    """All get it."""
    for n in range(4):
        key = replace(KEY, hash=str(n) * 64)
        if before != "nothing":
            old = unbounded.reserve(a_blob(NOON - KEY_RETENTION), key)
            if before == "a deleted one":
                blobs.delete(old, NOON)
        wanted = [a_blob() for _ in range(8)]
        given = outcomes(partial(unbounded.reserve, blob, key) for blob in wanted)
        (made,) = {str(each) for each in given}
        made_id = next(each.id for each in wanted if str(each) == made)
        there = {blob.id for blob in all_of(blobs)}
        assert there & {blob.id for blob in wanted} == {made_id}


def test_concurrent_calls_with_two_inputs_make_one_blob(
    blobs: BlobRepository, unbounded: UploadRepository
) -> None:
    """Those with the other input get an error with it."""
    keys = [replace(KEY, digest=f"d{n % 2}") for n in range(8)]
    given = outcomes(lambda key=key: unbounded.reserve(a_blob(), key) for key in keys)
    (blob,) = all_of(blobs)
    assert sum(each == blob for each in given) == 4
    refused = [each for each in given if isinstance(each, IdempotencyKeyReused)]
    assert [each.blob_id for each in refused] == [blob.id] * 4


# Uploads in a minute


def test_uploads_per_minute_are_limited(blobs: BlobRepository, uploads: Promises) -> None:
    """By the clock minute; the error has the start of the next. Owners are separate."""
    bounded = uploads(UploadLimits(per_minute=3))
    for n in range(3):
        bounded.reserve(a_blob(NOON + n * TICK))
    for at in (NOON, NEXT_MINUTE - TICK):
        with pytest.raises(QuotaExceeded, match="The limit is 3 uploads") as caught:
            bounded.reserve(a_blob(at))
        assert caught.value.retry_at == NEXT_MINUTE
    bounded.reserve(a_blob(owner="bert"))
    assert len(all_of(blobs)) == 3
    for n in range(3):
        bounded.reserve(a_blob(NEXT_MINUTE + n * TICK))
    with pytest.raises(QuotaExceeded):
        bounded.reserve(a_blob(NEXT_MINUTE))
    assert len(all_of(blobs)) == 6


def test_repeated_key_does_not_count(uploads: Promises) -> None:
    """A client repeats a key when a response was lost."""
    bounded = uploads(UploadLimits(per_minute=2, open=2))
    blob = bounded.reserve(a_blob(), KEY)
    for _ in range(4):
        assert bounded.reserve(a_blob(), KEY) == blob
    bounded.reserve(a_blob())
    assert bounded.reserve(a_blob(), KEY) == blob
    with pytest.raises(QuotaExceeded):
        bounded.reserve(a_blob(), replace(KEY, hash="b" * 64))


@pytest.mark.parametrize("bounds", [UploadLimits(per_minute=7), UploadLimits(open=7)])
@pytest.mark.parametrize("keyed", [False, True])
def test_concurrent_calls_reach_the_limit_exactly(
    blobs: BlobRepository, uploads: Promises, bounds: UploadLimits, keyed: bool
) -> None:
    bounded = uploads(bounds)
    keys = [IdempotencyKey(f"{n:064}", "d1") if keyed else None for n in range(24)]
    given = outcomes(lambda key=key: bounded.reserve(a_blob(), key) for key in keys)
    assert sum(isinstance(each, Blob) for each in given) == len(all_of(blobs)) == 7


# Open uploads


@pytest.mark.parametrize(
    "end",
    [
        lambda blobs, blob: saved(blobs, blob, uploaded),
        lambda blobs, blob: saved(blobs, blob, expired),
        lambda blobs, blob: saved(blobs, blob, labelled),
        lambda blobs, blob: blobs.delete(blob, NOON),
    ],
    ids=["uploaded", "expired", "labelled", "deleted"],
)
def test_open_uploads_are_limited(
    blobs: BlobRepository, uploads: Promises, end: Callable[[BlobRepository, Blob], object]
) -> None:
    """Each one that ends, in any way, makes room for another soon. Owners are separate."""
    bounded = uploads(UploadLimits(open=3))
    made = [bounded.reserve(a_blob(NOON + n * TICK)) for n in range(3)]
    with pytest.raises(QuotaExceeded, match="3 uploads await their bytes") as caught:
        bounded.reserve(a_blob())
    assert caught.value.retry_at == NOON + RETRY_DELAY
    bounded.reserve(a_blob(owner="bert"))
    now = caught.value.retry_at
    for blob in made:
        end(blobs, blob)
        assert bounded.reserve(a_blob(now)) in all_of(blobs)
        with pytest.raises(QuotaExceeded) as caught:
            bounded.reserve(a_blob(now))
        now = caught.value.retry_at


def test_limit_can_be_changed(uploads: Promises) -> None:
    """The new one applies at once."""
    for bound, room in ((2, 2), (5, 3), (1, 0), (6, 1)):
        bounded = uploads(UploadLimits(open=bound))
        for _ in range(room):
            bounded.reserve(a_blob())
        with pytest.raises(QuotaExceeded):
            bounded.reserve(a_blob())


runs = count()


@given(
    st.lists(
        st.sampled_from(["promise", "promise", "promise", "upload", "delete", "second", "rest"]),
        max_size=30,
    )
)
def test_open_uploads_never_exceed_the_limit(
    store: str, blobs: BlobRepository, uploads: Promises, steps: list[str]
) -> None:
    """And if there is room a reservation succeeds: at once on SQLite, elsewhere a moment later."""
    bound, owner, now = 4, f"owner {next(runs)}", NOON
    bounded = uploads(UploadLimits(open=bound))
    awaiting: list[Blob] = []
    for step in [*steps, "rest", "promise"]:
        if step in ("second", "rest"):
            now += timedelta(seconds=1) if step == "second" else RETRY_DELAY
        elif step == "promise":
            now += TICK
            with suppress(QuotaExceeded):
                awaiting.append(bounded.reserve(a_blob(now, owner)))
                continue
            assert store != "sqlite" or len(awaiting) == bound
        elif awaiting:
            blob = awaiting.pop()
            if step == "upload":
                saved(blobs, blob, uploaded)
            else:
                blobs.delete(blob, now)
        assert len(awaiting) <= bound
    page = a_page(blobs, owner, BlobFilter((BlobStatus.AWAITING_UPLOAD,)), first=100)
    assert 0 < len(page.items) == len(awaiting) <= bound
