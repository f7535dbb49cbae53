"""Relabelling and deletion by a blob's owner."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

import api.services.blobs
from core.domain.blob import label_again
from core.domain.clock import to_text
from core.domain.delivery import MAX_PER_ENDPOINT, Delivery, delivery_id
from core.domain.errors import Unavailable
from core.domain.label import Label
from tests.support.embedded_stores import EmbeddedStores
from tests.support.graphql_client import GraphQL

HOOK = "https://example.org/hook"
DELETE = """
mutation ($id: ID!) {
  deleteBlob(blobId: $id) {
    __typename
    ... on DeletedBlob { blobId }
    ... on BlobNotFound { blobId }
    ... on Error { message }
  }
}
"""
RELABEL = """
mutation ($id: ID!) {
  relabelBlob(blobId: $id) {
    __typename
    ... on RelabelledBlob { blob { id status labelledAt labels { name } } }
    ... on BlobNotFound { blobId }
    ... on WrongState { status }
    ... on Error { message }
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
NOTHING: dict[str, Any] = {
    "blob": None,
    "node": None,
    "blobs": {"nodes": []},
    "blobsByLabel": {"nodes": []},
    "webhookDelivery": None,
}
KINDS = ["awaiting", "labelling", "labelled", "failed", "expired"]


def delete(client: GraphQL, blob_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.ask(DELETE, id=blob_id)["deleteBlob"]
    return answer


def webhook_of(stores: EmbeddedStores, blob_id: str) -> str:
    now = stores.clock()
    delivery = Delivery(delivery_id(blob_id, 3), blob_id, "anna", HOOK, b"{}", now, now)
    stores.deliveries.add(delivery)
    return delivery.id


# Labelled again


def relabel(client: GraphQL, blob_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.ask(RELABEL, id=blob_id)["relabelBlob"]
    return answer


def test_labelled_blob_is_labelled_again(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The labeller receives an event, and the old labels stay."""
    blob = stores.labelled("anna", Label("Cat", 90.0))
    assert relabel(anna, blob.id) == {
        "__typename": "RelabelledBlob",
        "blob": {
            "id": blob.id,
            "status": "LABELLING",
            "labelledAt": to_text(stores.clock()),
            "labels": [{"name": "Cat"}],
        },
    }
    assert stores.relabelled == [blob]
    assert anna.ask(SEEN, id=blob.id, webhook="x")["blobsByLabel"]["nodes"] == [{"id": blob.id}]


def test_failed_blob_is_labelled_again(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Meanwhile it has neither labels nor a failure."""
    blob = stores.failed("anna")
    answer = relabel(anna, blob.id)["blob"]
    assert (answer["status"], answer["labels"], answer["labelledAt"]) == ("LABELLING", None, None)
    assert stores.now(blob).failure is None


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("awaiting", "send its bytes first"),
        ("labelling", "wait until it is LABELLED or FAILED"),
        ("expired", "ask for a new upload"),
    ],
)
def test_unfinished_blob_is_not_labelled_again(
    stores: EmbeddedStores, anna: GraphQL, kind: str, remedy: str
) -> None:
    """WrongState gives the status and says what to do."""
    blob = getattr(stores, kind)()
    answer = relabel(anna, blob.id)
    assert (answer["__typename"], answer["status"]) == ("WrongState", blob.status.value)
    assert remedy in answer["message"]
    assert (stores.relabelled, stores.now(blob)) == ([], blob)


def test_relabelling_absent_and_foreign_blobs_looks_alike(
    stores: EmbeddedStores, boris: GraphQL
) -> None:
    """The two results differ only in the id."""
    blob = stores.labelled("anna")
    for blob_id in (blob.id, "absent"):
        assert relabel(boris, blob_id) == {
            "__typename": "BlobNotFound",
            "blobId": blob_id,
            "message": f"No blob {blob_id}.",
        }
    assert (stores.relabelled, stores.now(blob)) == ([], blob)


# Deleted


@pytest.mark.parametrize("kind", KINDS)
def test_deleted_blob_disappears_in_any_status(
    stores: EmbeddedStores, anna: GraphQL, kind: str
) -> None:
    """With its record, list entries, webhook and bytes."""
    blob = getattr(stores, kind)(callback_url=HOOK)
    webhook = webhook_of(stores, blob.id)
    assert delete(anna, blob.id) == {"__typename": "DeletedBlob", "blobId": blob.id}
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
    assert answers == [{"__typename": "DeletedBlob", "blobId": blob.id}] * 3
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
    asyncio.run(api.services.blobs.delete(services, "anna", blobs[0].id))
    assert not stores.storage.path(blobs[0].key).exists()
    assert webhooks[-1] in stores.deliveries.find_due(stores.clock(), 100)
