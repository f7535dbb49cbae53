"""What subscriptions are told of, and what it may cost everybody else: nothing."""

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


class EmbeddedStores:
    """Topics that are heard, what was asked and what was told."""

    def __init__(self, *heard: str) -> None:
        self.heard = set(heard)
        self.asked: list[str] = []
        self.told: list[Mapping[str, Any]] = []
        self.lost = 0.0
        self.trouble: Exception | None = None
        self.publisher = SubscriptionPublisher(self, self.tell, self.metrics)

    def is_heard(self, topic: str) -> bool:
        self.asked.append(topic)
        if self.trouble:
            raise self.trouble
        return topic in self.heard

    def tell(self, notice: Mapping[str, Any]) -> None:
        self.told.append(json.loads(json.dumps(notice)))

    def metrics(self, metric: Metric, value: float = 1) -> None:
        assert metric is Metric.LIVE_CHANGES_LOST
        self.lost += value


def newly_labelled(blob: Blob) -> Change:
    return Change(uploaded(blob), labelled(uploaded(blob), ("Cat", 90.0)))


def test_a_batch_is_told_of_in_one_notice() -> None:
    """Each blob once, and only what somebody listens to."""
    one, two, three = (a_blob(owner=owner) for owner in ("anna", "anna", "boris"))
    stores = EmbeddedStores(blob_topic(one.id), labelled_topic("anna"))
    seen = newly_labelled(one)
    stores.publisher.take(
        [seen, Change(seen.new, again(seen.new)), newly_labelled(two), newly_labelled(three)]
    )
    (notice,) = stores.told
    assert is_subscription_event(notice)
    assert changes_in(notice) == [
        Changed("anna", one.id, frozenset({blob_topic(one.id), labelled_topic("anna")})),
        Changed("anna", two.id, frozenset({labelled_topic("anna")})),
    ]
    assert stores.lost == 0


def test_where_nobody_listens_nobody_is_told() -> None:
    """Each topic is asked for once in a batch."""
    stores = EmbeddedStores()
    stores.publisher.take([newly_labelled(a_blob()) for _ in range(3)])
    assert stores.told == []
    assert len(stores.asked) == len(set(stores.asked)) == 4
    stores.publisher.take([])
    assert len(stores.asked) == 4


def test_a_deletion_is_told_too() -> None:
    blob = a_blob()
    stores = EmbeddedStores(blob_topic(blob.id))
    stores.publisher.take([Change(labelled(uploaded(blob)), None)])
    assert [each.blob_id for each in changes_in(stores.told[0])] == [blob.id]


@pytest.mark.parametrize("trouble", [Unavailable("down"), RuntimeError("bug"), TimeoutError()])
def test_trouble_is_logged_and_no_more_is_asked(
    trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """So that nothing else waits for it."""
    stores = EmbeddedStores()
    stores.trouble = trouble
    with caplog.at_level(logging.ERROR):
        stores.publisher.take([newly_labelled(a_blob()) for _ in range(3)])
    assert len(stores.asked) == 1
    assert stores.lost == 3
    assert caplog.messages == ["subscriptions are not told"]


def test_slow_answers_are_not_waited_for_without_end(caplog: pytest.LogCaptureFixture) -> None:
    stores = EmbeddedStores()
    stores.publisher = SubscriptionPublisher(stores, stores.tell, stores.metrics, seconds=-1)
    stores.publisher.take([newly_labelled(a_blob())])
    assert stores.asked == []
    assert stores.lost == 1


def test_no_event_of_aws_is_a_notice() -> None:
    """The API tells them apart by their names alone."""
    assert not is_subscription_event(
        http_api_event("POST", "/graphql", {}, json.dumps(subscription_event([])))
    )
