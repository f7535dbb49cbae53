"""Webhooks by state, and endpoints, as the operator sees them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict
from embedded.admin.deliveries import (
    delivery_record,
    list_deliveries,
    list_endpoints,
    summarise_deliveries,
)
from tests.support.services.embedded_stores import EmbeddedStores

HOUR = timedelta(hours=1)


def add(
    stores: EmbeddedStores,
    number: int,
    state: DeliveryState = DeliveryState.PENDING,
    status: int | None = 500,
    error: str | None = "status",
    owner: str = "anna",
) -> str:
    """Store a webhook that ended now in a state, or that is pending after a failed attempt."""
    now = stores.clock()
    url = "https://example.org/hook?token=secret"
    delivery = Delivery(f"msg_{number}_1", str(number), owner, url, b"{}", now, now)
    stores.deliveries.add(delivery)
    claim = stores.deliveries.claim(delivery.id, now, HOUR)
    assert claim is not None
    due_at = now + HOUR if state is DeliveryState.PENDING else None
    attempt = Attempt(claim.attempt, now, now, status, error, b"reason")
    assert stores.deliveries.finish(claim, attempt, Verdict(state, due_at))
    return delivery.id


def test_summary_counts_what_is_pending_and_what_ended_within_a_day(
    stores: EmbeddedStores,
) -> None:
    assert summarise_deliveries(stores.database, stores.clock())["next_attempt_at"] is None
    add(stores, 1, DeliveryState.EXHAUSTED)
    stores.clock.advance(timedelta(hours=25))
    add(stores, 2, DeliveryState.EXHAUSTED)
    add(stores, 3, DeliveryState.EXHAUSTED)
    add(stores, 4, DeliveryState.EXHAUSTED, None, "timeout")
    add(stores, 5, DeliveryState.DELIVERED, 200, None)
    add(stores, 6)
    found = summarise_deliveries(stores.database, stores.clock())
    assert found["pending"] == 1
    assert found["next_attempt_at"] == "2026-02-01T14:00:00.123Z"
    assert found["last_day"] == {
        "delivered": 1,
        "exhausted": 3,
        "gone": 0,
        "rejected": 0,
        "cancelled": 0,
    }
    assert found["failures"] == {"status 500": 2, "timeout": 1}


def test_lists_are_of_one_state_the_last_to_end_first(stores: EmbeddedStores) -> None:
    for number in (1, 2, 3):
        add(stores, number, DeliveryState.EXHAUSTED)
        stores.clock.advance(HOUR)
    pending = add(stores, 4)

    def ids(state: DeliveryState, limit: int, skip: int = 0) -> list[str]:
        return [each.id for each in list_deliveries(stores.database, state, limit, skip)]

    assert ids(DeliveryState.EXHAUSTED, 2) == ["msg_3_1", "msg_2_1"]
    assert ids(DeliveryState.EXHAUSTED, 2, 2) == ["msg_1_1"]
    assert ids(DeliveryState.PENDING, 9) == [pending]
    assert ids(DeliveryState.GONE, 9) == []


@pytest.mark.parametrize(
    ("status", "error", "shown"), [(500, "status", "status 500"), (None, "dns", "dns")]
)
def test_record_tells_why_the_last_attempt_failed(
    stores: EmbeddedStores, status: int | None, error: str, shown: str
) -> None:
    add(stores, 1, status=status, error=error)
    (found,) = list_deliveries(stores.database, DeliveryState.PENDING, 9)
    record = delivery_record(found)
    assert (record["last_error"], record["reason"], record["attempts"]) == (shown, None, 1)
    assert record["due_at"] == "2026-01-31T13:00:00.123Z"
    assert record["ended_at"] is None


def test_endpoints_are_listed_disabled_ones_first(stores: EmbeddedStores) -> None:
    add(stores, 1, owner="boris")
    add(stores, 2, DeliveryState.DELIVERED, 200, None, owner="clara")
    stores.deliveries.disable_endpoint("anna", "https://example.com/", stores.clock())
    disabled, waiting = list_endpoints(stores.database, 9)
    assert (disabled["owner"], disabled["pending"]) == ("anna", 0)
    assert disabled["disabled_at"] == "2026-01-31T12:00:00.123Z"
    assert disabled["next_attempt_at"] is None
    # Without the query, which may hold a secret of the owner.
    assert (waiting["owner"], waiting["url"]) == ("boris", "https://example.org/hook")
    assert (waiting["pending"], waiting["disabled_at"]) == (1, None)
    assert waiting["next_attempt_at"] == "2026-01-31T13:00:00.123Z"
    assert list_endpoints(stores.database, 9, skip=1) == [waiting]
