"""Webhooks of an owner: shown, tested, sent again."""

from __future__ import annotations

import json
import re
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
    AttemptError,
    Delivery,
    DeliveryState,
    Verdict,
    attempt_reason,
    delivery_id,
    upcoming_id,
)
from core.domain.errors import Unavailable
from core.domain.owner import MAX_VALID
from tests.support.blobs import NOON
from tests.support.graphql_client import GraphQL
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.process import ROOT

HOOK = "https://example.org/hook"
CALLBACK = (
    "id url status reason nextAttemptAt "
    "attempts { responseStatus errorCode error responseBody address }"
)
FIND = f"query ($id: ID!) {{ webhookDelivery(id: $id) {{ {CALLBACK} }} }}"
REDELIVER = f"""
mutation ($id: ID!) {{
  redeliverWebhook(deliveryId: $id) {{
    __typename
    ... on RedeliveredWebhook {{ delivery {{ {CALLBACK} }} }}
    ... on Error {{ message }}
  }}
}}
"""
SEND_TEST = f"""
mutation ($url: Url!) {{
  sendTestWebhook(url: $url) {{
    __typename
    ... on SentTestWebhook {{ delivery {{ {CALLBACK} }} }}
    ... on Error {{ message }}
  }}
}}
"""
ENABLE = """
mutation ($url: Url!) {
  enableWebhookEndpoint(url: $url) {
    __typename
    ... on EnabledWebhookEndpoint { endpoint { url disabledAt } }
    ... on WebhookEndpointNotDisabled { url }
    ... on Error { message }
  }
}
"""
DISABLED = "{ disabledWebhookEndpoints { url disabledAt } }"


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
    """By the id that is known before there is an outcome."""
    answer: dict[str, Any] = client.ask(REDELIVER, id=upcoming_id(blob.id))["redeliverWebhook"]
    return answer


# Shown


def test_webhook_is_found_by_its_id(stores: EmbeddedStores, anna: GraphQL, boris: GraphQL) -> None:
    """Only by its owner; with the response and the address."""
    delivery = delivery_of(stores, labelled(stores))
    outcome = {"status": 500, "error": "status", "response": b"d\xff", "address": "192.0.2.1"}
    attempted(stores, delivery.id, DeliveryState.PENDING, **outcome)
    assert anna.ask(FIND, id=delivery.id)["webhookDelivery"] == {
        "id": delivery.id,
        "url": HOOK,
        "status": "RETRYING",
        "reason": None,
        "nextAttemptAt": to_text(stores.clock() + timedelta(hours=5)),
        "attempts": [
            {
                "responseStatus": 500,
                "errorCode": "STATUS",
                "error": "The receiver answered with status 500.",
                "responseBody": "d\ufffd",
                "address": "192.0.2.1",
            }
        ],
    }
    assert boris.ask(FIND, id=delivery.id)["webhookDelivery"] is None
    for other in ("msg_unknown_1", "", "nonsense"):
        assert anna.ask(FIND, id=other)["webhookDelivery"] is None


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
    shown = anna.ask(FIND, id=delivery.id)["webhookDelivery"]
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
    assert answer["__typename"] == "RedeliveredWebhook"
    shown = answer["delivery"]
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
    assert redeliver(anna, blob)["__typename"] == "RedeliveredWebhook"
    assert stores.enqueued == []


def test_nothing_to_redeliver_before_an_outcome(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Without a callback URL there is no webhook."""
    answer = redeliver(anna, stores.awaiting(callback_url=HOOK))
    assert answer["__typename"] == "NothingToRedeliver"
    assert "is sent once it is LABELLED or FAILED" in answer["message"]
    assert redeliver(anna, stores.labelled("anna"))["__typename"] == "WebhookDeliveryNotFound"


def test_any_webhook_is_sent_again_by_its_own_id(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Also that of an earlier outcome."""
    blob = labelled(stores)
    earlier = delivery_of(stores, blob)
    attempted(stores, earlier.id, DeliveryState.EXHAUSTED, error="timeout")
    delivery_of(stores, replace(blob, version=blob.version + 2))
    answer = anna.ask(REDELIVER, id=earlier.id)["redeliverWebhook"]
    assert answer["delivery"]["id"] == earlier.id
    assert stores.enqueued == [earlier.id]


NODE = f"query ($id: ID!) {{ node(id: $id) {{ id ... on WebhookDelivery {{ {CALLBACK} }} }} }}"
OF_BLOB = f"query ($id: ID!) {{ blob(id: $id) {{ callback {{ {CALLBACK} }} }} }}"


def test_webhook_of_a_blob_is_a_node(stores: EmbeddedStores, anna: GraphQL, boris: GraphQL) -> None:
    """Before and after its outcome; the first id stays valid."""
    waiting = stores.awaiting(callback_url=HOOK)
    shown = anna.ask(OF_BLOB, id=waiting.id)["blob"]["callback"]
    assert (shown["id"], shown["status"]) == (upcoming_id(waiting.id), "PENDING")
    assert anna.ask(NODE, id=shown["id"])["node"] == shown
    blob = labelled(stores)
    delivery = delivery_of(stores, blob)
    shown = anna.ask(OF_BLOB, id=blob.id)["blob"]["callback"]
    assert shown["id"] == delivery.id
    for node_id in (delivery.id, upcoming_id(blob.id)):
        assert anna.ask(NODE, id=node_id)["node"] == shown
        assert boris.ask(NODE, id=node_id)["node"] is None
    for absent in (upcoming_id(stores.awaiting().id), "msg_", "msg_x", "msg_x_y"):
        assert anna.ask(NODE, id=absent)["node"] is None


ENDED = {"ended": NOON}


@pytest.mark.parametrize(
    ("values", "in_progress", "code", "text"),
    [
        ({}, True, None, None),
        ({}, False, AttemptError.UNKNOWN, "The service stopped before"),
        ({**ENDED, "status": 204}, False, None, None),
        ({**ENDED, "status": 500, "error": "status"}, False, AttemptError.STATUS, "status 500"),
        (
            {**ENDED, "error": "dns", "response": b"dns: no such name"},
            False,
            AttemptError.DNS,
            "dns: no such name",
        ),
        ({**ENDED, "error": "internal"}, False, AttemptError.INTERNAL, "A fault of the service"),
    ],
)
def test_failed_attempt_has_a_code_and_a_text(
    values: dict[str, Any], in_progress: bool, code: AttemptError | None, text: str | None
) -> None:
    """An attempt without an end is in progress, or was interrupted."""
    found, reason = attempt_reason(Attempt(1, NOON, **values), in_progress=in_progress)
    assert found is code
    assert reason is None if text is None else text in (reason or "")


def test_every_stored_error_has_a_code() -> None:
    """Those that the notifier writes: as literals, or by the client of webhooks."""
    source = "".join(path.read_text() for path in (ROOT / "notifier").rglob("*.py"))
    written = set(re.findall(r'(?:SendError\(\s*|error=)"([a-z]+)"', source))
    assert len(written) > 5
    assert written <= set(AttemptError)


def test_foreign_webhook_is_not_sent_again(stores: EmbeddedStores, boris: GraphQL) -> None:
    """It looks absent."""
    blob = labelled(stores)
    delivery = delivery_of(stores, blob)
    attempted(stores, delivery.id, DeliveryState.EXHAUSTED, error="timeout")
    assert redeliver(boris, blob)["__typename"] == "WebhookDeliveryNotFound"
    answer = boris.ask(REDELIVER, id=delivery.id)["redeliverWebhook"]
    assert answer["__typename"] == "WebhookDeliveryNotFound"
    assert stores.enqueued == []
    assert stores.deliveries.find_due(stores.clock(), 10) == []


# Tested


def test_test_event_needs_no_blob(stores: EmbeddedStores, anna: GraphQL, boris: GraphQL) -> None:
    """Its outcome is found by its id, by the owner who sent it."""
    answer = anna.ask(SEND_TEST, url=f"{HOOK}?a=b")["sendTestWebhook"]
    shown = answer["delivery"]
    assert (shown["url"], shown["status"], shown["attempts"]) == (f"{HOOK}?a=b", "PENDING", [])
    assert stores.enqueued == [shown["id"]]
    assert anna.ask(FIND, id=shown["id"])["webhookDelivery"] == shown
    assert boris.ask(FIND, id=shown["id"])["webhookDelivery"] is None
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
        sent = GraphQL(client, None).ask(SEND_TEST, url=HOOK)["sendTestWebhook"]["delivery"]
    assert list(stores.deliveries.find_due(stores.clock(), 10)) == [sent["id"]]


def test_each_test_event_has_its_own_id(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Even two at the same moment; beyond the endpoint's limit one waits."""
    sent = [anna.ask(SEND_TEST, url=HOOK)["sendTestWebhook"] for _ in range(MAX_PER_ENDPOINT + 1)]
    assert len({each["delivery"]["id"] for each in sent}) == MAX_PER_ENDPOINT + 1
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
    listed = {"url": HOOK, "disabledAt": to_text(stores.clock())}
    assert anna.ask(DISABLED)["disabledWebhookEndpoints"] == [listed]
    assert boris.ask(DISABLED)["disabledWebhookEndpoints"] == []
    refused = boris.ask(ENABLE, url=HOOK)["enableWebhookEndpoint"]
    assert (refused["__typename"], refused["url"]) == ("WebhookEndpointNotDisabled", HOOK)
    enabled = anna.ask(ENABLE, url=f"{HOOK}?a=b")["enableWebhookEndpoint"]
    assert enabled["endpoint"] == {"url": HOOK, "disabledAt": None}
    assert anna.ask(ENABLE, url=HOOK)["enableWebhookEndpoint"] == refused
    assert anna.ask(DISABLED)["disabledWebhookEndpoints"] == []
