"""Searches by what people call a label: an alias, another word, a plural."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.label import Label
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import EmbeddedStores

COUCH, DOG, CAT = Label("Couch", 90.0), Label("Dog", 80.0), Label("Cat", 70.0)
BY_LABEL = """
query ($label: String!, $first: Int! = 20, $after: String, $orderBy: LabelledBlobOrder! = NEWEST) {
  blobsByLabel(label: $label, first: $first, after: $after, orderBy: $orderBy) {
    matchedLabel { name blobCount }
    edges { confidence node { id } }
    pageInfo { endCursor }
  }
}
"""
BLOBS = """
query ($labels: LabelFilter, $orderBy: BlobOrder! = NEWEST, $first: Int! = 20, $after: String) {
  blobs(filter: {labels: $labels}, orderBy: $orderBy, first: $first, after: $after) {
    matchedLabels { name label { name } }
    nodes { id }
    pageInfo { endCursor }
  }
}
"""
LABELS = """
query ($prefix: String, $orderBy: VocabularyLabelOrder! = NAME, $first: Int! = 20, $after: String) {
  labels(prefix: $prefix, orderBy: $orderBy, first: $first, after: $after) {
    edges { matchedWord node { name blobCount } }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def ids(found: dict[str, Any]) -> list[str]:
    """Return the ids of the blobs on a page."""
    return [each["id"] for each in found["nodes"]]


@pytest.mark.parametrize("name", ["sofa", "Sofas", "couch", "COUCHES", "settee"])
@pytest.mark.parametrize("order", ["NEWEST", "CONFIDENCE"])
def test_blobs_are_found_by_another_word(
    stores: EmbeddedStores, anna: GraphQL, name: str, order: str
) -> None:
    """The response names the label. A cursor of one name continues the list of another."""
    first, second = (stores.labelled("anna", COUCH) for _ in range(2))
    stores.labelled("anna", DOG)
    page = anna.ask(BY_LABEL, label=name, orderBy=order, first=1)["blobsByLabel"]
    assert page["matchedLabel"] == {"name": "Couch", "blobCount": 2}
    assert page["edges"] == [{"confidence": 90.0, "node": {"id": second.id}}]
    end = page["pageInfo"]["endCursor"]
    page = anna.ask(BY_LABEL, label="Couch", orderBy=order, after=end)["blobsByLabel"]
    assert [each["node"]["id"] for each in page["edges"]] == [first.id]


def test_label_of_the_very_name_wins(stores: EmbeddedStores, anna: GraphQL) -> None:
    stores.labelled("anna", COUCH)
    sofa = stores.labelled("anna", Label("Sofa", 60.0))
    page = anna.ask(BY_LABEL, label="sofa")["blobsByLabel"]
    assert page["matchedLabel"] == {"name": "Sofa", "blobCount": 1}
    assert [each["node"]["id"] for each in page["edges"]] == [sofa.id]


def test_unknown_name_matches_no_label(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """Labels that only another owner has do not count."""
    stores.labelled("anna", COUCH)
    for client, name in ((anna, "quasar"), (boris, "sofa"), (boris, "Couch")):
        page = client.ask(BY_LABEL, label=name)["blobsByLabel"]
        assert (page["matchedLabel"], page["edges"]) == (None, [])
        (matched,) = client.ask(BLOBS, labels={"all": [name]})["blobs"]["matchedLabels"]
        assert matched == {"name": name, "label": None}


def test_label_is_found_before_it_is_counted(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Counts follow within moments."""
    blob = stores.labelled("anna", COUCH)
    stores.blobs.uncount_labels("anna", blob.id)
    page = anna.ask(BY_LABEL, label="couch")["blobsByLabel"]
    assert page["matchedLabel"] is None
    assert [each["node"]["id"] for each in page["edges"]] == [blob.id]


def test_filter_of_labels_accepts_other_words(stores: EmbeddedStores, anna: GraphQL) -> None:
    """In `all`, `any` and `none`; the response has each name with its label."""
    both = stores.labelled("anna", COUCH, DOG)
    couch = stores.labelled("anna", COUCH)
    cat = stores.labelled("anna", COUCH, CAT)
    page = anna.ask(BLOBS, labels={"all": ["sofa"], "none": ["kittens", "quasar"]})["blobs"]
    assert ids(page) == [couch.id, both.id]
    assert page["matchedLabels"] == [
        {"name": "sofa", "label": {"name": "Couch"}},
        {"name": "kittens", "label": {"name": "Cat"}},
        {"name": "quasar", "label": None},
    ]
    page = anna.ask(BLOBS, labels={"any": ["puppy", "kitten"]})["blobs"]
    assert ids(page) == [cat.id, both.id]
    page = anna.ask(BLOBS, labels={"all": ["sofa"]}, orderBy="CONFIDENCE", first=1)["blobs"]
    end = page["pageInfo"]["endCursor"]
    rest = anna.ask(BLOBS, labels={"all": ["couch"]}, orderBy="CONFIDENCE", after=end)["blobs"]
    assert ids(page) + ids(rest) == [cat.id, couch.id, both.id]


def test_two_words_for_one_label_name_it_once(stores: EmbeddedStores, anna: GraphQL) -> None:
    couch = stores.labelled("anna", COUCH)
    asked = {"any": ["sofa", "settee", "couch"]}
    page = anna.ask(BLOBS, labels=asked, orderBy="CONFIDENCE")["blobs"]
    assert ids(page) == [couch.id]
    page = anna.ask(BLOBS, labels={"all": ["sofa"], "none": ["couch"]})["blobs"]
    assert ids(page) == []


@pytest.mark.parametrize("labels", [None, {}, {"all": []}])
def test_no_label_matches_without_names(
    stores: EmbeddedStores, anna: GraphQL, labels: dict[str, Any] | None
) -> None:
    stores.labelled("anna", COUCH)
    assert anna.ask(BLOBS, labels=labels)["blobs"]["matchedLabels"] is None


def test_too_many_names_are_refused_before_they_are_read(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    error = anna.error(BLOBS, labels={"any": [f"name {n}" for n in range(11)]})
    assert "name at most 10 labels, not 11" in error["message"]


@pytest.mark.parametrize("name", ["couch", "sofa", "SOFAS"])
def test_label_is_a_node_by_every_name(stores: EmbeddedStores, anna: GraphQL, name: str) -> None:
    stores.labelled("anna", COUCH)
    query = "query ($name: String!) { label(name: $name) { name } }"
    assert anna.ask(query, name=name)["label"] == {"name": "Couch"}
    assert anna.ask(query, name="quasar")["label"] is None


@pytest.mark.parametrize("order", ["NAME", "BLOB_COUNT"])
@pytest.mark.parametrize("first", [1, 2, 9])
def test_completion_finds_labels_by_other_words(
    stores: EmbeddedStores, anna: GraphQL, order: str, first: int
) -> None:
    """In the order of the list, wherever pages end; the response tells the word."""
    stores.labelled("anna", COUCH, DOG, Label("Sofa Bed", 60.0))
    stores.labelled("anna", COUCH, Label("Teddy Bear", 60.0))
    found: list[tuple[str, str | None]] = []
    after = None
    while True:
        page = anna.ask(LABELS, prefix="Sof", orderBy=order, first=first, after=after)["labels"]
        assert len(page["edges"]) <= first
        found += [(each["node"]["name"], each["matchedWord"]) for each in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert found == [("Couch", "Sofa"), ("Sofa Bed", None), ("Teddy Bear", "Soft Toy")]


def test_completion_finds_a_label_by_its_plural(stores: EmbeddedStores, anna: GraphQL) -> None:
    stores.labelled("anna", COUCH, DOG)
    (edge,) = anna.ask(LABELS, prefix="dogs")["labels"]["edges"]
    assert edge == {"matchedWord": "dogs", "node": {"name": "Dog", "blobCount": 1}}
    assert anna.ask(LABELS, prefix="so")["labels"]["edges"] == []


@pytest.mark.parametrize("least", [-0.5, 100.5, 1e300])
def test_minimum_confidence_out_of_range_is_an_error(anna: GraphQL, least: float) -> None:
    query = """
    query ($least: Float!) {
      blobsByLabel(label: "cat", minConfidence: $least) { nodes { id } }
    }
    """
    error = anna.error(query, least=least)
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "minConfidence"}
    assert "must be from 0 to 100" in error["message"]
