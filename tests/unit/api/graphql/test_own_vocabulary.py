"""The vocabulary that an owner defines, through GraphQL."""

from __future__ import annotations

from typing import Any

from core.domain.label import Label
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import EmbeddedStores

SET = """
mutation ($input: SetVocabularyInput!) {
  setVocabulary(input: $input) {
    __typename
    ... on VocabularySet { vocabulary { version labels { name parents aliases categories } } }
    ... on InvalidInput { problems { path } }
    ... on VersionConflict { currentVersion }
    ... on Error { message }
  }
}
"""
REX: dict[str, Any] = {
    "name": "Rex",
    "parents": ["Dog", "Animal"],
    "aliases": ["Our dog"],
    "categories": ["Family"],
}


def define(client: GraphQL, *labels: dict[str, Any], version: int = 0) -> dict[str, Any]:
    given = {"expectedVersion": version, "labels": list(labels)}
    answer: dict[str, Any] = client.ask(SET, input=given)["setVocabulary"]
    return answer


def test_a_vocabulary_is_set_and_shown(anna: GraphQL, boris: GraphQL) -> None:
    """To its owner alone."""
    assert define(anna, REX)["vocabulary"] == {"version": 1, "labels": [REX]}
    query = "{ viewer { vocabulary { version labels { name parents aliases categories } } } }"
    assert anna.ask(query) == {"viewer": {"vocabulary": {"version": 1, "labels": [REX]}}}
    assert boris.ask(query) == {"viewer": {"vocabulary": {"version": 0, "labels": []}}}


def test_wrong_vocabularies_and_versions_are_refused(anna: GraphQL) -> None:
    refused = define(anna, REX, {"name": "our dog"})
    assert refused["problems"] == [{"path": ["input", "labels", "1", "name"]}]
    assert define(anna, REX)["__typename"] == "VocabularySet"
    conflict = define(anna, {"name": "Bello"})
    assert (conflict["__typename"], conflict["currentVersion"]) == ("VersionConflict", 1)
    assert "viewer.vocabulary" in conflict["message"]
    assert define(anna, version=1)["vocabulary"] == {"version": 2, "labels": []}


def test_defined_labels_are_found_and_completed(stores: EmbeddedStores, anna: GraphQL) -> None:
    """With their numbers of blobs, also where none has them."""
    define(anna, REX, {"name": "Red Van"})
    stores.labelled("anna", Label("Reed", 90.0))
    fields = "id name blobCount parents aliases categories cover { id }"
    rex = anna.ask(f'{{ label(name: "our DOG") {{ {fields} }} }}')["label"]
    node_id = rex.pop("id")
    assert rex == {**REX, "blobCount": 0, "cover": None}
    node = anna.ask(
        "query ($id: ID!) { node(id: $id) { ... on VocabularyLabel { name } } }", id=node_id
    )
    assert node == {"node": {"name": "Rex"}}
    query = """
    query ($prefix: String, $order: VocabularyLabelOrder!, $after: String) {
      labels(prefix: $prefix, orderBy: $order, first: 1, after: $after) {
        edges { matchedWord node { name blobCount } } pageInfo { hasNextPage endCursor }
      }
    }
    """

    def listed(prefix: str | None, order: str) -> list[tuple[str | None, str, int]]:
        found: list[tuple[str | None, str, int]] = []
        after = None
        while True:
            page = anna.ask(query, prefix=prefix, order=order, after=after)["labels"]
            for edge in page["edges"]:
                node = edge["node"]
                found.append((edge["matchedWord"], node["name"], node["blobCount"]))
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]

    assert listed("re", "NAME") == [(None, "Red Van", 0), (None, "Reed", 1), (None, "Rex", 0)]
    assert listed("re", "BLOB_COUNT") == [(None, "Reed", 1), (None, "Red Van", 0), (None, "Rex", 0)]
    assert listed("o", "NAME") == [("Our dog", "Rex", 0)]
    assert listed(None, "NAME") == [(None, "Reed", 1)]


def test_an_added_label_is_as_it_was_defined_and_counts(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    define(anna, REX)
    blob = stores.labelled("anna", Label("Dog", 90.0))
    added = anna.ask(
        """
        mutation ($id: ID!) {
          addLabels(ids: [$id], labels: [{name: "REX"}]) {
            ... on CorrectedBlobs {
              outcomes {
                ... on CorrectedBlob { blob { labels { name parents aliases categories } } }
              }
            }
          }
        }
        """,
        id=blob.id,
    )["addLabels"]["outcomes"][0]["blob"]["labels"]
    assert added[0] == REX
    stores.blobs.count_labels("anna", blob.id, 9, ["Rex", "Dog"])  # as the notifier does
    query = """{
      label(name: "our dog") { blobCount cover { id } }
      blobs(filter: {labels: {all: ["our dog"]}}) { nodes { id } matchedLabels { label { name } } }
    }"""
    assert anna.ask(query) == {
        "label": {"blobCount": 1, "cover": {"id": blob.id}},
        "blobs": {"nodes": [{"id": blob.id}], "matchedLabels": [{"label": {"name": "Rex"}}]},
    }
