"""The labels in use: by name, by the number of their blobs, as nodes, with cover and aliases."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from core.domain.label import Label
from core.repositories.ports import blobs as ports
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import EmbeddedStores

CAT = Label("Cat", 90.0, aliases=("Kitty",), categories=("Animals and Pets",))
DOG = Label("Dog", 80.0)

LABELS = """
query ($prefix: String, $order: VocabularyLabelOrder! = NAME, $first: Int! = 20, $after: String) {
  labels(prefix: $prefix, orderBy: $order, first: $first, after: $after) {
    nodes { name blobCount }
    pageInfo { hasNextPage endCursor }
  }
}
"""
LABEL = """
query ($name: String!) {
  label(name: $name) { id name blobCount aliases categories cover { id } }
}
"""
COVERS = "{ labels { nodes { name aliases categories cover { id labels { name } } } } }"


def pages(client: GraphQL, **variables: Any) -> list[str]:
    """Return the names on all pages."""
    names: list[str] = []
    after = None
    while True:
        page = client.ask(LABELS, after=after, **variables)["labels"]
        names += [each["name"] for each in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return names
        after = page["pageInfo"]["endCursor"]


@pytest.mark.parametrize("first", [1, 2, 20])
def test_labels_are_ordered_by_count_on_every_page(
    stores: EmbeddedStores, anna: GraphQL, first: int
) -> None:
    """And by name where counts are equal; without `orderBy` by name alone."""
    stores.labelled("anna", CAT, DOG, Label("cow", 60.0))
    stores.labelled("anna", DOG)
    assert pages(anna, order="BLOB_COUNT", first=first) == ["Dog", "Cat", "cow"]
    assert pages(anna, order="BLOB_COUNT", first=first, prefix="C") == ["Cat", "cow"]
    assert pages(anna, first=first) == ["Cat", "cow", "Dog"]


def test_cursor_belongs_to_its_order(stores: EmbeddedStores, anna: GraphQL) -> None:
    stores.labelled("anna", CAT, DOG)
    for order, other in (("NAME", "BLOB_COUNT"), ("BLOB_COUNT", "NAME")):
        end = anna.ask(LABELS, order=order, first=1)["labels"]["pageInfo"]["endCursor"]
        error = anna.error(LABELS, order=other, after=end)
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "after"}


def test_too_many_labels_to_sort_are_a_client_error(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The message says what to do."""
    stores.labelled("anna", Label("Cat", 90.0), Label("Cow", 90.0))
    with patch.object(ports, "MAX_LABELS_SORTED", 1):
        error = anna.error(LABELS, order="BLOB_COUNT", prefix="c")
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "orderBy"}
    assert "give a longer prefix, or order by NAME" in error["message"]


def test_label_is_found_by_its_name_in_any_case(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """Aliases and categories are those of the newest blob with the label, which is the cover."""
    stores.labelled("anna", Label("Cat", 99.0, aliases=("Moggy",)))
    newest = stores.labelled("anna", CAT, DOG)
    stores.labelled("anna", DOG)
    stores.labelled("boris", DOG)
    shown = anna.ask(LABEL, name="cAT")["label"]
    assert shown["id"].startswith("label_")
    assert {name: value for name, value in shown.items() if name != "id"} == {
        "name": "Cat",
        "blobCount": 2,
        "aliases": ["Kitty"],
        "categories": ["Animals and Pets"],
        "cover": {"id": newest.id},
    }
    assert anna.ask(LABEL, name="cow") == {"label": None}
    assert boris.ask(LABEL, name="cat") == {"label": None}


def test_label_of_no_blob_has_no_cover(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Counts follow the blobs a moment later."""
    stores.labelled("anna", CAT)
    blob = stores.labelled("anna", DOG)
    stores.blobs.delete(blob, stores.clock())
    shown = anna.ask(LABEL, name="dog")["label"]
    assert (shown["blobCount"], shown["cover"]) == (1, None)
    assert (shown["aliases"], shown["categories"]) == ([], [])


@pytest.mark.parametrize("name", ["Cat", "Straße", "a/b?c_d-e", "猫", "x" * 300])
def test_label_is_a_node(stores: EmbeddedStores, anna: GraphQL, boris: GraphQL, name: str) -> None:
    """For its owner; beside nodes of other kinds."""
    blob = stores.labelled("anna", Label(name, 90.0))
    label_id = anna.ask(LABEL, name=name)["label"]["id"]
    node = "query ($id: ID!) { node(id: $id) { __typename id ... on VocabularyLabel { name } } }"
    shown = {"__typename": "VocabularyLabel", "id": label_id, "name": name}
    assert anna.ask(node, id=label_id) == {"node": shown}
    assert boris.ask(node, id=label_id) == {"node": None}
    both = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert anna.ask(both, ids=[label_id, blob.id, "label_"]) == {
        "nodes": [{"id": label_id}, {"id": blob.id}, None]
    }


@pytest.mark.parametrize(
    "damaged", ["label_", "label_!", "label_A", "label_/w", "label__w", "label"]
)
def test_id_that_names_no_label_is_no_node(anna: GraphQL, damaged: str) -> None:
    assert anna.ask("query ($id: ID!) { node(id: $id) { id } }", id=damaged) == {"node": None}


def test_covers_of_a_page_are_read_once(stores: EmbeddedStores, anna: GraphQL) -> None:
    """With the aliases and categories of all its labels."""
    stores.labelled("anna", CAT, DOG)
    newest = stores.labelled("anna", DOG)
    real = stores.blobs.find_newest
    with patch.object(stores.blobs, "find_newest", side_effect=real) as read:
        nodes = anna.ask(COVERS)["labels"]["nodes"]
    ((owner, labels), _) = read.call_args
    assert (read.call_count, owner, sorted(labels)) == (1, "anna", ["cat", "dog"])
    assert [each["name"] for each in nodes] == ["Cat", "Dog"]
    assert nodes[1]["cover"] == {"id": newest.id, "labels": [{"name": "Dog"}]}


@pytest.mark.parametrize(
    ("stored", "name", "version"),
    [
        ("efficientnet-lite0/1.2+mtcnn", "efficientnet-lite0", "1.2+mtcnn"),
        ("rekognition/3.0", "rekognition", "3.0"),
        ("my own", "my own", None),
        ("mine/", "mine", None),
        ("a/b/c", "a", "b/c"),
    ],
)
def test_detector_has_a_name_and_a_version(
    stores: EmbeddedStores, anna: GraphQL, stored: str, name: str, version: str | None
) -> None:
    """As they are stored: a detector of one's own may have a name alone."""
    blob = stores.awaiting("anna", detector=stored)
    shown = anna.ask("query ($id: ID!) { blob(id: $id) { detector { name version } } }", id=blob.id)
    assert shown == {"blob": {"detector": {"name": name, "version": version}}}
