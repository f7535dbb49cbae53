"""Queries of single blobs and nodes."""

from __future__ import annotations

import pytest

from core.domain.blob import label_again
from core.domain.clock import to_text
from core.domain.label import BoundingBox, Instance, Label
from tests.support.graphql_client import GraphQL
from tests.support.list_queries import BLOB, CAT, DOG, assert_bad_input
from tests.support.services.embedded_stores import EmbeddedStores
from tests.unit.api.graphql.test_callback_queries import HOOK


def test_blob_that_awaits_its_bytes_has_nulls(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Labels are null, not empty."""
    blob = stores.awaiting()
    assert anna.ask(BLOB, id=blob.id)["blob"] == {
        "id": blob.id,
        "status": "AWAITING_UPLOAD",
        "contentType": "JPEG",
        "sizeBytes": None,
        "sha256": None,
        "detector": None,
        "width": None,
        "height": None,
        "createdAt": to_text(blob.created_at),
        "labelledAt": None,
        "downloadUrl": None,
        "labels": None,
        "failure": None,
        "callback": None,
    }


def test_labelled_blob_shows_every_detail(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Labels with parents and boxes, size, times and a download URL."""
    found = Instance(BoundingBox(0.1, 0.2, 0.3, 0.4), 88.0)
    person = Label("Person", 99.0, instances=(found,))
    blob = stores.labelled("anna", person, CAT)
    shown = anna.ask(BLOB, id=blob.id)["blob"]
    assert shown["status"] == "LABELLED"
    assert (shown["sizeBytes"], shown["width"], shown["height"]) == (5, 640, 480)
    assert shown["labelledAt"] == to_text(stores.clock())
    assert shown["downloadUrl"].startswith(f"http://testserver/{blob.key}?")
    assert shown["labels"] == [
        {
            "name": "Person",
            "confidence": 99.0,
            "parents": [],
            "instances": [
                {
                    "confidence": 88.0,
                    "boundingBox": {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4},
                }
            ],
        },
        {"name": "Cat", "confidence": 91.5, "parents": ["Feline", "Animal"], "instances": []},
    ]


def test_labels_are_empty_when_nothing_was_detected(stores: EmbeddedStores, anna: GraphQL) -> None:
    blob = stores.labelled("anna")
    assert anna.ask(BLOB, id=blob.id)["blob"]["labels"] == []


def test_labels_are_filtered_by_confidence(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The minimum itself is included."""
    blob = stores.labelled("anna", CAT, DOG)
    query = (
        "query ($id: ID!, $min: Float!) { blob(id: $id) { labels(minConfidence: $min) { name } } }"
    )
    for bound, names in ((60, ["Cat", "Dog"]), (60.1, ["Cat"]), (100, [])):
        shown = anna.ask(query, id=blob.id, min=bound)["blob"]["labels"]
        assert [label["name"] for label in shown] == names


def test_failed_blob_has_a_code_and_a_message(stores: EmbeddedStores, anna: GraphQL) -> None:
    """It has no labelledAt."""
    shown = anna.ask(BLOB, id=stores.failed().id)["blob"]
    assert shown["failure"] == {"code": "CORRUPT_IMAGE", "message": "The picture breaks off."}
    assert shown["labels"] is None
    assert shown["labelledAt"] is None
    assert shown["downloadUrl"] is not None


def test_labels_stay_while_a_blob_is_labelled_again(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The old labels stay until new ones replace them."""
    blob = stores.saved(label_again(stores.labelled("anna", CAT), stores.clock()))
    shown = anna.ask(BLOB, id=blob.id)["blob"]
    assert shown["status"] == "LABELLING"
    assert [label["name"] for label in shown["labels"]] == ["Cat"]


def test_node_returns_a_blob_by_its_id(stores: EmbeddedStores, anna: GraphQL) -> None:
    """With its type."""
    blob = stores.awaiting()
    query = "query ($id: ID!) { node(id: $id) { __typename id ... on Blob { status } } }"
    shown = anna.ask(query, id=blob.id)["node"]
    assert shown == {"__typename": "Blob", "id": blob.id, "status": "AWAITING_UPLOAD"}


@pytest.mark.parametrize("blob_id", ["", "x", "01JJZZZZZZZZZZZZZZZZZZZZZZ", "a\0b", "é" * 1000])
def test_unknown_id_gives_null(anna: GraphQL, blob_id: str) -> None:
    """For any text."""
    query = (
        "query ($id: ID!) { blob(id: $id) { id } node(id: $id) { id } nodes(ids: [$id]) { id } }"
    )
    assert anna.ask(query, id=blob_id) == {"blob": None, "node": None, "nodes": [None]}


def test_nodes_have_the_order_of_ids_with_null_for_absent_ones(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """A repeated id is returned twice."""
    one, two = stores.awaiting(), stores.awaiting()
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    asked = [two.id, "absent", one.id, two.id]
    shown = anna.ask(query, ids=asked)["nodes"]
    assert shown == [{"id": two.id}, None, {"id": one.id}, {"id": two.id}]
    assert anna.ask(query, ids=[])["nodes"] == []


def test_nodes_accepts_at_most_100_ids(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The error names the argument."""
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    blob = stores.awaiting()
    assert len(anna.ask(query, ids=[blob.id] * 100)["nodes"]) == 100
    error = anna.error(query, ids=[blob.id] * 101)
    assert_bad_input(error, "ids")
    assert "100" in error["message"]
    assert error["path"] == ["nodes"]


def test_foreign_blob_looks_absent_everywhere(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """By id, in lists, and in the labels in use."""
    blob = stores.labelled("anna", CAT, callback_url=HOOK)
    own = stores.labelled("boris", DOG)
    query = """
      query ($id: ID!, $own: ID!) {
        blob(id: $id) { id } node(id: $id) { id } nodes(ids: [$id, $own]) { id }
        blobs { nodes { id } }
        cats: blobsByLabel(label: "Cat") { nodes { id } }
        dogs: blobsByLabel(label: "Dog") { nodes { id } }
        labels { nodes { name } }
      }
    """
    assert boris.ask(query, id=blob.id, own=own.id) == {
        "blob": None,
        "node": None,
        "nodes": [None, {"id": own.id}],
        "blobs": {"nodes": [{"id": own.id}]},
        "cats": {"nodes": []},
        "dogs": {"nodes": [{"id": own.id}]},
        "labels": {"nodes": [{"name": "Dog"}]},
    }
    assert anna.ask(query, id=blob.id, own=own.id)["blob"] == {"id": blob.id}
