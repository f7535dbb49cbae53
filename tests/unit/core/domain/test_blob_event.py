"""Events of blobs, and the filters of subscriptions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.blob import Blob, expire
from core.domain.blob_event import (
    BlobEvent,
    BlobEventKind,
    EventFilter,
    deletion_of,
    event_of,
    state_event,
)
from core.domain.change import Change
from core.domain.corrections import DecisionKind
from core.domain.deletion import set_deletion
from core.domain.edits import set_facts
from core.domain.facts import Facts
from core.domain.label_filter import LabelFilter
from tests.support.blobs import NOON, a_blob, again, corrected, failed, labelled, uploaded

Kind = BlobEventKind
AWAITING = a_blob()
ONE, TWO, THREE, FOUR = (NOON + timedelta(minutes=n) for n in range(1, 5))
UPLOADED = uploaded(AWAITING, ONE)
LABELLED = labelled(UPLOADED, ("Cat", 90.0), ("Sofa", 60.0), at=TWO)
AGAIN = again(LABELLED, THREE)
CORRECTED = corrected(LABELLED, DecisionKind.ADDED, "Cow", at=THREE)
EXPIRED = expire(AWAITING, ONE)
NAMED = set_facts(AWAITING, ONE, Facts("cat.jpg"))
WAITING = set_deletion(LABELLED, THREE, FOUR)


@pytest.mark.parametrize(
    ("old", "new", "kind", "at"),
    [
        (None, AWAITING, Kind.CREATED, NOON),
        (AWAITING, UPLOADED, Kind.UPLOADED, ONE),
        (UPLOADED, LABELLED, Kind.LABELLED, TWO),
        (AWAITING, labelled(AWAITING, at=TWO), Kind.LABELLED, TWO),
        (UPLOADED, failed(UPLOADED, TWO), Kind.FAILED, TWO),
        (LABELLED, AGAIN, Kind.EDITED, THREE),
        (AGAIN, labelled(AGAIN, ("Dog", 80.0), at=FOUR), Kind.LABELLED, FOUR),
        (AGAIN, failed(AGAIN, FOUR), Kind.FAILED, FOUR),
        (AWAITING, EXPIRED, Kind.EXPIRED, ONE),
        (LABELLED, None, Kind.DELETED, FOUR),
        (LABELLED, CORRECTED, Kind.EDITED, THREE),
        (AGAIN, corrected(AGAIN, DecisionKind.ADDED, "Cow", at=FOUR), Kind.EDITED, FOUR),
        (CORRECTED, again(CORRECTED, FOUR), Kind.EDITED, FOUR),
        *(
            (blob, set_facts(blob, THREE, Facts("cat.jpg")), Kind.EDITED, THREE)
            for blob in (AWAITING, LABELLED, AGAIN, CORRECTED)
        ),
        *(
            (blob, set_deletion(blob, THREE, FOUR), Kind.EDITED, THREE)
            for blob in (AWAITING, LABELLED, AGAIN, CORRECTED, NAMED)
        ),
        (WAITING, set_deletion(WAITING, FOUR, None), Kind.EDITED, FOUR),
        (WAITING, set_facts(WAITING, FOUR, Facts("dog.jpg")), Kind.EDITED, FOUR),
        (WAITING, again(WAITING, FOUR), Kind.EDITED, FOUR),
        (WAITING, None, Kind.DELETED, FOUR),
        (NAMED, labelled(NAMED, at=FOUR), Kind.LABELLED, FOUR),
        (NAMED, expire(NAMED, FOUR), Kind.EXPIRED, FOUR),
    ],
)
def test_change_has_one_kind_and_the_time_at_which_it_happened(
    old: Blob | None, new: Blob | None, kind: BlobEventKind, at: object
) -> None:
    event = event_of(Change(old, new), FOUR)
    assert event is not None
    assert (event.kind, event.at, event.blob) == (kind, at, new)
    assert (event.blob_id, event.owner) == (AWAITING.id, "anna")


def test_state_has_the_event_of_the_change_that_led_to_it() -> None:
    """So a client that has seen the change knows the id."""
    for blob in (AWAITING, UPLOADED, LABELLED, AGAIN, EXPIRED, failed(UPLOADED)):
        assert state_event(blob) == event_of(Change(a_blob(version=0), blob), FOUR)


def test_state_of_a_corrected_blob_is_the_event_of_its_labelling() -> None:
    """So a subscription that waits for its labels ends at once."""
    event = state_event(CORRECTED)
    assert (event.kind, event.at, event.version) == (Kind.LABELLED, TWO, CORRECTED.version)
    assert EventFilter(frozenset({CORRECTED.id})).is_last(event)


def test_ids_of_a_blobs_events_are_in_the_order_of_its_changes() -> None:
    """Also beyond nine changes, and when it is deleted."""
    states = [replace(LABELLED, version=version) for version in range(1, 120)]
    ids = [state_event(blob).id for blob in states] + [deletion_of(states[-1], FOUR).id]
    assert ids == sorted(set(ids))
    assert ids[0] == f"event_{AWAITING.id}_0000000001"


def test_write_without_a_change_is_no_event() -> None:
    assert event_of(Change(LABELLED, LABELLED), FOUR) is None
    assert event_of(Change(None, None), FOUR) is None


def test_records_of_early_releases_have_a_time_too() -> None:
    """They did not store when they expired, or were labelled again."""
    assert state_event(replace(AGAIN, changed_at=None)).at == TWO
    assert state_event(replace(EXPIRED, changed_at=None)).at == NOON


def test_deletion_is_not_before_the_last_change() -> None:
    """DynamoDB streams give its time in whole seconds."""
    assert deletion_of(AGAIN, NOON).at == THREE
    assert deletion_of(set_facts(AGAIN, FOUR, Facts("cat.jpg")), NOON).at == FOUR
    assert deletion_of(set_deletion(AGAIN, FOUR, FOUR), NOON).at == FOUR


def labels(**conditions: object) -> EventFilter:
    return EventFilter(labels=LabelFilter(**conditions))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "event", "passes"),
    [
        (EventFilter(), state_event(AWAITING), True),
        (EventFilter(blob_ids=frozenset({AWAITING.id, "x"})), state_event(AWAITING), True),
        (EventFilter(blob_ids=frozenset({"x"})), state_event(AWAITING), False),
        (EventFilter(kinds=frozenset({Kind.LABELLED})), state_event(LABELLED), True),
        (EventFilter(kinds=frozenset({Kind.LABELLED})), state_event(AGAIN), False),
        (labels(all=("cat",), min_confidence=90), state_event(LABELLED), True),
        (labels(all=("SOFA",), min_confidence=61), state_event(LABELLED), False),
        (labels(none=("dog",)), state_event(LABELLED), True),
        (labels(none=("dog",)), state_event(UPLOADED), True),
        (labels(all=("dog",)), state_event(UPLOADED), False),
        (labels(none=("dog",)), state_event(labelled(UPLOADED)), True),
        (labels(all=("Cat",)), state_event(AGAIN), True),
        (labels(all=("Cat",)), deletion_of(LABELLED, FOUR), True),
        (labels(all=("Dog",)), deletion_of(LABELLED, FOUR), False),
        (labels(min_confidence=99), state_event(UPLOADED), True),
        (
            EventFilter(kinds=frozenset({Kind.LABELLED}), labels=LabelFilter(all=("Dog",))),
            state_event(LABELLED),
            False,
        ),
    ],
)
def test_event_must_meet_every_condition(
    wanted: EventFilter, event: BlobEvent, passes: bool
) -> None:
    """Labels as in a list of blobs: one that is not labelled has none of them."""
    assert wanted.accepts(event) is passes


@pytest.mark.parametrize(
    ("kinds", "last"),
    [
        ({}, {Kind.LABELLED, Kind.FAILED, Kind.EXPIRED, Kind.DELETED}),
        ({Kind.LABELLED}, {Kind.LABELLED, Kind.FAILED, Kind.EXPIRED, Kind.DELETED}),
        ({Kind.LABELLED, Kind.EDITED}, {Kind.DELETED}),
        ({Kind.DELETED}, {Kind.DELETED}),
    ],
)
def test_blob_ends_when_no_wanted_event_of_its_first_labelling_can_follow(
    kinds: set[BlobEventKind], last: set[BlobEventKind]
) -> None:
    """It goes on until the deletion for a client that waits for what comes after the labels."""
    states = (AWAITING, UPLOADED, LABELLED, AGAIN, EXPIRED, failed(UPLOADED))
    events = [*map(state_event, states), deletion_of(LABELLED, FOUR)]
    assert {each.kind for each in events} == set(Kind)
    wanted = EventFilter(kinds=frozenset(kinds))
    assert {event.kind for event in events if wanted.is_last(event)} == last
