"""The whole service as a user meets it: a real process, real images, real webhooks."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from core.domain.webhook_url import CallbackRules
from embedded.welcome import welcome
from tests.support.images.photos import as_jpeg, large_photo, photo
from tests.support.services.process import ROOT, ServiceProcess, put
from tests.support.waiting import wait_until
from tests.support.webhooks.receiver import Received, Receiver
from tests.support.webhooks.schema import valid


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    running = ServiceProcess(tmp_path_factory.mktemp("data")).start()
    yield running
    assert running.stop() == 0


def about(blob_id: str) -> Any:
    def holds(received: Received) -> bool:
        return json.loads(received.body)["data"]["blob"]["id"] == blob_id

    return holds


def secret_of(service: ServiceProcess) -> str:
    printed = subprocess.run(
        [ROOT / ".venv/bin/labelling", "webhook-secret", "--data", str(service.data)],
        check=True,
        capture_output=True,
        text=True,
    )
    return printed.stdout.strip()


def test_upload_gets_labels_a_webhook_and_a_search_result(
    service: ServiceProcess, receiver: Receiver
) -> None:
    """One photograph of a cat, from createUpload to blobsByLabel."""
    target = service.create_upload("PNG", receiver.url)
    blob_id = target["blob_id"]
    waiting = service.blob(blob_id)
    assert waiting["status"] == "AWAITING_UPLOAD"
    assert waiting["labels"] is None
    assert waiting["callback"]["status"] == "PENDING"

    put(target, photo("chelsea.png"))
    received = receiver.wait_for(about(blob_id))

    verified = Webhook(secret_of(service)).verify(received.body, received.headers)
    assert verified == valid(received.body)
    assert verified["type"] == "blob.labelled"
    names = [label["name"] for label in verified["data"]["blob"]["labels"]]
    assert "Cat" in names
    assert "Animal" in names

    blob = service.wait_for(blob_id, lambda blob: blob["callback"]["status"] == "DELIVERED")
    assert blob["status"] == "LABELLED"
    assert blob["sizeBytes"] == len(photo("chelsea.png"))
    assert (blob["width"], blob["height"]) == (451, 300)
    assert [label["name"] for label in blob["labels"]] == names
    posted = [{**label, "source": "DETECTOR"} for label in blob["labels"]]
    assert posted == verified["data"]["blob"]["labels"]
    assert [attempt["responseStatus"] for attempt in blob["callback"]["attempts"]] == [200]

    found = service.graphql(
        '{ blobsByLabel(label: "cat") { edges { confidence node { id } } }'
        ' labels(prefix: "ca") { nodes { name blobCount } } }'
    )
    several = service.graphql(
        '{ with: blobs(filter: {labels: {all: ["cat", "ANIMAL"], any: ["cat"]}}) { nodes { id } }'
        ' without: blobs(filter: {labels: {any: ["cat", "animal"], none: ["Cat"]}})'
        " { nodes { id } } }"
    )
    assert {"id": blob_id} in several["with"]["nodes"]
    assert {"id": blob_id} not in several["without"]["nodes"]
    cat = next(label for label in blob["labels"] if label["name"] == "Cat")
    assert {"confidence": cat["confidence"], "node": {"id": blob_id}} in found["blobsByLabel"][
        "edges"
    ]
    in_use = {label["name"]: label["blobCount"] for label in found["labels"]["nodes"]}
    assert in_use["Cat"] == len(found["blobsByLabel"]["edges"])

    assert httpx.get(blob["downloadUrl"]).content == photo("chelsea.png")


def test_concurrent_requests_with_one_idempotency_key_create_one_blob(
    service: ServiceProcess,
) -> None:
    """It accepts the bytes once. Later requests return the same blob."""
    create = """
    mutation ($input: CreateUploadInput!) {
      createUpload(input: $input) {
        __typename
        ... on CreatedUpload { blob { id status } target { url headers { name value } } }
        ... on IdempotencyKeyReused { blobId }
      }
    }
    """
    wish = {"contentType": "PNG", "idempotencyKey": "one upload"}
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(service.graphql, create, input=wish) for _ in range(16)]
        made = [each.result()["createUpload"] for each in asked]
    (blob_id,) = {each["blob"]["id"] for each in made}
    put(made[-1]["target"], photo("coffee.png"))
    service.wait_for(blob_id, lambda blob: blob["status"] == "LABELLED")
    again = service.graphql(create, input=wish)["createUpload"]
    assert again["blob"] == {"id": blob_id, "status": "LABELLED"}
    assert again["target"] is None
    target = made[-1]["target"]
    headers = {header["name"]: header["value"] for header in target["headers"]}
    refused = httpx.put(target["url"], content=b"other", headers=headers)
    assert refused.status_code == 409
    other = service.graphql(create, input={**wish, "maxLabels": 3})["createUpload"]
    assert other == {"__typename": "IdempotencyKeyReused", "blobId": blob_id}


def test_relabelled_image_gets_another_webhook(service: ServiceProcess, receiver: Receiver) -> None:
    """The webhook has an id of its own. Without the image's bytes relabelling fails."""
    blob_id = service.upload(photo("coffee.png"), "PNG", receiver.url)
    receiver.wait_for(about(blob_id))
    first = service.wait_for(blob_id, lambda blob: blob["callback"]["status"] == "DELIVERED")
    relabel = "mutation ($id: ID!) { relabelBlob(blobId: $id) { __typename } }"
    assert service.graphql(relabel, id=blob_id) == {"relabelBlob": {"__typename": "RelabelledBlob"}}
    again = receiver.wait_for(lambda received: received is not receiver.received[0])
    assert again.headers["webhook-id"] != receiver.received[0].headers["webhook-id"]
    second = service.wait_for(blob_id, lambda blob: blob["callback"]["status"] == "DELIVERED")
    assert (second["labels"], second["status"]) == (first["labels"], "LABELLED")
    assert second["labelledAt"] > first["labelledAt"]
    (service.data / "originals" / "local" / blob_id).unlink()
    service.graphql(relabel, id=blob_id)
    failed = service.wait_for(blob_id, lambda blob: blob["status"] == "FAILED")
    assert failed["failure"]["code"] == "ORIGINAL_MISSING"


def test_deletion_removes_blob_labels_counts_webhook_and_bytes(
    service: ServiceProcess, receiver: Receiver
) -> None:
    """Its URLs return errors, and no webhook follows."""
    receiver.answer = lambda _: 500
    target = service.create_upload("PNG", receiver.url)
    blob_id = target["blob_id"]
    put(target, photo("coffee.png"))
    receiver.wait_for(about(blob_id))
    blob = service.wait_for(blob_id, lambda blob: blob["callback"]["attempts"])
    before = counts(service)
    file = service.data / "originals" / "local" / blob_id
    assert file.exists()
    for _ in range(2):
        answer = service.graphql(
            "mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename } }", id=blob_id
        )
        assert answer == {"deleteBlob": {"__typename": "DeletedBlob"}}
    assert service.graphql("query ($id: ID!) { blob(id: $id) { id } }", id=blob_id)["blob"] is None
    assert httpx.get(blob["downloadUrl"]).status_code == 404
    headers = {header["name"]: header["value"] for header in target["headers"]}
    again = httpx.put(target["url"], content=photo("coffee.png"), headers=headers)
    assert (again.status_code, again.json()["code"]) == (404, "NoSuchKey")
    assert not file.exists()
    names = {label["name"] for label in blob["labels"]}
    wanted = {name: count - (name in names) for name, count in before.items()}
    wanted = {name: count for name, count in wanted.items() if count}
    wait_until(lambda: counts(service) == wanted)
    left = service.row("SELECT count(*) FROM deliveries WHERE blob_id = ?", blob_id)
    assert left == (0,)


def counts(service: ServiceProcess) -> dict[str, int]:
    found = service.graphql("{ labels(first: 100) { nodes { name blobCount } } }")
    return {label["name"]: label["blobCount"] for label in found["labels"]["nodes"]}


def test_unreadable_image_fails_with_a_code_and_a_webhook(
    service: ServiceProcess, receiver: Receiver
) -> None:
    """Bytes that are no image end FAILED, and the webhook has the reason."""
    blob_id = service.upload(b"\x89PNG\r\n\x1a\n" + b"junk" * 100, "PNG", receiver.url)
    received = receiver.wait_for(about(blob_id))
    told = Webhook(secret_of(service)).verify(received.body, received.headers)
    assert told == valid(received.body)
    assert told["type"] == "blob.failed"
    assert told["data"]["blob"]["failure"]["code"] == "CORRUPT_IMAGE"
    blob = service.wait_for(blob_id, lambda blob: blob["status"] == "FAILED")
    assert blob["failure"] == told["data"]["blob"]["failure"]
    assert blob["labels"] is None


def test_rest_routes_upload_and_label(service: ServiceProcess, receiver: Receiver) -> None:
    """POST /v1/blobs, PUT, GET /v1/blobs/{id}: the commands of the start-up message."""
    created = httpx.post(
        f"{service.url}/v1/blobs",
        json={"callback_url": receiver.url, "content_type": "image/jpeg"},
    ).json()
    sent = httpx.put(
        created["upload_url"],
        content=as_jpeg(photo("chelsea.png")),
        headers=created["upload_headers"],
    )
    assert sent.status_code == 200
    receiver.wait_for(about(created["blob_id"]))
    shown = httpx.get(f"{service.url}/v1/blobs/{created['blob_id']}").json()
    assert shown["status"] == "LABELLED"
    assert "Cat" in [label["label"] for label in shown["labels"]]


def test_printed_commands_work_when_pasted(service: ServiceProcess, tmp_path: Path) -> None:
    """They upload a JPEG and show its labels."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (tmp_path / "cat.jpg").write_bytes(as_jpeg(photo("chelsea.png")))
    rules = CallbackRules(private=True)
    text = welcome(service.url, service.data, keyless=True, rules=rules, unconfined=None)
    commands = text.partition("Try it")[2].partition("\n")[2].partition("\n\n")[0]
    shown = subprocess.run(
        ["sh", "-c", commands], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    blob = json.loads(shown.stdout)
    assert blob["status"] == "LABELLED"
    assert "Cat" in [label["label"] for label in blob["labels"]]


def test_failed_webhook_is_retried_with_the_same_id(
    service: ServiceProcess, receiver: Receiver
) -> None:
    """A 500, then a 200: one webhook-id, a new timestamp, both signatures valid."""
    receiver.answer = lambda _: 500 if len(receiver.received) == 1 else 200
    blob_id = service.upload(photo("coffee.png"), "PNG", receiver.url)
    receiver.wait_for(about(blob_id))
    retrying = service.wait_for(blob_id, lambda blob: blob["callback"]["attempts"])
    assert retrying["callback"]["status"] == "RETRYING"
    assert retrying["callback"]["nextAttemptAt"]
    service.wait_for(blob_id, lambda blob: blob["callback"]["status"] == "DELIVERED")
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    assert first.body == second.body
    for received in (first, second):
        Webhook(secret_of(service)).verify(received.body, received.headers)


def test_idle_service_rarely_wakes_up(service: ServiceProcess) -> None:
    """Twenty times a second at most: for its event loop, and to look for changes of others.

    On a busy machine its start may go on for a while.
    """

    def is_quiet() -> bool:
        before, began = wake_ups(service.pid), time.monotonic()
        time.sleep(2)
        return wake_ups(service.pid) - before < 20 * (time.monotonic() - began)

    wait_until(is_quiet)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_finishes_or_requeues_work_in_progress(tmp_path: Path, number: signal.Signals) -> None:
    """An image in progress is labelled before the stop or after the next start."""
    service = ServiceProcess(tmp_path).start()
    picture = large_photo(2000)
    blob_ids = [service.upload(picture + bytes([number])) for number in range(4)]
    assert service.stop(number) == 0
    service.start()
    for blob_id in blob_ids:
        service.wait_for(blob_id, lambda blob: blob["status"] == "LABELLED")
    service.stop()


def wake_ups(pid: int) -> int:
    """Return how often threads of a process have waited for something and gone on."""
    threads = list(Path(f"/proc/{pid}/task").glob("*/status"))
    if not threads:
        pytest.skip("wake-ups are read from /proc, which this system lacks")
    counted = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)
    return sum(int(found[1]) for each in threads for found in counted.finditer(each.read_text()))
