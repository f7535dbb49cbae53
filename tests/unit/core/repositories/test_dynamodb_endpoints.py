"""Items of endpoints on DynamoDB, including those that earlier versions wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.domain.clock import to_text
from core.domain.delivery import (
    MAX_PER_ENDPOINT,
    Claim,
    Delivery,
    DeliveryState,
    Verdict,
    delivery_id,
)
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.delivery_items import hash_of
from core.repositories.dynamodb.table import Table
from tests.support.aws.dynamodb import dynamodb_client, table_definition
from tests.support.aws.moto import moto_aws
from tests.support.blobs import NOON

URL = "https://example.test/hook"
KEY = {"pk": {"S": f"endpoint#anna#{hash_of(URL)}"}, "sk": {"S": "endpoint"}}
LEASE = timedelta(seconds=30)
WEEK = timedelta(days=7)


@pytest.fixture
def client() -> Iterator[Any]:
    with moto_aws():
        client = dynamodb_client()
        client.create_table(TableName="records", **table_definition())
        yield client


@pytest.fixture
def deliveries(client: Any) -> DynamoDeliveryRepository:
    return DynamoDeliveryRepository(Table(client, "records"))


def claim(deliveries: DynamoDeliveryRepository, number: int) -> Claim | None:
    """Add a delivery to the endpoint and claim it."""
    name = delivery_id(str(number), 3)
    deliveries.add(Delivery(name, str(number), "anna", URL, b"{}", created_at=NOON, due_at=NOON))
    return deliveries.claim(name, NOON, LEASE)


def stored(client: Any) -> Mapping[str, Any]:
    item: Mapping[str, Any] = client.get_item(TableName="records", Key=KEY)["Item"]
    return item


def leases(**until: datetime) -> dict[str, Any]:
    return {"M": {name: {"S": to_text(moment)} for name, moment in until.items()}}


def test_earlier_items_bound_attempts(client: Any, deliveries: DynamoDeliveryRepository) -> None:
    """Earlier versions counted the leases taken, and left expired ones in the map."""
    live = {f"live{n}": NOON + LEASE for n in range(MAX_PER_ENDPOINT - 1)}
    expired = {f"expired{n}": NOON for n in range(5)}
    client.put_item(
        TableName="records",
        Item={**KEY, "leases": leases(**live, **expired), "taken": {"N": "12"}},
    )
    first = claim(deliveries, 1)
    assert first is not None
    assert claim(deliveries, 2) is None
    assert stored(client)["leases"] == leases(**live, **{first.lease: NOON + LEASE})


def test_earlier_items_without_leases_take_some(
    client: Any, deliveries: DynamoDeliveryRepository
) -> None:
    client.put_item(TableName="records", Item={**KEY, "leases": {"M": {}}, "taken": {"N": "12"}})
    assert all(claim(deliveries, number) for number in range(MAX_PER_ENDPOINT))
    assert claim(deliveries, MAX_PER_ENDPOINT) is None


def test_leases_end_with_their_attempts(client: Any, deliveries: DynamoDeliveryRepository) -> None:
    claims = [claim(deliveries, number) for number in range(2)]
    assert stored(client)["leases"] == leases(
        **{each.lease: NOON + LEASE for each in claims if each}
    )
    for each in claims:
        assert each is not None
        deliveries.finish(each, each.delivery.attempts[0], Verdict(DeliveryState.DELIVERED))
    assert stored(client)["leases"] == leases()


def test_items_expire_a_week_after_the_last_attempt(
    client: Any, deliveries: DynamoDeliveryRepository
) -> None:
    claim(deliveries, 1)
    expires_at = int(stored(client)["expires_at"]["N"])
    assert expires_at == int((NOON + LEASE + WEEK).timestamp())


@pytest.mark.parametrize("leased_before", [False, True])
def test_items_of_disabled_endpoints_do_not_expire(
    client: Any, deliveries: DynamoDeliveryRepository, *, leased_before: bool
) -> None:
    if leased_before:
        claim(deliveries, 1)
    deliveries.disable_endpoint("anna", URL, NOON)
    claimed = claim(deliveries, 2)
    assert claimed is not None
    assert claimed.disabled_at == NOON
    assert "expires_at" not in stored(client)
    assert claimed.lease in stored(client)["leases"]["M"]
