"""The publisher sends changes to subscriptions and never delays webhooks."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from core.domain.blob import Blob
from core.domain.blob_event import BlobEvent, BlobEventKind, deletion_of, state_event
from core.domain.errors import Unavailable
from core.events.subscription_event import (
    Changed,
    changes_in,
    is_subscription_event,
    subscription_event,
)
from core.events.topics import blob_topic, owner_topic
from core.runtime.metrics import Metric
from notifier.subscription_publisher import SubscriptionPublisher
from tests.support.aws.http_api import http_api_event
from tests.support.blobs import NOON, a_blob, again, labelled, uploaded


class Subscriptions:
    """Topics with subscribers. Records the lookups and the published events."""

    def __init__(self, *heard: str) -> None:
        self.heard = set(heard)
        self.lookups: list[str] = []
        self.sent: list[Mapping[str, Any]] = []
        self.lost = 0.0
        self.error: Exception | None = None
        self.publisher = SubscriptionPublisher(self, self.send, self.metrics)

    def has_listeners(self, topic: str) -> bool:
        self.lookups.append(topic)
        if self.error:
            raise self.error
        return topic in self.heard

    def send(self, event: Mapping[str, Any]) -> None:
        self.sent.append(json.loads(json.dumps(event)))

    def metrics(self, metric: Metric, value: float = 1) -> None:
        assert metric is Metric.LIVE_CHANGES_LOST
        self.lost += value


def newly_labelled(blob: Blob) -> BlobEvent:
    return state_event(labelled(uploaded(blob), ("Cat", 90.0)))


def test_batch_is_published_as_one_event() -> None:
    """It holds each change in order, and only topics that have subscribers."""
    one, two, three = (a_blob(owner=owner) for owner in ("anna", "anna", "boris"))
    labellings = owner_topic("anna", BlobEventKind.LABELLED)
    subscriptions = Subscriptions(blob_topic(one.id), labellings)
    event = newly_labelled(one)
    assert event.blob is not None
    edited = state_event(again(event.blob))
    subscriptions.publisher.publish([event, edited, newly_labelled(two), newly_labelled(three)])
    (sent,) = subscriptions.sent
    assert is_subscription_event(sent)
    assert [(each.event.id, set(each.topics)) for each in changes_in(sent)] == [
        (event.id, {blob_topic(one.id), labellings}),
        (edited.id, {blob_topic(one.id)}),
        (newly_labelled(two).id, {labellings}),
    ]
    assert subscriptions.lost == 0


def test_event_is_received_with_the_blobs_current_state() -> None:
    """Its id, kind and time are those of the change."""
    event = newly_labelled(a_blob())
    (received,) = changes_in(
        json.loads(json.dumps(subscription_event([Changed(event, frozenset({"blob#1"}))])))
    )
    assert event.blob is not None
    newer = again(event.blob)
    assert received.with_blob(newer) == replace(event, blob=newer)
    assert received.with_blob(None).labels is None


def test_event_before_the_labels_has_none_even_if_the_blob_has_them_by_now() -> None:
    """A filter of labels treats it as the embedded service does, which sends it at once."""
    blob = a_blob()
    created = Changed(state_event(blob), frozenset({"blob#1"}))
    received = created.with_blob(labelled(uploaded(blob), ("Cat", 90.0)))
    assert (received.kind, received.labels) == (BlobEventKind.CREATED, None)


def test_deletion_is_published_with_the_labels_that_the_blob_had() -> None:
    """Subscriptions filter by them."""
    blob = labelled(uploaded(a_blob()), ("Cat", 90.0))
    event = deletion_of(blob, NOON)
    subscriptions = Subscriptions(blob_topic(blob.id))
    subscriptions.publisher.publish([event])
    (received,) = changes_in(subscriptions.sent[0])
    assert received.with_blob(None) == event


def test_change_of_an_early_notifier_is_left_out() -> None:
    """While both functions are updated, the API may receive one; it names no kind."""
    early = {"owner": "anna", "blob_id": "1", "topics": ["blob#1"]}
    assert changes_in({"changed": [early]}) == []


def test_change_without_subscribers_is_not_published() -> None:
    """Each topic is looked up once per batch."""
    subscriptions = Subscriptions()
    subscriptions.publisher.publish([newly_labelled(a_blob()) for _ in range(3)])
    assert subscriptions.sent == []
    assert len(subscriptions.lookups) == len(set(subscriptions.lookups)) == 5
    subscriptions.publisher.publish([])
    assert len(subscriptions.lookups) == 5


@pytest.mark.parametrize("error", [Unavailable("down"), RuntimeError("bug"), TimeoutError()])
def test_lookup_error_is_logged_and_ends_the_batch(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """No further lookup delays the batch."""
    subscriptions = Subscriptions()
    subscriptions.error = error
    with caplog.at_level(logging.ERROR):
        subscriptions.publisher.publish([newly_labelled(a_blob()) for _ in range(3)])
    assert len(subscriptions.lookups) == 1
    assert subscriptions.lost == 3
    assert caplog.messages == ["changes not published"]


def test_slow_lookups_end_at_the_timeout(caplog: pytest.LogCaptureFixture) -> None:
    subscriptions = Subscriptions()
    subscriptions.publisher = SubscriptionPublisher(
        subscriptions, subscriptions.send, subscriptions.metrics, timeout=-1
    )
    subscriptions.publisher.publish([newly_labelled(a_blob())])
    assert subscriptions.lookups == []
    assert subscriptions.lost == 1


def test_aws_event_is_no_subscription_event() -> None:
    """The API's function tells them apart by a field's name alone."""
    assert not is_subscription_event(
        http_api_event("POST", "/graphql", {}, json.dumps(subscription_event([])))
    )
