"""Relabelling by a blob's owner."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.clock import to_text
from core.domain.label import Label
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import EmbeddedStores

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
