"""Webhooks arrive although Lambda stops chains of SQS and Lambda after 16 generations."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.backends.sqlite import Database
from core.domain.delivery import MAX_PER_ENDPOINT, DeliveryState
from core.domain.owner import Owner
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.deliveries import DeliveryRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from embedded.migrations import MIGRATIONS
from notifier.delivery import Deliverer
from notifier.handler import Notifier
from notifier.http.client import Response, SendError
from notifier.retries import MAX_ATTEMPTS
from tests.support.aws.dynamodb import OneAtATime, dynamodb_client, table_definition
from tests.support.aws.iam import Template
from tests.support.aws.moto import moto_aws
from tests.support.aws.recursion import MAX_GENERATIONS, InvokingQueue, max_generations
from tests.support.aws.stream_records import stream_record
from tests.support.blobs import a_blob, failed, uploaded

URL = "https://example.test/hook"


class Receiver:
    """Counts webhooks by id. Returns `status`, or never responds if it is None."""

    def __init__(self, status: int | None = 204) -> None:
        self.received: Counter[str] = Counter()
        self._status = status

    def post(self, _url: str, headers: Mapping[str, str], _body: bytes) -> Response:
        self.received[headers["webhook-id"]] += 1
        if self._status is None:
            raise SendError("timeout", "no response")
        return Response(self._status, None, b"")


@pytest.fixture(params=["sqlite", "dynamodb"])
def deliveries(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DeliveryRepository]:
    if request.param == "sqlite":
        database = Database(tmp_path / "labelling.sqlite", MIGRATIONS)
        yield SqliteDeliveryRepository(database)
        database.close()
    else:
        with moto_aws():
            client = dynamodb_client()
            client.create_table(TableName="records", **table_definition())
            yield DynamoDeliveryRepository(Table(OneAtATime(client), "records"))


def notifier_of(
    deliveries: DeliveryRepository, clock: Any, queue: InvokingQueue, receiver: Receiver
) -> Notifier:
    return Notifier(
        SimpleNamespace(),  # type: ignore[arg-type]  # failed blobs have no labels to count
        deliveries,
        Deliverer(
            deliveries,
            SimpleNamespace(get_or_create=Owner),  # type: ignore[arg-type]
            receiver,
            clock,
            random.Random(7),  # noqa: S311  # jitter
            lease_duration=timedelta(seconds=30),
        ),
        queue,  # type: ignore[arg-type]  # the notifier only sends
        clock,
    )


def finish_blobs(notifier: Notifier, count: int) -> list[str]:
    """Handle the changes of so many blobs with the same callback URL. Return the webhooks' ids."""
    ids = []
    for _ in range(count):
        blob = uploaded(a_blob(callback_url=URL))
        done = failed(blob)
        ids.append(f"msg_{done.id}_{done.version}")
        event = {"Records": [stream_record(blob, done)]}
        assert notifier.handle(event) == {"batchItemFailures": []}
    return ids


@pytest.mark.parametrize(
    ("deliveries", "count"), [("sqlite", 1000), ("dynamodb", 150)], indirect=["deliveries"]
)
def test_webhooks_to_one_endpoint_arrive_without_the_sweep(
    compiled: Template, deliveries: DeliveryRepository, clock: Any, count: int
) -> None:
    """The template allows the notifier's chain, which is much longer than 16 generations."""
    queue, receiver = InvokingQueue(clock, max_generations(compiled, "notifier")), Receiver()
    notifier = notifier_of(deliveries, clock, queue, receiver)
    ids = finish_blobs(notifier, count)
    queue.run(notifier.handle)
    assert receiver.received == dict.fromkeys(ids, 1)
    assert queue.dead_letters == []
    assert queue.sent == count
    assert count > MAX_GENERATIONS * MAX_PER_ENDPOINT


@pytest.mark.parametrize("deliveries", ["sqlite"], indirect=True)
def test_recursion_detection_would_stop_the_chain(
    deliveries: DeliveryRepository, clock: Any
) -> None:
    """So the imitation finds the fault that the template avoids."""
    queue, receiver = InvokingQueue(clock, MAX_GENERATIONS), Receiver()
    notifier = notifier_of(deliveries, clock, queue, receiver)
    finish_blobs(notifier, 1000)
    queue.run(notifier.handle)
    assert len(receiver.received) == MAX_GENERATIONS * MAX_PER_ENDPOINT
    assert len(queue.dead_letters) == MAX_PER_ENDPOINT


@pytest.mark.parametrize("status", [204, 500, None])
@pytest.mark.parametrize("deliveries", ["sqlite"], indirect=True)
def test_chain_ends_by_itself(
    deliveries: DeliveryRepository, clock: Any, status: int | None
) -> None:
    """A job sends others only after an attempt, and a delivery has ten attempts at most.

    So Lambda's detection is not needed. SQS delivers every message twice, and the sweep runs until
    all deliveries are finished.
    """
    queue, receiver = InvokingQueue(clock, None), Receiver(status)
    notifier = notifier_of(deliveries, clock, queue, receiver)

    def handle(event: dict[str, Any]) -> dict[str, Any]:
        for _ in range(2):
            jobs, attempts = queue.sent, receiver.received.total()
            result = notifier.handle(event)
            attempts = receiver.received.total() - attempts
            assert queue.sent - jobs <= attempts * (1 + MAX_PER_ENDPOINT)
        return result

    ids = finish_blobs(notifier, 50)
    queue.run(handle)
    while any(deliveries.find_by_state(DeliveryState.PENDING)):
        clock.advance(timedelta(hours=1))
        notifier.sweep()
        queue.run(handle)
    expected = MAX_ATTEMPTS if status != 204 else 1
    assert receiver.received == dict.fromkeys(ids, expected)
