"""The running service and its receivers: good, dead, gone, and new."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from core.domain.clock import utc_now
from core.domain.delivery import (
    MAX_PER_ENDPOINT,
    Attempt,
    Delivery,
    DeliveryState,
    Verdict,
    delivery_id,
)
from embedded.cli.main import main
from embedded.settings import Settings
from embedded.stores import Stores, open_stores
from tests.support.images.photos import photo
from tests.support.services.process import ServiceProcess
from tests.support.waiting import PATIENCE, wait_until
from tests.support.webhooks.hostile import HostileServer
from tests.support.webhooks.receiver import Receiver

BACKLOG = 10_000
SEND_TEST = """
mutation ($url: Url!) {
  sendTestWebhook(url: $url) {
    ... on SentTestWebhook { delivery { id } }
    ... on Error { message }
  }
}
"""
REDELIVER = "mutation ($id: ID!) { redeliverWebhook(deliveryId: $id) { __typename } }"
ENABLE = "mutation ($url: Url!) { enableWebhookEndpoint(url: $url) { __typename } }"
DISABLED = "{ disabledWebhookEndpoints { url } }"


@pytest.fixture
def dead() -> Iterator[HostileServer]:
    """A receiver that accepts connections and never answers."""

    def wait(connection: socket.socket) -> None:
        connection.settimeout(None)
        while connection.recv(65536):
            pass

    server = HostileServer(wait)
    yield server
    server.close()


def kept(stores: Stores, number: int, url: str) -> str:
    now = utc_now()
    name = delivery_id(f"{number}", 3)
    body = b'{"type":"blob.labelled","data":{"blob":{"id":"x"}}}'
    stores.deliveries.add(Delivery(name, f"{number}", "local", url, body, now, now))
    return name


def test_test_webhook_verifies_with_the_printed_secret(tmp_path: Path, receiver: Receiver) -> None:
    """A receiver can be set up before the first upload."""
    service = ServiceProcess(tmp_path).start()
    sent = service.graphql(SEND_TEST, url=receiver.url)["sendTestWebhook"]["delivery"]
    received = receiver.wait_for(lambda each: each.headers["webhook-id"] == sent["id"])
    stores = open_stores(Settings(data=tmp_path))
    (secret,) = stores.owners.get_or_create("local").webhook_secrets
    stores.database.close()
    event = Webhook(secret.value).verify(received.body, received.headers)
    assert event["type"] == "webhook.test"
    service.stop()


def test_backlog_of_a_dead_receiver_delays_no_other(
    tmp_path: Path, receiver: Receiver, dead: HostileServer
) -> None:
    """Ten thousand webhooks for it are due, and those of the others still go out at once."""
    stores = open_stores(Settings(data=tmp_path))
    with stores.database.write(synced=False):
        for number in range(BACKLOG):
            kept(stores, number, dead.url())
    stores.database.close()
    # An attempt lasts for longer than this test waits for a webhook.
    service = ServiceProcess(tmp_path, "--webhook-timeout", f"{2 * PATIENCE:g}").start()
    wait_until(lambda: dead.connections == MAX_PER_ENDPOINT)
    for _ in range(5):
        sent = service.graphql(SEND_TEST, url=receiver.url)["sendTestWebhook"]["delivery"]
        receiver.wait_for(lambda each, name=sent["id"]: each.headers["webhook-id"] == name)
    assert dead.connections == MAX_PER_ENDPOINT
    service.kill()  # eight attempts are in progress


def test_endpoint_that_answers_410_gets_nothing_until_enabled(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Its webhooks are cancelled meanwhile, and can be sent again."""
    receiver.answer = lambda _: 410
    service = ServiceProcess(tmp_path).start()
    blobs = []
    for _ in range(2):
        blobs.append(service.upload(photo("chelsea.png"), "PNG", receiver.url))
        service.wait_for(blobs[-1], lambda blob: blob["callback"]["status"] == "GAVE_UP")
    assert len(receiver.received) == 1
    assert service.graphql(DISABLED)["disabledWebhookEndpoints"] == [{"url": receiver.url}]
    receiver.answer = lambda _: 200
    service.graphql(ENABLE, url=receiver.url)
    for blob_id in blobs:
        service.graphql(REDELIVER, id=f"msg_{blob_id}")
        blob = service.wait_for(blob_id, lambda blob: blob["callback"]["status"] == "DELIVERED")
        assert [each["responseStatus"] for each in blob["callback"]["attempts"]][-1] == 200
    service.stop()


def test_redeliver_command_sends_all_exhausted_webhooks_once(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """More of them than may be in progress at a time, as after a receiver was down for days."""
    stores = open_stores(Settings(data=tmp_path))
    names = []
    for number in range(5 * MAX_PER_ENDPOINT):
        names.append(kept(stores, number, receiver.url))
        claim = stores.deliveries.claim(names[-1], utc_now(), timedelta(seconds=30))
        assert claim is not None
        failed = Attempt(1, utc_now(), utc_now(), error="timeout")
        stores.deliveries.finish(claim, failed, Verdict(DeliveryState.EXHAUSTED))
    stores.database.close()
    assert main(["deliveries", "redeliver", "--since", "1h", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{len(names)} ")
    service = ServiceProcess(tmp_path).start()
    for name in names:
        receiver.wait_for(lambda each, name=name: each.headers["webhook-id"] == name)
    count = "SELECT count(*) FROM deliveries WHERE state = 'delivered'"
    wait_until(lambda: service.row(count) == (len(names),))
    assert len(receiver.received) == len(names)
    service.stop()
