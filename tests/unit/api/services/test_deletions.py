"""Deletion by a blob's owner: at once, or after a delay in which it can be restored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.rest.app import create_app
from api.services import deletions
from core.domain.blob import Blob, label_again
from core.domain.change import label_names
from core.domain.clock import to_text
from core.domain.delivery import MAX_PER_ENDPOINT, Delivery, delivery_id
from core.domain.errors import StorageFull, Unavailable
from core.domain.label import Label
from core.repositories.ports.audit import AuditAction
from tests.support.graphql_client import GraphQL
from tests.support.images.embeddings import embedding
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

HOOK = "https://example.org/hook"
DELETE = """
mutation ($id: ID!, $options: DeletionInput) {
  deleteBlob(blobId: $id, input: $options) {
    __typename
    ... on DeletedBlob { blobId deletesAt }
    ... on BlobNotFound { blobId }
    ... on InvalidInput { problems { field path message } }
    ... on Error { message }
  }
}
"""
DELETE_MANY = """
mutation ($ids: [ID!]!, $options: DeletionInput) {
  deleteBlobs(ids: $ids, input: $options) {
    __typename
    ... on DeletedBlobs {
      outcomes {
        __typename
        ... on DeletedBlob { blobId deletesAt }
        ... on BlobNotFound { blobId }
      }
    }
    ... on InvalidInput { problems { field path message } }
  }
}
"""
RESTORE = """
mutation ($ids: [ID!]!) {
  restoreBlobs(ids: $ids) {
    __typename
    ... on RestoredBlobs {
      outcomes {
        __typename
        ... on RestoredBlob { blob { id deletesAt } }
        ... on BlobNotFound { blobId }
        ... on ServiceUnavailable { blobId }
      }
    }
    ... on InvalidInput { problems { field path message } }
  }
}
"""
SEEN = """
query ($id: ID!, $webhook: ID!) {
  blob(id: $id) { id }
  node(id: $id) { id }
  blobs { nodes { id } }
  blobsByLabel(label: "cat") { nodes { id } }
  webhookDelivery(id: $webhook) { id }
}
"""
LISTS = """
query ($id: ID!) {
  blobs { totalCount nodes { id } }
  labelled: blobs(filter: {status: [LABELLED]}) { totalCount nodes { id } }
  blobsByLabel(label: "cat") { nodes { id } }
  labels { nodes { name blobCount cover { id } } }
  blob(id: $id) { similar { nodes { id } } }
}
"""
NOTHING: dict[str, Any] = {
    "blob": None,
    "node": None,
    "blobs": {"nodes": []},
    "blobsByLabel": {"nodes": []},
    "webhookDelivery": None,
}
KINDS = ["awaiting", "labelling", "labelled", "failed", "expired"]
HALF_A_MINUTE = timedelta(seconds=30)


def delete(client: GraphQL, blob_id: str, delay: int | None = None) -> dict[str, Any]:
    options = None if delay is None else {"delaySeconds": delay}
    answer: dict[str, Any] = client.ask(DELETE, id=blob_id, options=options)["deleteBlob"]
    return answer


def webhook_of(stores: EmbeddedStores, blob_id: str) -> str:
    now = stores.clock()
    delivery = Delivery(delivery_id(blob_id, 3), blob_id, "anna", HOOK, b"{}", now, now)
    stores.deliveries.add(delivery)
    return delivery.id


def deleted(blob: Blob, deletes_at: str | None = None) -> dict[str, Any]:
    return {"__typename": "DeletedBlob", "blobId": blob.id, "deletesAt": deletes_at}


def restore(client: GraphQL, *ids: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.ask(RESTORE, ids=ids)["restoreBlobs"]["outcomes"]
    return found


def restored(blob_id: str) -> dict[str, Any]:
    return {"__typename": "RestoredBlob", "blob": {"id": blob_id, "deletesAt": None}}


# At once


@pytest.mark.parametrize("kind", KINDS)
def test_deleted_blob_disappears_in_any_status(
    stores: EmbeddedStores, anna: GraphQL, kind: str
) -> None:
    """With its record, list entries, webhook and bytes."""
    blob = getattr(stores, kind)(callback_url=HOOK)
    webhook = webhook_of(stores, blob.id)
    assert delete(anna, blob.id) == deleted(blob)
    assert anna.ask(SEEN, id=blob.id, webhook=webhook) == NOTHING
    assert not stores.storage.path(blob.key).exists()
    assert stores.deliveries.find_due(stores.clock(), 10) == []
    assert stores.deliveries.claim(webhook, stores.clock(), timedelta(seconds=30)) is None


def test_deletion_removes_labels(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Also the labels of a blob that is being labelled again."""
    blob = stores.labelled("anna", Label("Cat", 90.0))
    stores.saved(label_again(blob, stores.clock()))
    delete(anna, blob.id)
    assert anna.ask(SEEN, id=blob.id, webhook="x") == NOTHING


def test_repeated_deletion_returns_the_same(stores: EmbeddedStores, anna: GraphQL) -> None:
    """A client that lost the first response can retry; after 35 days the result is BlobNotFound."""
    blob = stores.labelled("anna")
    answers = [delete(anna, blob.id) for _ in range(3)]
    assert answers == [deleted(blob)] * 3
    stores.clock.advance(timedelta(days=36))
    stores.blobs.trim_deleted(stores.clock())
    assert delete(anna, blob.id)["__typename"] == "BlobNotFound"


def test_deleting_absent_and_foreign_blobs_looks_alike(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """The two results differ only in the id, also after the deletion."""
    blob = stores.labelled("anna")
    webhook = webhook_of(stores, blob.id)
    for _ in range(2):
        for blob_id in (blob.id, "absent", "", "../x"):
            assert delete(boris, blob_id) == {
                "__typename": "BlobNotFound",
                "blobId": blob_id,
                "message": f"No blob {blob_id}.",
            }
        delete(anna, blob.id)
    other = stores.labelled("anna")
    delete(boris, other.id)
    assert stores.now(other) == other
    assert stores.storage.size(other.key) == 5
    assert stores.deliveries.get(webhook) is None


@pytest.mark.parametrize("broken", ["deliveries.remove", "storage.delete"])
def test_repeated_deletion_finishes_an_interrupted_one(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    blob = stores.labelled("anna", callback_url=HOOK)
    webhook = webhook_of(stores, blob.id)
    store, _, method = broken.partition(".")

    def fails(*_: object) -> None:
        raise Unavailable("busy")

    with monkeypatch.context() as patch:
        patch.setattr(getattr(stores, store), method, fails)
        error = anna.error(DELETE, id=blob.id)
    assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
    assert stores.blobs.get(blob.id) is None
    assert delete(anna, blob.id)["__typename"] == "DeletedBlob"
    assert anna.ask(SEEN, id=blob.id, webhook=webhook) == NOTHING
    assert not stores.storage.path(blob.key).exists()


def test_deletion_survives_a_concurrent_change(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels that were added in between are deleted too."""
    blob = stores.labelled("anna", Label("Dog", 90.0))
    real, changes = stores.blobs.find, [1, 2]

    def find(*args: Any) -> Any:
        found = real(*args)
        if changes.pop() == 2:
            stores.saved(label_again(stores.now(blob), stores.clock()))
        return found

    monkeypatch.setattr(stores.blobs, "find", find)
    assert delete(anna, blob.id)["__typename"] == "DeletedBlob"
    assert stores.blobs.get(blob.id) is None


def test_deletion_enqueues_deliveries_that_waited_behind_it(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    blobs = [stores.labelled("anna", callback_url=HOOK) for _ in range(MAX_PER_ENDPOINT + 1)]
    webhooks = [webhook_of(stores, blob.id) for blob in blobs]
    delete(anna, blobs[0].id)
    assert stores.enqueued == [webhooks[-1]]


def test_deletion_succeeds_when_the_queue_is_unavailable(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """The sweep finds the waiting deliveries."""
    blobs = [stores.labelled("anna", callback_url=HOOK) for _ in range(MAX_PER_ENDPOINT + 1)]
    webhooks = [webhook_of(stores, blob.id) for blob in blobs]

    class Full(list[str]):
        def append(self, _: str) -> None:
            raise Unavailable("no queue")

    stores.enqueued = Full()
    services = stores.services()
    asyncio.run(deletions.delete(services, "anna", blobs[0].id))
    assert not stores.storage.path(blobs[0].key).exists()
    assert webhooks[-1] in stores.deliveries.find_due(stores.clock(), 100)


# After a delay


@pytest.mark.parametrize("kind", KINDS)
def test_blob_waits_in_any_status_and_is_restored(
    stores: EmbeddedStores, anna: GraphQL, kind: str
) -> None:
    """Meanwhile it is found by its id, with its bytes and webhook."""
    blob = getattr(stores, kind)(callback_url=HOOK)
    webhook = webhook_of(stores, blob.id)
    before = anna.ask(SEEN, id=blob.id, webhook=webhook)
    has_bytes = stores.storage.path(blob.key).exists()
    time = to_text(stores.clock() + HALF_A_MINUTE)
    assert delete(anna, blob.id, 30) == deleted(blob, time)
    found = anna.ask("query ($id: ID!) { blob(id: $id) { status deletesAt } }", id=blob.id)
    assert found == {"blob": {"status": blob.status.value, "deletesAt": time}}
    while_it_waits = {**NOTHING, "blob": {"id": blob.id}, "node": {"id": blob.id}}
    while_it_waits["webhookDelivery"] = {"id": webhook}
    assert anna.ask(SEEN, id=blob.id, webhook=webhook) == while_it_waits
    stores.clock.advance(HALF_A_MINUTE - timedelta(milliseconds=1))
    deletions.delete_due(stores.services())
    assert restore(anna, blob.id) == [restored(blob.id)]
    assert anna.ask(SEEN, id=blob.id, webhook=webhook) == before
    assert stores.storage.path(blob.key).exists() == has_bytes
    stores.clock.advance(timedelta(days=2))
    deletions.delete_due(stores.services())
    assert stores.now(blob).status is blob.status


@pytest.mark.parametrize("kind", KINDS)
def test_blob_is_deleted_in_any_status_when_its_time_has_come(
    stores: EmbeddedStores, anna: GraphQL, kind: str
) -> None:
    """As one that is deleted at once; others stay."""
    blob, other = getattr(stores, kind)(callback_url=HOOK), stores.labelled("anna")
    webhook = webhook_of(stores, blob.id)
    delete(anna, blob.id, 30)
    delete(anna, other.id, 31)
    stores.clock.advance(HALF_A_MINUTE + timedelta(milliseconds=1))
    for _ in range(2):
        deletions.delete_due(stores.services())
    assert anna.ask(SEEN, id=blob.id, webhook=webhook) == NOTHING
    assert not stores.storage.path(blob.key).exists()
    assert stores.deliveries.claim(webhook, stores.clock(), timedelta(seconds=30)) is None
    assert delete(anna, blob.id, 30) == deleted(blob)
    assert restore(anna, blob.id, other.id) == [
        {"__typename": "BlobNotFound", "blobId": blob.id},
        restored(other.id),
    ]


def test_waiting_blob_is_in_no_list_search_or_count(stores: EmbeddedStores, anna: GraphQL) -> None:
    """And a restored one in all."""
    labels = (Label("Cat", 90.0),)
    other, blob = (stores.labelled("anna", *labels, embedding=embedding()) for _ in range(2))
    for each in (other, blob):
        stores.blobs.count_labels("anna", each.id, each.version, ["Cat"])
    complete = anna.ask(LISTS, id=other.id)

    def change(call: Callable[[], object]) -> Any:
        call()
        now = stores.now(blob)
        stores.blobs.count_labels("anna", now.id, now.version, label_names(now))
        return anna.ask(LISTS, id=other.id)

    found = change(lambda: delete(anna, blob.id, 30))
    mine = {"nodes": [{"id": other.id}]}
    assert found == {
        "blobs": {"totalCount": 1, **mine},
        "labelled": {"totalCount": 1, **mine},
        "blobsByLabel": mine,
        "labels": {"nodes": [{"name": "Cat", "blobCount": 1, "cover": {"id": other.id}}]},
        "blob": {"similar": {"nodes": []}},
    }
    assert change(lambda: restore(anna, blob.id)) == complete != found


def test_later_deletion_replaces_the_time(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Longer, shorter, or at once."""
    blob = stores.labelled("anna")
    for delay in (30, 60, 10):
        time = to_text(stores.clock() + timedelta(seconds=delay))
        assert delete(anna, blob.id, delay) == deleted(blob, time)
    stores.clock.advance(timedelta(seconds=11))
    deletions.delete_due(stores.services())
    assert stores.blobs.get(blob.id) is None
    other = stores.labelled("anna")
    delete(anna, other.id, 30)
    assert delete(anna, other.id, 0) == deleted(other)
    assert stores.blobs.get(other.id) is None


@pytest.mark.parametrize("delay", [-1, 86_401])
def test_delay_that_is_out_of_range_changes_nothing(
    stores: EmbeddedStores, anna: GraphQL, delay: int
) -> None:
    """The failure says where the value is, and what is allowed."""
    blob = stores.labelled("anna")
    many = anna.ask(DELETE_MANY, ids=[blob.id], options={"delaySeconds": delay})["deleteBlobs"]
    one = delete(anna, blob.id, delay)
    message = f"must be from 0 to 86400, not {delay}"
    problem = {"field": "delaySeconds", "path": ["input", "delaySeconds"], "message": message}
    assert (one["__typename"], one["problems"]) == ("InvalidInput", [problem])
    assert many == {"__typename": "InvalidInput", "problems": [problem]}
    assert stores.now(blob) == blob
    assert delete(anna, blob.id, 86_400)["__typename"] == "DeletedBlob"


def test_many_blobs_wait_and_are_restored_with_an_outcome_for_each_id(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """Absent and foreign ones look alike; one that does not wait is returned as it is."""
    first, second, third = (stores.labelled("anna") for _ in range(3))
    foreign = stores.labelled("boris")
    ids = [first.id, "absent", foreign.id, second.id, first.id]
    time = to_text(stores.clock() + HALF_A_MINUTE)
    found = anna.ask(DELETE_MANY, ids=ids, options={"delaySeconds": 30})["deleteBlobs"]
    absent = [{"__typename": "BlobNotFound", "blobId": each} for each in ("absent", foreign.id)]
    assert found["outcomes"] == [
        deleted(first, time),
        *absent,
        deleted(second, time),
        deleted(first, time),
    ]
    ids = [second.id, "absent", foreign.id, third.id, first.id, second.id]
    assert restore(anna, *ids) == [
        restored(second.id),
        *absent,
        restored(third.id),
        restored(first.id),
        restored(second.id),
    ]
    assert (stores.now(third), stores.now(foreign)) == (third, foreign)
    refused = anna.ask(RESTORE, ids=[str(n) for n in range(101)])["restoreBlobs"]
    assert refused["problems"][0]["field"] == "ids"


def test_blob_that_is_restored_while_due_ones_are_deleted_stays(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of due blobs is older than the blob, or its last read is."""
    early, late, gone = (stores.labelled("anna", Label("Cat", 90.0)) for _ in range(3))
    for each in (early, late, gone):
        delete(anna, each.id, 1)
    stores.clock.advance(HALF_A_MINUTE)
    listed, delete_blob = stores.blobs.find_due_deletions, stores.blobs.delete

    def find_due(*args: Any) -> Any:
        found = listed(*args)
        restore(anna, early.id)
        return found

    def delete_late(blob: Blob, *args: Any) -> None:
        if blob.id == late.id:
            restore(anna, late.id)
        delete_blob(blob, *args)

    monkeypatch.setattr(stores.blobs, "find_due_deletions", find_due)
    monkeypatch.setattr(stores.blobs, "delete", delete_late)
    deletions.delete_due(stores.services())
    assert [stores.now(each).deletes_at for each in (early, late)] == [None, None]
    assert stores.storage.path(early.key).exists()
    assert stores.storage.path(late.key).exists()
    assert stores.blobs.get(gone.id) is None


def test_deletion_that_fails_stops_no_other_and_is_tried_again(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next call."""
    blobs = [stores.labelled("anna") for _ in range(4)]
    for each in blobs:
        delete(anna, each.id, 1)
    stores.clock.advance(HALF_A_MINUTE)
    delete_blob = stores.blobs.delete

    def fails_once(blob: Blob, *args: Any) -> None:
        if blob.id == blobs[1].id:
            raise Unavailable("busy")
        delete_blob(blob, *args)

    with monkeypatch.context() as patch:
        patch.setattr(stores.blobs, "delete", fails_once)
        assert deletions.delete_due(stores.services()) == 1
    assert [stores.blobs.get(each.id) is None for each in blobs] == [True, False, True, True]
    assert deletions.delete_due(stores.services()) == 0
    assert stores.blobs.get(blobs[1].id) is None


def test_due_deletions_end_with_their_time(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The next call goes on."""
    blob = stores.labelled("anna")
    delete(anna, blob.id, 1)
    stores.clock.advance(HALF_A_MINUTE)
    deletions.delete_due(stores.services(), seconds=0)
    assert not stores.now(blob).listed
    deletions.delete_due(stores.services())
    assert stores.blobs.get(blob.id) is None


def test_more_due_blobs_than_are_read_at_once_are_deleted(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them fails, and does not end the call."""
    monkeypatch.setattr(deletions, "_BATCH", 2)
    blobs = [stores.labelled("anna") for _ in range(5)]
    for each in blobs:
        delete(anna, each.id, 1)
    stores.clock.advance(HALF_A_MINUTE)
    delete_blob = stores.blobs.delete

    def fails(blob: Blob, *args: Any) -> None:
        if blob.id == blobs[0].id:
            raise Unavailable("busy")
        delete_blob(blob, *args)

    monkeypatch.setattr(stores.blobs, "delete", fails)
    deletions.delete_due(stores.services())
    assert [each.id for each in blobs if stores.blobs.get(each.id)] == [blobs[0].id]


def test_blob_waits_on_a_full_disk_too(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reserve is released for it."""
    blob, released = stores.labelled("anna"), []
    services = replace(stores.services(), release_space=lambda: released.append(1))
    save = stores.blobs.save

    def full(*args: Any) -> None:
        if not released:
            raise StorageFull("full")
        save(*args)

    monkeypatch.setattr(stores.blobs, "save", full)
    asyncio.run(deletions.delete(services, "anna", blob.id, HALF_A_MINUTE))
    assert not stores.now(blob).listed


def test_deletion_and_restoration_have_audit_records(stores: EmbeddedStores) -> None:
    """When they are requested; none for an absent blob."""
    records: list[tuple[AuditAction, str]] = []
    services = replace(
        stores.services("anna"), audit=lambda _, action, subject: records.append((action, subject))
    )
    blob = stores.labelled("anna")
    with AppClient(create_app(services)) as client:
        graphql = GraphQL(client, None)
        delete(graphql, blob.id, 30)
        restore(graphql, blob.id, "absent")
    assert records == [(AuditAction.BLOB_DELETED, blob.id), (AuditAction.BLOB_RESTORED, blob.id)]
