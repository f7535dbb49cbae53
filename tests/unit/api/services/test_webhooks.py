"""Webhooks of an owner: shown, tested, sent again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.rest.app import create_app
from core.domain.blob import Blob
from core.domain.clock import to_text
from core.domain.delivery import (
    MAX_PER_ENDPOINT,
    Attempt,
    Delivery,
    DeliveryState,
    Verdict,
    delivery_id,
)
from core.domain.errors import Unavailable
from core.domain.owner import MAX_VALID
from tests.support.app_client import AppClient
from tests.support.embedded_stores import EmbeddedStores
from tests.support.graphql_client import GraphQL

HOOK = "https://example.org/hook"
CALLBACK = (
    "id url status reason nextAttemptAt attempts { responseStatus error responseBody address }"
)
FIND = f"query ($id: ID!) {{ callback(id: $id) {{ {CALLBACK} }} }}"
REDELIVER = f"""
mutation ($id: ID!) {{
  redeliverCallback(blobId: $id) {{
    __typename
    ... on RedeliveredCallback {{ blob {{ id callback {{ {CALLBACK} }} }} }}
    ... on Error {{ message }}
  }}
}}
"""
SEND_TEST = f"""
mutation ($url: Url!) {{
  sendTestWebhook(url: $url) {{
    __typename
    ... on SentTestWebhook {{ callback {{ {CALLBACK} }} }}
    ... on Error {{ message }}
  }}
}}
"""
ENABLE = "mutation ($url: Url!) { enableWebhookEndpoint(url: $url) }"
DISABLED = "{ disabledWebhookEndpoints }"


def delivery_of(stores: EmbeddedStores, blob: Blob, url: str = HOOK) -> Delivery:
    now = stores.clock()
    delivery = Delivery(
        delivery_id(blob.id, blob.version), blob.id, blob.owner, url, b"{}", now, now
    )
    stores.deliveries.add(delivery)
    return delivery


def attempted(
    stores: EmbeddedStores, delivery_id: str, state: DeliveryState, **values: Any
) -> None:
    started = stores.clock()
    claim = stores.deliveries.claim(delivery_id, started, timedelta(seconds=30))
    assert claim is not None
    due_at = started + timedelta(hours=5) if state is DeliveryState.PENDING else None
    done = Attempt(claim.attempt, started, started, **values)
    assert stores.deliveries.finish(claim, done, Verdict(state, due_at))


def labelled(stores: EmbeddedStores) -> Blob:
    return stores.labelled("anna", callback_url=HOOK)


def redeliver(client: GraphQL, blob: Blob) -> dict[str, Any]:
    answer: dict[str, Any] = client.ask(REDELIVER, id=blob.id)["redeliverCallback"]
    return answer


# Shown


def test_webhook_is_found_by_its_id(stores: EmbeddedStores, anna: GraphQL, boris: GraphQL) -> None:
    """Only by its owner; with the response and the address."""
    delivery = delivery_of(stores, labelled(stores))
    outcome = {"status": 500, "error": "status", "response": b"d\xff", "address": "192.0.2.1"}
    attempted(stores, delivery.id, DeliveryState.PENDING, **outcome)
    assert anna.ask(FIND, id=delivery.id)["callback"] == {
        "id": delivery.id,
        "url": HOOK,
        "status": "RETRYING",
        "reason": None,
        "nextAttemptAt": to_text(stores.clock() + timedelta(hours=5)),
        "attempts": [
            {
                "responseStatus": 500,
                "error": "status",
                "responseBody": "d\ufffd",
                "address": "192.0.2.1",
            }
        ],
    }
    assert boris.ask(FIND, id=delivery.id)["callback"] is None
    for other in ("msg_unknown_1", "", "nonsense"):
        assert anna.ask(FIND, id=other)["callback"] is None


@pytest.mark.parametrize(
    ("state", "outcome", "reason"),
    [
        (
            DeliveryState.EXHAUSTED,
            {"status": 503, "error": "status"},
            "Attempt 1 was the last, and failed: status 503.",
        ),
        (
            DeliveryState.EXHAUSTED,
            {"error": "timeout"},
            "Attempt 1 was the last, and failed: timeout.",
        ),
        (
            DeliveryState.GONE,
            {"status": 410, "error": "status"},
            (
                "The receiver answered 410 Gone: nothing more is sent to its endpoint until that "
                "is enabled again."
            ),
        ),
        (
            DeliveryState.REJECTED,
            {"error": "rejected", "response": b"10.0.0.1 is not a public address"},
            "10.0.0.1 is not a public address",
        ),
        (
            DeliveryState.CANCELLED,
            {"error": "disabled", "response": b"the endpoint is disabled"},
            "the endpoint is disabled",
        ),
    ],
)
def test_given_up_webhook_has_a_reason(
    stores: EmbeddedStores,
    anna: GraphQL,
    state: DeliveryState,
    outcome: dict[str, Any],
    reason: str,
) -> None:
    """In words, for every way to end."""
    delivery = delivery_of(stores, labelled(stores))
    attempted(stores, delivery.id, state, **outcome)
    shown = anna.ask(FIND, id=delivery.id)["callback"]
    assert (shown["status"], shown["reason"]) == ("GAVE_UP", reason)


# Redelivered


@pytest.mark.parametrize(
    "state", [DeliveryState.DELIVERED, DeliveryState.EXHAUSTED, DeliveryState.PENDING]
)
def test_redelivery_is_due_at_once(
    stores: EmbeddedStores, anna: GraphQL, state: DeliveryState
) -> None:
    """In any state; the notifier receives a job."""
    blob = labelled(stores)
    delivery = delivery_of(stores, blob)
    attempted(stores, delivery.id, state, status=500, error="status")
    stores.clock.advance(timedelta(seconds=9))
    answer = redeliver(anna, blob)
    assert answer["__typename"] == "RedeliveredCallback"
    shown = answer["blob"]["callback"]
    assert shown["nextAttemptAt"] == to_text(stores.clock())
    assert shown["status"] == ("RETRYING" if state is DeliveryState.PENDING else "PENDING")
    assert (len(shown["attempts"]), shown["reason"]) == (1, None)
    assert stores.enqueued == [delivery.id]
    attempted(stores, delivery.id, DeliveryState.DELIVERED, status=200)


def test_redelivery_does_not_interrupt_an_attempt_in_progress(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    blob = labelled(stores)
    delivery = delivery_of(stores, blob)
    assert stores.deliveries.claim(delivery.id, stores.clock(), timedelta(seconds=30))
    assert redeliver(anna, blob)["__typename"] == "RedeliveredCallback"
    assert stores.enqueued == []


def test_nothing_to_redeliver_before_an_outcome_or_without_a_url(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """The message says which."""
    for blob, said in [
        (stores.awaiting(callback_url=HOOK), "is sent once it is LABELLED or FAILED"),
        (stores.labelled("anna"), "was created without a callbackUrl"),
    ]:
        answer = redeliver(anna, blob)
        assert answer["__typename"] == "NothingToRedeliver"
        assert said in answer["message"]


def test_foreign_webhook_is_not_sent_again(stores: EmbeddedStores, boris: GraphQL) -> None:
    """It looks absent."""
    blob = labelled(stores)
    delivery = delivery_of(stores, blob)
    attempted(stores, delivery.id, DeliveryState.EXHAUSTED, error="timeout")
    assert redeliver(boris, blob)["__typename"] == "BlobNotFound"
    assert stores.enqueued == []
    assert stores.deliveries.find_due(stores.clock(), 10) == []


# Tested


def test_test_event_needs_no_blob(stores: EmbeddedStores, anna: GraphQL, boris: GraphQL) -> None:
    """Its outcome is found by its id, by the owner who sent it."""
    answer = anna.ask(SEND_TEST, url=f"{HOOK}?a=b")["sendTestWebhook"]
    shown = answer["callback"]
    assert (shown["url"], shown["status"], shown["attempts"]) == (f"{HOOK}?a=b", "PENDING", [])
    assert stores.enqueued == [shown["id"]]
    assert anna.ask(FIND, id=shown["id"])["callback"] == shown
    assert boris.ask(FIND, id=shown["id"])["callback"] is None
    claim = stores.deliveries.claim(shown["id"], stores.clock(), timedelta(seconds=30))
    assert claim is not None
    assert claim.delivery.is_test
    event = json.loads(claim.delivery.body)
    assert (event["type"], event["timestamp"]) == ("webhook.test", to_text(stores.clock()))


def test_redelivery_succeeds_when_the_queue_is_unavailable(stores: EmbeddedStores) -> None:
    """It is due, so the sweep finds it."""

    def fail(_delivery_id: str) -> None:
        raise Unavailable("The queue is away.")

    services = replace(stores.services("anna"), enqueue_delivery=fail)
    with AppClient(create_app(services)) as client:
        sent = GraphQL(client, None).ask(SEND_TEST, url=HOOK)["sendTestWebhook"]["callback"]
    assert list(stores.deliveries.find_due(stores.clock(), 10)) == [sent["id"]]


def test_each_test_event_has_its_own_id(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Even two at the same moment; beyond the endpoint's limit one waits."""
    sent = [anna.ask(SEND_TEST, url=HOOK)["sendTestWebhook"] for _ in range(MAX_PER_ENDPOINT + 1)]
    assert len({each["callback"]["id"] for each in sent}) == MAX_PER_ENDPOINT + 1
    assert len(stores.enqueued) == MAX_PER_ENDPOINT


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "ftp://example.org/", "https://u:p@example.org/", ""]
)
def test_test_event_follows_the_rules_for_callback_urls(
    stores: EmbeddedStores, anna: GraphQL, url: str
) -> None:
    answer = anna.ask(SEND_TEST, url=url)["sendTestWebhook"]
    assert answer["__typename"] == "CallbackUrlRefused"
    assert stores.enqueued == []


# Secrets

ROTATE = """
mutation {
  rotateWebhookSecret {
    __typename
    ... on RotatedWebhookSecret { secret previousExpiresAt }
    ... on QuotaExceeded { message retryAt }
  }
}
"""


def test_rotation_returns_a_new_secret(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The old one signs for another day. Other owners keep theirs."""
    before = stores.owners.get_or_create("anna").secrets_at(stores.clock())
    boris = stores.owners.get_or_create("boris")
    rotated = anna.ask(ROTATE)["rotateWebhookSecret"]
    assert rotated["previousExpiresAt"] == to_text(stores.clock() + timedelta(hours=24))
    owner = stores.owners.get_or_create("anna")
    assert owner.secrets_at(stores.clock()) == [rotated["secret"], *before]
    stores.clock.advance(timedelta(hours=24))
    assert owner.secrets_at(stores.clock()) == [rotated["secret"]]
    assert stores.owners.get_or_create("boris") == boris


def test_rotation_creates_the_record_of_a_new_owner(stores: EmbeddedStores, anna: GraphQL) -> None:
    """With a first secret, which is then replaced."""
    assert stores.owners.find_owner("anna") is None
    assert anna.ask(ROTATE)["rotateWebhookSecret"]["__typename"] == "RotatedWebhookSecret"


def test_rotations_are_limited(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The result says when the next one is possible."""
    for _ in range(MAX_VALID - 1):
        anna.ask(ROTATE)
    before = stores.owners.get_or_create("anna")
    refused = anna.ask(ROTATE)["rotateWebhookSecret"]
    assert refused["__typename"] == "QuotaExceeded"
    assert refused["retryAt"] == to_text(stores.clock() + timedelta(hours=24))
    assert stores.owners.get_or_create("anna") == before


# Endpoints that answered 410


def test_disabled_endpoint_is_listed_and_can_be_enabled(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """By its owner, with any URL of it, once."""
    stores.deliveries.disable_endpoint("anna", HOOK, stores.clock())
    assert anna.ask(DISABLED)["disabledWebhookEndpoints"] == [HOOK]
    assert boris.ask(DISABLED)["disabledWebhookEndpoints"] == []
    assert boris.ask(ENABLE, url=HOOK)["enableWebhookEndpoint"] is False
    assert anna.ask(ENABLE, url=f"{HOOK}?a=b")["enableWebhookEndpoint"] is True
    assert anna.ask(ENABLE, url=HOOK)["enableWebhookEndpoint"] is False
    assert anna.ask(DISABLED)["disabledWebhookEndpoints"] == []
