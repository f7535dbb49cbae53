"""The publisher sends changes to subscriptions and never delays webhooks."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from core.domain.blob import Blob
from core.domain.change import Change
from core.domain.errors import Unavailable
from core.events.subscription_event import (
    Changed,
    changes_in,
    is_subscription_event,
    subscription_event,
)
from core.events.topics import blob_topic, labelled_topic
from core.runtime.metrics import Metric
from notifier.subscription_publisher import SubscriptionPublisher
from tests.support.blobs import a_blob, again, labelled, uploaded
from tests.support.http_api import http_api_event


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


def newly_labelled(blob: Blob) -> Change:
    return Change(uploaded(blob), labelled(uploaded(blob), ("Cat", 90.0)))


def test_batch_is_published_as_one_event() -> None:
    """It holds each blob once, and only topics that have subscribers."""
    one, two, three = (a_blob(owner=owner) for owner in ("anna", "anna", "boris"))
    subscriptions = Subscriptions(blob_topic(one.id), labelled_topic("anna"))
    change = newly_labelled(one)
    subscriptions.publisher.publish(
        [change, Change(change.new, again(change.new)), newly_labelled(two), newly_labelled(three)]
    )
    (event,) = subscriptions.sent
    assert is_subscription_event(event)
    assert changes_in(event) == [
        Changed("anna", one.id, frozenset({blob_topic(one.id), labelled_topic("anna")})),
        Changed("anna", two.id, frozenset({labelled_topic("anna")})),
    ]
    assert subscriptions.lost == 0


def test_change_without_subscribers_is_not_published() -> None:
    """Each topic is looked up once per batch."""
    subscriptions = Subscriptions()
    subscriptions.publisher.publish([newly_labelled(a_blob()) for _ in range(3)])
    assert subscriptions.sent == []
    assert len(subscriptions.lookups) == len(set(subscriptions.lookups)) == 4
    subscriptions.publisher.publish([])
    assert len(subscriptions.lookups) == 4


def test_deletion_is_published() -> None:
    blob = a_blob()
    subscriptions = Subscriptions(blob_topic(blob.id))
    subscriptions.publisher.publish([Change(labelled(uploaded(blob)), None)])
    assert [each.blob_id for each in changes_in(subscriptions.sent[0])] == [blob.id]


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
