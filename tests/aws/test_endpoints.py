"""Webhook endpoints on the stack: tests, limits, and those that are gone."""

from __future__ import annotations

import json

from tests.support.aws.cloud import Cloud
from tests.support.aws.stack_operations import (
    CALLBACK_BY_ID,
    CAT,
    DISABLED,
    ENABLE,
    REDELIVER,
    SEND_TEST,
    blob_now,
    fill,
    let_one_end,
)
from tests.support.webhooks.receiver import Receiver


def test_a_test_event_is_sent_before_any_upload(cloud: Cloud, key: str, receiver: Receiver) -> None:
    """At once, signed like any other; what came of it is seen by its id."""
    sent = cloud.graphql(key, SEND_TEST, url=receiver.url)["sendTestWebhook"]["delivery"]
    assert (sent["status"], sent["attempts"]) == ("PENDING", [])
    assert cloud.carry("Hints", "notifier") == 1
    (received,) = receiver.received
    assert received.headers["webhook-id"] == sent["id"]
    assert json.loads(received.body)["type"] == "webhook.test"
    shown = cloud.graphql(key, CALLBACK_BY_ID, id=sent["id"])["webhookDelivery"]
    assert shown["status"] == "DELIVERED"


def test_an_endpoint_that_is_gone_is_left_alone_until_it_is_enabled(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    """What was to go there is cancelled, and can be sent once it is back."""
    receiver.answer = lambda _: 410
    blobs = []
    for _ in range(2):
        blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
        cloud.put(target, CAT)
        cloud.carry("Uploads", "labeller")
        cloud.notify()
        blobs.append(blob_id)
    assert len(receiver.received) == 1
    assert cloud.graphql(key, DISABLED)["disabledWebhookEndpoints"] == [{"url": receiver.url}]
    for blob_id, error in zip(blobs, ("STATUS", "DISABLED"), strict=True):
        shown = blob_now(cloud, key, blob_id)["callback"]
        assert (shown["status"], shown["attempts"][0]["errorCode"]) == ("GAVE_UP", error)
    receiver.answer = lambda _: 200
    assert cloud.graphql(key, ENABLE, url=receiver.url)["enableWebhookEndpoint"] == {
        "__typename": "EnabledWebhookEndpoint"
    }
    for blob_id in blobs:
        cloud.graphql(key, REDELIVER, id=f"msg_{blob_id}")
    assert cloud.carry("Hints", "notifier") == 2
    assert {blob_now(cloud, key, each)["callback"]["status"] for each in blobs} == {"DELIVERED"}


def test_an_endpoint_has_so_many_attempts_at_a_time(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    """What comes beyond them is sent as they end."""
    claims = fill(cloud, receiver.url)
    waiting = cloud.graphql(key, SEND_TEST, url=receiver.url)["sendTestWebhook"]["delivery"]
    assert cloud.carry("Hints", "notifier") == 0
    let_one_end(cloud, claims.pop())
    cloud.graphql(key, SEND_TEST, url=receiver.url)
    assert cloud.carry("Hints", "notifier") == 1
    assert cloud.carry("Hints", "notifier") == 1
    assert receiver.received[1].headers["webhook-id"] == waiting["id"]
