"""What a change of a blob asks to be done."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.domain.blob import Blob, expire
from core.domain.change import Change
from core.domain.delivery import Delivery, DeliveryState
from core.events.webhook_payload import blob_event
from notifier.actions import CountLabels, Deliver, Forget, plan
from tests.support.blobs import NOON, a_blob, again, failed, labelled, uploaded

NOW = NOON + timedelta(seconds=3)
URL = "https://example.test/hook"

AWAITING = a_blob(callback_url=URL)
LABELLING = uploaded(AWAITING)
LABELLED = labelled(LABELLING, ("Cat", 90.0), ("Animal", 95.0))
FAILED = failed(LABELLING)
AGAIN = again(LABELLED)


def counted(blob: Blob, *names: str) -> CountLabels:
    return CountLabels("anna", blob.id, blob.version, frozenset(names))


def delivered(blob: Blob) -> Deliver:
    return Deliver(
        Delivery(
            id=f"msg_{blob.id}_{blob.version}",
            blob_id=blob.id,
            owner="anna",
            url=URL,
            body=blob_event(blob),
            created_at=NOW,
            due_at=NOW,
            state=DeliveryState.PENDING,
        )
    )


def test_labels_are_told_and_counted() -> None:
    """The first attempt is due at once; trouble with counting must not keep it back."""
    assert plan(Change(LABELLING, LABELLED), NOW) == [
        delivered(LABELLED),
        counted(LABELLED, "Cat", "Animal"),
    ]


def test_a_failure_is_told() -> None:
    """There is nothing to count."""
    assert plan(Change(LABELLING, FAILED), NOW) == [delivered(FAILED)]


def test_a_failure_after_labels_uncounts_them() -> None:
    """They no longer hold."""
    worse = failed(AGAIN)
    assert plan(Change(AGAIN, worse), NOW) == [
        delivered(worse),
        counted(worse),
    ]


def test_labelling_again_is_told_again() -> None:
    """With another id; the same labels are not counted anew."""
    same = labelled(AGAIN, ("Animal", 60.0), ("Cat", 55.0))
    assert plan(Change(AGAIN, same), NOW) == [delivered(same)]
    assert delivered(same).delivery.id != f"msg_{LABELLED.id}_3"


def test_without_a_callback_labels_are_only_counted() -> None:
    """Nobody asked to be told."""
    blob = uploaded(a_blob())
    after = labelled(blob, ("Cat", 90.0))
    assert plan(Change(blob, after), NOW) == [counted(after, "Cat")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (None, AWAITING),
        (AWAITING, LABELLING),
        (AWAITING, expire(AWAITING)),
        (LABELLED, AGAIN),
        (LABELLED, LABELLED),
        (None, None),
    ],
)
def test_any_other_change_asks_for_nothing(old: Blob | None, new: Blob | None) -> None:
    """A repeated write, a step on the way."""
    assert plan(Change(old, new), NOW) == []


@pytest.mark.parametrize("old", [AWAITING, LABELLING, LABELLED, FAILED, AGAIN])
def test_a_deleted_blob_is_forgotten(old: Blob) -> None:
    """Its counts and deliveries, whatever its last status."""
    assert plan(Change(old, None), NOW) == [Forget("anna", old.id)]


def test_planning_twice_is_planning_once() -> None:
    """Whenever it is: the id does not depend on it, so the store keeps one delivery."""
    change = Change(LABELLING, LABELLED)
    ids = {
        step.delivery.id
        for now in (NOW, NOW + timedelta(hours=1))
        for step in plan(change, now)
        if isinstance(step, Deliver)
    }
    assert len(ids) == 1
