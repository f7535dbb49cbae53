"""Queries of a blob's callback: its state and its attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.domain.blob import Blob
from core.domain.clock import to_text
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict
from tests.support.graphql_client import GraphQL
from tests.support.list_queries import BLOB, CAT
from tests.support.services.embedded_stores import EmbeddedStores

HOOK = "https://example.org/hook"


def delivery_of(stores: EmbeddedStores, blob: Blob) -> Delivery:
    now = stores.clock()
    delivery = Delivery(f"msg_{blob.id}", blob.id, blob.owner, HOOK, b"{}", now, now)
    stores.deliveries.add(delivery)
    return delivery


def attempt(
    stores: EmbeddedStores, delivery: Delivery, state: DeliveryState, status: int | None
) -> None:
    started = stores.clock()
    claim = stores.deliveries.claim(delivery.id, started, timedelta(seconds=30))
    assert claim is not None
    ended = started + timedelta(milliseconds=250)
    due_at = ended + timedelta(seconds=5) if state is DeliveryState.PENDING else None
    error = None if state is DeliveryState.DELIVERED else "status" if status else "timeout"
    done = Attempt(claim.attempt, started, ended, status, error)
    assert stores.deliveries.finish(claim, done, Verdict(state, due_at))


def callback(anna: GraphQL, blob: Blob) -> dict[str, Any]:
    shown: dict[str, Any] = anna.ask(BLOB, id=blob.id)["blob"]["callback"]
    return shown


def test_callback_is_pending_before_an_outcome(stores: EmbeddedStores, anna: GraphQL) -> None:
    """It has only a URL."""
    blob = stores.awaiting(callback_url=HOOK)
    pending = {"url": HOOK, "status": "PENDING", "nextAttemptAt": None, "attempts": []}
    assert callback(anna, blob) == pending


def test_callback_is_pending_until_its_first_attempt(stores: EmbeddedStores, anna: GraphQL) -> None:
    """With the time at which it is due."""
    blob = stores.labelled("anna", CAT, callback_url=HOOK)
    delivery = delivery_of(stores, blob)
    shown = callback(anna, blob)
    assert shown["status"] == "PENDING"
    assert shown["nextAttemptAt"] == to_text(delivery.due_at)


def test_callback_is_retrying_then_delivered(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Attempts are listed oldest first; after a success none is due."""
    blob = stores.labelled("anna", CAT, callback_url=HOOK)
    delivery = delivery_of(stores, blob)
    first = stores.clock()
    attempt(stores, delivery, DeliveryState.PENDING, 500)
    shown = callback(anna, blob)
    assert shown["status"] == "RETRYING"
    assert shown["nextAttemptAt"] == to_text(first + timedelta(seconds=5, milliseconds=250))
    stores.clock.advance(timedelta(seconds=10))
    attempt(stores, delivery, DeliveryState.DELIVERED, 204)
    shown = callback(anna, blob)
    assert shown["status"] == "DELIVERED"
    assert shown["nextAttemptAt"] is None
    assert shown["attempts"] == [
        {"at": to_text(first), "responseStatus": 500, "errorCode": "STATUS", "durationMs": 250},
        {
            "at": to_text(first + timedelta(seconds=10)),
            "responseStatus": 204,
            "errorCode": None,
            "durationMs": 250,
        },
    ]


@pytest.mark.parametrize("state", [DeliveryState.EXHAUSTED, DeliveryState.GONE])
def test_callback_without_further_attempts_is_given_up(
    stores: EmbeddedStores, anna: GraphQL, state: DeliveryState
) -> None:
    """For every final state."""
    blob = stores.labelled("anna", CAT, callback_url=HOOK)
    attempt(stores, delivery_of(stores, blob), state, 410)
    shown = callback(anna, blob)
    assert (shown["status"], shown["nextAttemptAt"]) == ("GAVE_UP", None)


def test_interrupted_attempt_is_unknown_once_another_began(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """An attempt in progress has no error."""
    blob = stores.labelled("anna", CAT, callback_url=HOOK)
    delivery = delivery_of(stores, blob)
    assert stores.deliveries.claim(delivery.id, stores.clock(), timedelta(seconds=30))
    (only,) = callback(anna, blob)["attempts"]
    assert (only["errorCode"], only["durationMs"], only["responseStatus"]) == (None, None, None)
    stores.clock.advance(timedelta(seconds=31))
    attempt(stores, delivery, DeliveryState.DELIVERED, 200)
    lost, done = callback(anna, blob)["attempts"]
    assert (lost["errorCode"], lost["durationMs"]) == ("UNKNOWN", None)
    assert (done["errorCode"], done["durationMs"]) == (None, 250)


def test_deliveries_of_a_page_are_read_in_one_call(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = [stores.awaiting(callback_url=HOOK) for _ in range(20)]
    asked: list[set[str]] = []
    find_latest = type(stores.deliveries).find_latest

    def counted(self: Any, owner: str, blob_ids: Any) -> Any:
        asked.append(set(blob_ids))
        return find_latest(self, owner, blob_ids)

    monkeypatch.setattr(type(stores.deliveries), "find_latest", counted)
    anna.ask("{ blobs { nodes { callback { status } } } }")
    assert asked == [{blob.id for blob in blobs}]
