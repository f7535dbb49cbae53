"""The receivers under examples/ run as processes and get signed requests."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from queue import Queue

import httpx
import pytest

from core.domain.blob import Failure, FailureCode
from core.domain.owner import new_secret
from core.events import webhook_payload
from core.events.webhook_payload import blob_event
from notifier.signing import signed_headers
from tests.support.blobs import NOON, a_blob, failed, full_blob, uploaded
from tests.support.images.photos import photo
from tests.support.node import require_node
from tests.support.services.process import ROOT, ServiceProcess

EXAMPLES = ROOT / "examples"
SECRET = new_secret()
BODY = blob_event(full_blob())


class ReceiverProcess:
    """An example on a free port, until stopped; `lines` are the lines it prints."""

    def __init__(self, command: list[str], *secrets: str) -> None:
        self._process = subprocess.Popen(
            [*command, "--secret", *secrets, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.lines: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()
        started = self.lines.get(timeout=30)
        located = re.fullmatch(r"Listening on (http://127\.0\.0\.1:\d+)/", started)
        assert located, started
        self.url = located[1]

    def send(
        self,
        body: bytes = BODY,
        secrets: tuple[str, ...] = (SECRET,),
        webhook_id: str = "msg_1",
        age: float = 0,
        **changed: str,
    ) -> int:
        """Send a webhook, `age` seconds after it was signed; return the answer's status."""
        headers = signed_headers(secrets, webhook_id, int(time.time() - age), body)
        for name, value in changed.items():
            headers[name.replace("_", "-")] = value
        return httpx.post(self.url, content=body, headers=headers).status_code

    def says(self) -> str:
        """Wait for the next line."""
        return self.lines.get(timeout=10)

    def stop(self) -> None:
        """End it."""
        assert self._process.poll() is None, "it ended by itself"
        self._process.terminate()
        self._process.wait(timeout=10)
        assert self._process.stdout
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.lines.put(line.rstrip("\n"))


Start = Callable[..., ReceiverProcess]


@pytest.fixture(params=["receiver.py", "receiver.mjs"])
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    if request.param.endswith(".mjs"):
        require_node(EXAMPLES)
    interpreter = shutil.which("node") if request.param.endswith(".mjs") else sys.executable
    running: list[ReceiverProcess] = []

    def start(*secrets: str) -> ReceiverProcess:
        command = [interpreter or "", str(EXAMPLES / request.param)]
        running.append(ReceiverProcess(command, *secrets))
        return running[-1]

    yield start
    for process in running:
        process.stop()


@pytest.fixture
def receiver(start: Start) -> ReceiverProcess:
    return start(SECRET)


def test_every_event_type_is_answered_and_printed(receiver: ReceiverProcess) -> None:
    """An unknown type is accepted too."""
    assert receiver.send() == 204
    blob = full_blob()
    labelled = receiver.says().replace(json.loads(BODY)["data"]["blob"]["id"], "ID")
    assert labelled == ("2026-01-31T12:00:02.123Z blob.labelled ID Tabby Cat 99.5%, Ünïcode ☃ 55%")
    failure = Failure(FailureCode.CORRUPT_IMAGE, "Broken\noff.")
    blob = replace(failed(uploaded(a_blob())), failure=failure)
    assert receiver.send(blob_event(blob), webhook_id="msg_2") == 204
    assert receiver.says() == (
        f"2026-01-31T12:00:00.123Z blob.failed {blob.id} CORRUPT_IMAGE: Broken?off."
    )
    assert receiver.send(webhook_payload.test_event(NOON), webhook_id="msg_3") == 204
    assert receiver.says().startswith("2026-01-31T12:00:00.123Z webhook.test {")
    new = b'{"type":"blob.new","timestamp":"2026-01-31T12:00:00.123Z","data":{}}'
    assert receiver.send(new, webhook_id="msg_4") == 204
    assert receiver.says() == "2026-01-31T12:00:00.123Z blob.new {}"


def test_duplicate_is_answered_and_dropped(receiver: ReceiverProcess) -> None:
    """The webhook-id decides, whatever the timestamp."""
    assert receiver.send() == 204
    assert receiver.send() == 204
    assert receiver.send(age=60) == 204
    assert receiver.send(webhook_payload.test_event(NOON), webhook_id="msg_2") == 204
    assert "blob.labelled" in receiver.says()
    assert "webhook.test" in receiver.says()


@pytest.mark.parametrize("age", [-280, 280])
def test_clocks_may_differ_by_minutes(receiver: ReceiverProcess, age: float) -> None:
    assert receiver.send(age=age) == 204


@pytest.mark.parametrize("age", [-400, 301, 90_000])
def test_old_or_future_timestamp_is_rejected(receiver: ReceiverProcess, age: float) -> None:
    assert receiver.send(age=age) == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook_id": "msg_2"},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v1"},
        {"webhook_signature": "v1," + "A" * 43 + "="},
        {"webhook_signature": "v1,\xff"},
    ],
    ids=repr,
)
def test_changed_header_is_rejected(receiver: ReceiverProcess, changed: dict[str, str]) -> None:
    headers = signed_headers([SECRET], "msg_1", int(time.time()), BODY)
    for name, value in changed.items():
        headers[name.replace("_", "-")] = value
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    assert httpx.post(receiver.url, content=BODY, headers=raw).status_code == 401


def test_changed_body_or_foreign_signature_is_rejected(receiver: ReceiverProcess) -> None:
    headers = signed_headers([SECRET], "msg_1", int(time.time()), BODY)
    worse = BODY.replace(b"99.5", b"12.5")
    assert httpx.post(receiver.url, content=worse, headers=headers).status_code == 401
    assert receiver.send(secrets=(new_secret(),)) == 401
    assert receiver.send(webhook_timestamp=str(int(time.time()) + 7)) == 401
    signed_otherwise = headers["webhook-signature"].replace("v1,", "v2,")
    assert receiver.send(webhook_signature=signed_otherwise) == 401
    assert receiver.send() == 204, "a rejected request does not count as a duplicate"


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook_id": ""},
        {"webhook_timestamp": "noon"},
        {"webhook_timestamp": ""},
        {"webhook_signature": ""},
    ],
    ids=repr,
)
def test_missing_or_malformed_header_is_rejected(
    receiver: ReceiverProcess, changed: dict[str, str]
) -> None:
    headers = signed_headers([SECRET], "msg_1", int(time.time()), BODY)
    for name, value in changed.items():
        headers[name.replace("_", "-")] = value
    assert httpx.post(receiver.url, content=BODY, headers=headers).status_code == 400


@pytest.mark.parametrize("body", [b"x", b"[]", b"7", b"null", b"{}", b"\xff", b"x" * 200_000])
def test_signed_body_that_is_not_an_event_is_rejected(
    receiver: ReceiverProcess, body: bytes
) -> None:
    """The receiver goes on."""
    assert receiver.send(body) == 400
    assert receiver.send() == 204


def test_receiver_survives_a_sender_that_disconnects(receiver: ReceiverProcess) -> None:
    """After half a body, without reading the answer."""
    host, _, port = receiver.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
    assert receiver.send() == 204


def test_receiver_verifies_during_a_rotation(start: Start) -> None:
    """Two signatures and one secret, or one signature and two secrets."""
    old, new = new_secret(), new_secret()
    with_old, with_new, with_both = start(old), start(new), start(old, new)
    for receiver in (with_old, with_new, with_both):
        assert receiver.send(secrets=(new, old)) == 204
    assert with_both.send(secrets=(old,), webhook_id="msg_2") == 204
    assert with_both.send(secrets=(new,), webhook_id="msg_3") == 204
    assert with_new.send(secrets=(old,), webhook_id="msg_2") == 401


def test_receiver_prints_a_webhook_of_the_real_service(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    service = ServiceProcess(tmp_path_factory.mktemp("data")).start()
    try:
        printed = subprocess.run(
            [sys.executable, "-m", "embedded", "webhook-secret", "--data", str(service.data)],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        receiver = start(*printed.stdout.split())
        blob_id = service.upload(photo("chelsea.png"), callback=receiver.url + "/hook")
        line = receiver.says()
        assert f" blob.labelled {blob_id} " in line
        assert "Cat" in line
        service.wait_for(blob_id, lambda blob: blob["callback"]["status"] == "DELIVERED")
    finally:
        service.stop()
