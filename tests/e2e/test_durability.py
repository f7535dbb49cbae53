"""Acknowledged work survives kill -9 at any moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from core.domain.clock import from_text, utc_now
from tests.conftest import NIGHTLY
from tests.support.images.photos import large_photo, photo
from tests.support.services.process import ServiceProcess, put
from tests.support.waiting import PATIENCE, wait_until
from tests.support.webhooks.receiver import Receiver

# Each has the kill come at another moment.
ROUNDS = 10 if NIGHTLY else 3


def settle(service: ServiceProcess, receiver: Receiver, blob_id: str) -> None:
    """After a restart the blob is labelled and its webhook delivered, always under one id."""
    blob = service.wait_for(blob_id, lambda blob: blob["callback"]["status"] == "DELIVERED")
    assert blob["status"] == "LABELLED"
    ids = {
        received.headers["webhook-id"]
        for received in receiver.received
        if json.loads(received.body)["data"]["blob"]["id"] == blob_id
    }
    assert len(ids) == 1


def test_acknowledged_upload_survives_kill(tmp_path: Path, receiver: Receiver) -> None:
    """After the PUT's 200 the image is labelled, whenever the process was killed."""
    service = ServiceProcess(tmp_path).start()
    for number in range(ROUNDS):
        target = service.create_upload("PNG", receiver.url)
        put(target, photo("chelsea.png") + bytes([number]))  # different bytes each time
        service.kill()
        service.start()
        settle(service, receiver, target["blob_id"])
    service.stop()


def test_image_is_labelled_after_kill_during_labelling(tmp_path: Path, receiver: Receiver) -> None:
    """Its message is visible again at the next start."""
    service = ServiceProcess(tmp_path).start()
    picture = large_photo()
    for number in range(ROUNDS):
        # Different bytes each time, because the labels of equal bytes are reused.
        blob_id = service.upload(picture + bytes([number]), "PNG", receiver.url)
        service.wait_for_log("labelling", blob_id)
        service.kill()
        assert service.row("SELECT status FROM blobs WHERE id = ?", blob_id) == ("LABELLING",)
        service.start()
        settle(service, receiver, blob_id)
    service.stop()


def test_webhook_is_sent_after_kill_between_labelling_and_webhook(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The labels are stored and the receiver has not answered yet. It gets the webhook again."""
    hold = threading.Event()
    receiver.answer = lambda _: 200 if hold.wait(PATIENCE) else 500
    service = ServiceProcess(tmp_path).start()
    for _ in range(ROUNDS):
        hold.clear()
        blob_id = service.upload(photo("chelsea.png"), "PNG", receiver.url)
        service.wait_for_log("labelled", blob_id)
        service.kill()
        assert service.row("SELECT status FROM blobs WHERE id = ?", blob_id) == ("LABELLED",)
        assert service.row(
            "SELECT count(*) FROM deliveries WHERE blob_id = ? AND state = 'delivered'", blob_id
        ) == (0,)
        hold.set()
        service.start()
        settle(service, receiver, blob_id)
        attempts = service.blob(blob_id)["callback"]["attempts"]
        assert attempts[-1]["responseStatus"] == 200
    service.stop()


def test_interrupted_attempt_is_unknown_and_webhook_is_sent_again(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The process is killed between the POST and its response."""
    hold = threading.Event()
    receiver.answer = lambda _: 200 if hold.wait(PATIENCE) else 500
    service = ServiceProcess(tmp_path).start()
    blob_id = service.upload(photo("chelsea.png"), "PNG", receiver.url)
    receiver.wait_for(lambda _: True)
    service.kill()
    hold.set()
    service.start()
    settle(service, receiver, blob_id)
    first, second = service.blob(blob_id)["callback"]["attempts"]
    assert (first["errorCode"], first["responseStatus"]) == ("UNKNOWN", None)
    assert second["responseStatus"] == 200
    service.stop()


def test_kill_during_put_leaves_no_partial_image(tmp_path: Path) -> None:
    """The blob stays AWAITING_UPLOAD and accepts another PUT."""
    service = ServiceProcess(tmp_path).start()
    target = service.create_upload("PNG")

    def half() -> Iterator[bytes]:
        yield photo("chelsea.png")[:1000]
        service.kill()
        yield photo("chelsea.png")[1000:]  # nobody reads it

    headers = {header["name"]: header["value"] for header in target["headers"]}
    with pytest.raises(httpx.HTTPError):
        httpx.put(
            target["url"],
            content=half(),
            headers={**headers, "content-length": str(len(photo("chelsea.png")))},
        )
    service.start()
    assert service.blob(target["blob_id"])["status"] == "AWAITING_UPLOAD"
    assert list((tmp_path / ".incoming").glob("*")) == []
    assert list(tmp_path.rglob(target["blob_id"])) == []
    service.stop()


DELETE = "mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename } }"
RELABEL = "mutation ($id: ID!) { relabelBlob(blobId: $id) { __typename } }"
IN_USE = "{ labels { nodes { name } } blobs { nodes { id } } }"


def test_acknowledged_relabel_survives_kill(tmp_path: Path, receiver: Receiver) -> None:
    """The image is labelled again, and its webhook is sent."""
    service = ServiceProcess(tmp_path).start()
    blob_id = service.upload(photo("chelsea.png"), "PNG", receiver.url)
    settle(service, receiver, blob_id)
    for version in (5, 7, 9):
        service.graphql(RELABEL, id=blob_id)
        service.kill()
        service.start()
        service.wait_for(blob_id, lambda blob: blob["status"] == "LABELLED")
        told = f"msg_{blob_id}_{version}"
        receiver.wait_for(lambda received, told=told: received.headers["webhook-id"] == told)
    service.stop()


def test_acknowledged_deletion_survives_kill(tmp_path: Path) -> None:
    """An interrupted one leaves the blob complete, or deletes it when it is repeated."""
    service = ServiceProcess(tmp_path).start()
    blob_ids = [service.upload(photo("chelsea.png")) for _ in range(16)]
    for blob_id in blob_ids:
        service.wait_for(blob_id, lambda blob: blob["status"] == "LABELLED")
    gone = []

    def delete_all() -> None:
        with suppress(httpx.HTTPError):
            for blob_id in blob_ids:
                service.graphql(DELETE, id=blob_id)
                gone.append(blob_id)
                if len(gone) == len(blob_ids) // 2:
                    half_way.set()

    half_way = threading.Event()
    deleting = threading.Thread(target=delete_all)
    deleting.start()
    assert half_way.wait(PATIENCE)
    service.kill()
    deleting.join()
    service.start()
    for blob_id in gone:
        assert list(tmp_path.rglob(blob_id)) == []
    for blob_id in blob_ids:
        assert service.graphql(DELETE, id=blob_id) == {"deleteBlob": {"__typename": "DeletedBlob"}}
        assert list(tmp_path.rglob(blob_id)) == []
    wait_until(lambda: service.graphql(IN_USE) == {"labels": {"nodes": []}, "blobs": {"nodes": []}})
    service.stop()


def test_waiting_deletion_survives_kill(tmp_path: Path) -> None:
    """What is due is deleted after the next start; what still waits can be restored."""
    delete = """mutation ($id: ID!, $seconds: Int!) {
        deleteBlob(blobId: $id, input: {delaySeconds: $seconds}) {
            ... on DeletedBlob { deletesAt }
        }
    }"""
    service = ServiceProcess(tmp_path).start()
    due, waiting = (service.create_upload("PNG")["blob_id"] for _ in range(2))
    at = service.graphql(delete, id=due, seconds=1)["deleteBlob"]["deletesAt"]
    service.graphql(delete, id=waiting, seconds=3600)
    service.kill()
    wait_until(lambda: utc_now() > from_text(at))
    service.start()
    wait_until(lambda: service.row("SELECT 1 FROM blobs WHERE id = ?", due) is None)
    restore = "mutation ($ids: [ID!]!) { restoreBlobs(ids: $ids) { __typename } }"
    service.graphql(restore, ids=[due, waiting])
    blobs = service.graphql("{ blobs { nodes { id deletesAt } } }")["blobs"]
    assert blobs["nodes"] == [{"id": waiting, "deletesAt": None}]
    service.stop()
