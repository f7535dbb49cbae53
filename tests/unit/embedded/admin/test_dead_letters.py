"""What is known of the reason of a dead letter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.blob import Blob, expire
from core.domain.clock import utc_now
from core.domain.delivery import Delivery, delivery_job
from embedded.admin.dead_letters import describe_letter
from embedded.events import object_created, stream_event
from embedded.settings import Settings
from embedded.stores import Stores, open_stores
from tests.support.blobs import a_blob


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    stores = open_stores(Settings(data=tmp_path))
    yield stores
    stores.database.close()


def described(stores: Stores, queue: str, body: str) -> tuple[object, object, object]:
    """Describe a dead letter: owner, subject, reason."""
    found = next(each for each in stores.queues if each.name == queue)
    found.send_dead_letter(body)
    (letter,) = found.dead_letters(10)
    record = describe_letter(stores, queue, letter)
    assert (record["queue"], record["id"], record["receives"]) == (queue, letter.id, 0)
    return record["owner"], record["subject"], record["reason"]


def arrival(blob: Blob) -> str:
    return json.dumps(object_created(blob.key, size=3, sha256="c2hh", at=utc_now()))


def test_upload_is_described_by_the_state_of_its_blob(stores: Stores) -> None:
    blob = a_blob(utc_now(), owner="anna")
    stores.blobs.create(blob)
    stores.blobs.save(expire(blob, utc_now()), blob)
    owner, subject, reason = described(stores, "uploads", arrival(blob))
    assert (owner, subject) == ("anna", blob.id)
    assert reason == "Labelling failed. The blob is EXPIRED now."


def test_upload_of_a_deleted_blob_says_so(stores: Stores) -> None:
    blob = a_blob(utc_now(), owner="anna")
    assert described(stores, "uploads", arrival(blob)) == (
        "anna",
        blob.id,
        "The blob was deleted.",
    )


def test_delivery_is_described_by_its_last_attempt(stores: Stores) -> None:
    now = utc_now()
    delivery = Delivery("msg_1_1", "1", "anna", "https://example.org/", b"{}", now, now)
    stores.deliveries.add(delivery)
    assert described(stores, "hints", delivery_job(delivery.id)) == (
        "anna",
        "msg_1_1",
        "The notifier failed before its first attempt.",
    )


def test_change_is_described_by_its_blob(stores: Stores) -> None:
    stores.blobs.create(a_blob(utc_now(), owner="anna"))
    (change,) = stores.blobs.changes.read_after(0, 10)
    owner, subject, reason = described(stores, "changes", json.dumps(stream_event([change])))
    assert (owner, subject) == ("anna", change.blob_id)
    assert reason == "The notifier could not process a change of the blob."


@pytest.mark.parametrize("queue", ["uploads", "hints", "changes"])
@pytest.mark.parametrize(
    "body", ["", "{", "[]", "7", "null", '"x"', '{"Records": 7}', '{"Records": [{}]}', "[" * 9999]
)
def test_malformed_message_is_described_as_such(stores: Stores, queue: str, body: str) -> None:
    owner, subject, reason = described(stores, queue, body)
    assert (owner, subject) == (None, None)
    assert str(reason).startswith("The message is malformed: no retry will help.")
