"""The topics of events and of subscriptions."""

from __future__ import annotations

import pytest

from core.domain.blob_event import BlobEventKind, EventFilter, deletion_of, state_event
from core.events.topics import blob_topic, owner_topic, topics_for, topics_of
from tests.support.blobs import NOON, a_blob, labelled, uploaded

BLOB = a_blob()
EVENTS = [state_event(labelled(uploaded(BLOB))), deletion_of(BLOB, NOON)]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(
    "wanted",
    [
        EventFilter(),
        EventFilter(blob_ids=frozenset({BLOB.id, "other"})),
        EventFilter(kinds=frozenset({BlobEventKind.LABELLED, BlobEventKind.DELETED})),
        EventFilter(frozenset({BLOB.id}), frozenset({event.kind for event in EVENTS})),
    ],
)
def test_event_reaches_a_subscription_by_exactly_one_topic(
    event: object, wanted: EventFilter
) -> None:
    """So it is delivered once."""
    assert wanted.accepts(event)  # type: ignore[arg-type]
    shared = set(topics_of(event)) & set(topics_for("anna", wanted))  # type: ignore[arg-type]
    assert len(shared) == 1


def test_creation_is_not_of_its_blobs_topic() -> None:
    """A subscription to the blob begins with a state that includes it."""
    assert topics_of(state_event(BLOB)) == (
        owner_topic("anna"),
        owner_topic("anna", BlobEventKind.CREATED),
    )


def test_topics_of_owners_and_kinds_differ() -> None:
    """Whatever an owner is called."""
    names = [owner_topic(owner) for owner in ("anna", "LABELLED", "events#anna", "blob")]
    kinds = [owner_topic(owner, kind) for owner in ("anna", "events") for kind in BlobEventKind]
    topics = [*names, *kinds, blob_topic("anna")]
    assert len(set(topics)) == len(topics)


def test_subscription_has_a_topic_for_each_of_its_blobs_or_kinds() -> None:
    kinds = frozenset({BlobEventKind.FAILED, BlobEventKind.EXPIRED})
    assert topics_for("anna", EventFilter(kinds=kinds)) == ("EXPIRED#anna", "FAILED#anna")
    both = EventFilter(frozenset({"2", "1"}), kinds)
    assert topics_for("anna", both) == ("blob#1", "blob#2")
