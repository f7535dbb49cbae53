"""The notifier's actions for changes of a blob."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.blob import Blob, expire
from core.domain.change import Change
from core.domain.corrections import DecisionKind
from core.domain.deletion import set_deletion
from core.domain.delivery import Delivery, DeliveryState
from core.events.webhook_payload import blob_event, labels_changed_event
from notifier.actions import AddDelivery, CountLabels, RemoveBlob, actions_for
from tests.support.blobs import NOON, a_blob, again, corrected, failed, labelled, uploaded

NOW = NOON + timedelta(seconds=3)
URL = "https://example.test/hook"

AWAITING = a_blob(callback_url=URL)
LABELLING = uploaded(AWAITING)
LABELLED = labelled(LABELLING, ("Cat", 90.0), ("Animal", 95.0))
FAILED = failed(LABELLING)
AGAIN = again(LABELLED)


def counted(blob: Blob, *names: str) -> CountLabels:
    return CountLabels("anna", blob.id, blob.version, frozenset(names))


def delivered(blob: Blob) -> AddDelivery:
    return AddDelivery(
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


def test_labelled_blob_is_delivered_and_counted() -> None:
    """The delivery comes first, because a counting error must not delay it."""
    assert actions_for(Change(LABELLING, LABELLED), NOW) == [
        delivered(LABELLED),
        counted(LABELLED, "Cat", "Animal"),
    ]


def test_failed_blob_is_delivered() -> None:
    """It has no labels to count."""
    assert actions_for(Change(LABELLING, FAILED), NOW) == [delivered(FAILED)]


def test_failure_after_labels_uncounts_them() -> None:
    worse = failed(AGAIN)
    assert actions_for(Change(AGAIN, worse), NOW) == [
        delivered(worse),
        counted(worse),
    ]


def test_corrected_blob_is_counted() -> None:
    """It has no webhook unless createUpload asked for one."""
    changed = corrected(LABELLED, DecisionKind.REMOVED, "Cat")
    assert actions_for(Change(LABELLED, changed), NOW) == [counted(changed, "Animal")]


def test_corrected_blob_is_delivered_where_that_was_asked_for() -> None:
    """Not when its labels are the same, and not while it is labelled again: new labels follow."""
    before = replace(LABELLED, callback_on_label_change=True)
    changed = corrected(before, DecisionKind.CONFIRMED, "Cat")
    (action,) = actions_for(Change(before, changed), NOW)
    assert isinstance(action, AddDelivery)
    assert action.delivery.body == labels_changed_event(changed)
    assert action.delivery.id == f"msg_{changed.id}_{changed.version}"
    same = corrected(before, DecisionKind.REMOVED, "Cow")
    assert actions_for(Change(before, same), NOW) == []
    started = again(before)
    edited = corrected(started, DecisionKind.ADDED, "Cow")
    counts = counted(edited, "Animal", "Cat", "Cow")
    assert actions_for(Change(started, edited), NOW) == [counts]


def test_waiting_blob_is_not_counted_and_a_restored_one_is() -> None:
    """Neither is delivered, whatever createUpload asked for."""
    before = replace(LABELLED, callback_on_label_change=True)
    waiting = set_deletion(before, NOW, NOW)
    assert actions_for(Change(before, waiting), NOW) == [counted(waiting)]
    restored = set_deletion(waiting, NOW, None)
    assert actions_for(Change(waiting, restored), NOW) == [counted(restored, "Cat", "Animal")]


def test_outcome_of_a_waiting_blob_is_delivered() -> None:
    """Its client waits for it, and may restore it; its labels are not counted."""
    waiting = set_deletion(AGAIN, NOW, NOW)
    outcome = labelled(waiting, ("Dog", 80.0))
    assert actions_for(Change(waiting, outcome), NOW) == [delivered(outcome)]


def test_relabelled_blob_is_delivered_again() -> None:
    """The delivery has another id, and unchanged labels are not counted again."""
    same = labelled(AGAIN, ("Animal", 60.0), ("Cat", 55.0))
    assert actions_for(Change(AGAIN, same), NOW) == [delivered(same)]
    assert delivered(same).delivery.id != f"msg_{LABELLED.id}_3"


def test_blob_without_callback_is_only_counted() -> None:
    blob = uploaded(a_blob())
    after = labelled(blob, ("Cat", 90.0))
    assert actions_for(Change(blob, after), NOW) == [counted(after, "Cat")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (None, AWAITING),
        (AWAITING, LABELLING),
        (AWAITING, expire(AWAITING, NOON)),
        (LABELLED, AGAIN),
        (LABELLED, LABELLED),
        (None, None),
    ],
)
def test_other_changes_need_no_action(old: Blob | None, new: Blob | None) -> None:
    """For example a repeated write or a status that is not final."""
    assert actions_for(Change(old, new), NOW) == []


@pytest.mark.parametrize("old", [AWAITING, LABELLING, LABELLED, FAILED, AGAIN])
def test_deleted_blob_is_removed(old: Blob) -> None:
    """Whatever its last status was."""
    assert actions_for(Change(old, None), NOW) == [RemoveBlob("anna", old.id)]


def test_delivery_id_is_independent_of_time() -> None:
    """So a repeated record creates no second delivery."""
    change = Change(LABELLING, LABELLED)
    ids = {
        action.delivery.id
        for now in (NOW, NOW + timedelta(hours=1))
        for action in actions_for(change, now)
        if isinstance(action, AddDelivery)
    }
    assert len(ids) == 1
