"""Counts of what is in the database."""

from __future__ import annotations

from datetime import timedelta

from core.domain.delivery import MAX_PER_ENDPOINT, Delivery, delivery_id
from embedded.metrics.statistics import QueueDepth, read_statistics
from tests.conftest import SettableClock
from tests.support.services.embedded_stores import EmbeddedStores

ENDPOINT = "https://hooks.example/labelled"


def test_an_empty_database_has_nothing_of_anything(
    stores: EmbeddedStores, clock: SettableClock
) -> None:
    found = read_statistics(stores.database, ["uploads"], clock())
    assert (found.blobs.total(), found.waiting.total()) == (0, 0)
    assert (found.endpoints_waiting, found.endpoints_disabled) == (0, 0)
    assert found.queues == {"uploads": QueueDepth(due=0, later=0, dead=0, oldest_seconds=0)}


def test_messages_are_due_later_or_dead(stores: EmbeddedStores, clock: SettableClock) -> None:
    """One that is under way is due again when its receiver was lost."""
    queue = stores.queue("uploads", max_receives=1)
    for body in ("under way", "due"):
        queue.send(body)
    queue.send("later", delay=timedelta(hours=1))
    queue.send_dead_letter("dead")
    queue.receive()
    clock.advance(timedelta(seconds=7))
    found = read_statistics(stores.database, ["uploads", "other"], clock())
    assert found.queues["uploads"] == QueueDepth(due=1, later=2, dead=1, oldest_seconds=7)
    assert found.queues["other"] == QueueDepth(due=0, later=0, dead=0, oldest_seconds=0)


def test_webhooks_are_counted_by_the_line_that_they_wait_in(
    stores: EmbeddedStores, clock: SettableClock
) -> None:
    per_endpoint = MAX_PER_ENDPOINT
    for number in range(per_endpoint + 3):
        name, now = f"blob-{number}", clock()
        stores.deliveries.add(
            Delivery(delivery_id(name, 1), name, "anna", f"{ENDPOINT}?{number}", b"{}", now, now)
        )
    found = read_statistics(stores.database, [], clock())
    assert dict(found.waiting) == {"none": per_endpoint, "endpoint": 3}
    assert found.endpoints_waiting == 1
    stores.deliveries.disable_endpoint("anna", ENDPOINT, clock())
    assert read_statistics(stores.database, [], clock()).endpoints_disabled == 1


def test_pending_webhooks_are_read_once_in_the_order_of_an_index(
    stores: EmbeddedStores, clock: SettableClock
) -> None:
    """Of hundreds of thousands a second pass, or a sort, takes as long as the first."""
    statements: list[str] = []
    with stores.database.read() as connection:
        connection.set_trace_callback(statements.append)
    read_statistics(stores.database, ["uploads"], clock())  # by the connection that is idle now
    connection.set_trace_callback(None)
    (statement,) = (each for each in statements if "deliveries" in each)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    steps = [step for *_, step in plan]
    assert sum("SCAN deliveries USING INDEX deliveries_in_line" in step for step in steps) == 1
    assert ["TEMP B-TREE" in step for step in steps].count(True) == 1  # of the few lines
    assert "TEMP B-TREE" in steps[-1]
