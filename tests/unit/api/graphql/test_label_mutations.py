"""Corrections of labels by GraphQL: outcomes, limits, and what the types show."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.label import MAX_LABELS, MAX_NAME, BoundingBox, Instance, Label
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import EmbeddedStores

RESULT = """{
  __typename
  ... on CorrectedBlobs {
    outcomes {
      __typename
      ... on CorrectedBlob { blob { ...Labels } }
      ... on BlobNotFound { blobId }
      ... on WrongState { message status }
      ... on TooManyCorrections { blobId message }
    }
  }
  ... on InvalidInput { message problems { field path message } }
}"""
LABELS = """
fragment Labels on Blob {
  id
  labels {
    name confidence source confirmedAt parents
    instances { confidence boundingBox { left top width height } }
  }
  detectedLabels { name confidence source }
  rejectedLabels
}
"""
ADD = f"""
mutation ($ids: [ID!]!, $labels: [LabelInput!]!) {{
  result: addLabels(ids: $ids, labels: $labels) {RESULT}
}}
{LABELS}"""
REMOVE, CONFIRM = (
    f"mutation ($ids: [ID!]!, $names: [String!]!) {{ result: {name}(ids: $ids, names: $names)"
    f" {RESULT} }} {LABELS}"
    for name in ("removeLabels", "confirmLabels")
)
RESET = f"""
mutation ($ids: [ID!]!, $names: [String!]) {{ result: resetLabels(ids: $ids, names: $names)
 {RESULT} }} {LABELS}"""
CAT = Label("Cat", 90.0, ("Animal",), (Instance(BoundingBox(0, 0, 0.5, 1), 80.0),))
DOG = Label("Dog", 60.0)


def outcomes(client: GraphQL, mutation: str, ids: list[str], **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.ask(mutation, ids=ids, **wanted)["result"]["outcomes"]
    return found


def corrected(client: GraphQL, mutation: str, blob_id: str, **wanted: Any) -> dict[str, Any]:
    (outcome,) = outcomes(client, mutation, [blob_id], **wanted)
    assert outcome["__typename"] == "CorrectedBlob", outcome
    blob: dict[str, Any] = outcome["blob"]
    return blob


def names(blob: dict[str, Any]) -> list[str]:
    return [each["name"] for each in blob["labels"]]


def test_added_label_is_shown_beside_what_the_detector_found(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    blob = stores.labelled("anna", CAT)
    box = {"left": 0.5, "top": 0.25, "width": 0.5, "height": 0.5}
    shown = corrected(anna, ADD, blob.id, labels=[{"name": " Cow ", "boundingBox": box}])
    assert shown["labels"][0] == {
        "name": "Cow",
        "confidence": 100.0,
        "source": "OWNER",
        "confirmedAt": "2026-01-31T12:00:00.124Z",
        "parents": [],
        "instances": [{"confidence": 100.0, "boundingBox": box}],
    }
    assert names(shown) == ["Cow", "Cat"]
    found = [{"name": "Cat", "confidence": 90.0, "source": "DETECTOR"}]
    assert (shown["detectedLabels"], shown["rejectedLabels"]) == (found, [])
    (decision,) = stores.now(blob).decisions
    assert decision.by.startswith("key:")


def test_label_in_several_places_is_added_once(stores: EmbeddedStores, anna: GraphQL) -> None:
    blob = stores.labelled("anna")
    boxes = [{"left": side, "top": 0, "width": 0.5, "height": 1} for side in (0, 0.5)]
    labels = [
        {"name": name, "boundingBox": box} for name, box in zip(("Cow", "cow"), boxes, strict=True)
    ]
    shown = corrected(anna, ADD, blob.id, labels=labels)
    (cow,) = shown["labels"]
    assert [each["boundingBox"] for each in cow["instances"]] == boxes


def test_labels_are_removed_confirmed_and_reset(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Each outcome is the new state; a reset of all brings back what the detector found."""
    blob = stores.labelled("anna", CAT, DOG)
    removed = corrected(anna, REMOVE, blob.id, names=["CAT", "Yeti"])
    assert (names(removed), removed["rejectedLabels"]) == (["Dog"], ["Cat", "Yeti"])
    confirmed = corrected(anna, CONFIRM, blob.id, names=["dog"])
    (dog,) = confirmed["labels"]
    assert (dog["confidence"], dog["source"]) == (100.0, "DETECTOR")
    assert dog["confirmedAt"] is not None
    some = corrected(anna, RESET, blob.id, names=["cat"])
    assert (names(some), some["rejectedLabels"]) == (["Dog", "Cat"], ["Yeti"])
    everything = corrected(anna, RESET, blob.id)
    assert (names(everything), everything["rejectedLabels"]) == (["Cat", "Dog"], [])
    assert [each["confirmedAt"] for each in everything["labels"]] == [None, None]


def test_corrected_labels_are_part_of_search(stores: EmbeddedStores, anna: GraphQL) -> None:
    blob = stores.labelled("anna", CAT)
    corrected(anna, REMOVE, blob.id, names=["Cat"])
    corrected(anna, ADD, blob.id, labels=[{"name": "Cow"}])
    query = "query ($any: [String!]) { blobs(filter: {labels: {any: $any}}) { nodes { id } } }"
    assert anna.ask(query, any=["cat"])["blobs"]["nodes"] == []
    assert anna.ask(query, any=["cow"])["blobs"]["nodes"] == [{"id": blob.id}]


def test_each_id_has_an_outcome_in_their_order(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Absent, foreign, unlabelled and repeated ones do not stop the others."""
    first, second = stores.labelled("anna", CAT), stores.labelled("anna", DOG)
    waiting, foreign = stores.awaiting("anna"), stores.labelled("boris", CAT)
    ids = [second.id, "absent", foreign.id, waiting.id, first.id, second.id]
    found = outcomes(anna, REMOVE, ids, names=["cat"])
    assert [each["__typename"] for each in found] == [
        "CorrectedBlob",
        "BlobNotFound",
        "BlobNotFound",
        "WrongState",
        "CorrectedBlob",
        "CorrectedBlob",
    ]
    assert "send its bytes first" in found[3]["message"]
    assert found[0] == found[5]
    assert stores.now(foreign) == foreign
    assert stores.now(second).version == second.version + 1, "a repeated id is processed once"


def test_blob_with_too_many_corrections_does_not_stop_the_others(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    full, other = stores.labelled("anna", CAT), stores.labelled("anna", CAT)
    labels = [{"name": f"Thing {n}"} for n in range(MAX_LABELS)]
    corrected(anna, ADD, full.id, labels=labels)
    refused, done = outcomes(anna, ADD, [full.id, other.id], labels=[{"name": "One more"}])
    assert (refused["__typename"], refused["blobId"]) == ("TooManyCorrections", full.id)
    assert "withdraw some with resetLabels" in refused["message"]
    assert names(done["blob"]) == ["One more", "Cat"]


def problems(client: GraphQL, mutation: str, **wanted: Any) -> list[tuple[str, str]]:
    result = client.ask(mutation, ids=["1"], **wanted)["result"]
    assert result["__typename"] == "InvalidInput"
    return [(".".join(each["path"]), each["message"]) for each in result["problems"]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", f"must have 1 to {MAX_NAME} characters"),
        ("x" * (MAX_NAME + 1), f"must have 1 to {MAX_NAME} characters"),
        ("a\nb", "must have printable characters only"),
        ("\u0000", "must have printable characters only"),
        ("\ud800", "must have printable characters only"),
    ],
)
def test_name_is_checked_in_every_mutation(anna: GraphQL, name: str, message: str) -> None:
    assert problems(anna, ADD, labels=[{"name": "ok"}, {"name": name}]) == [
        ("labels.1.name", message)
    ]
    for mutation in (REMOVE, CONFIRM, RESET):
        assert problems(anna, mutation, names=[name]) == [("names.0", message)]


@pytest.mark.parametrize("number", [0, MAX_LABELS + 1])
def test_number_of_labels_is_limited(anna: GraphQL, number: int) -> None:
    wanted = [f"Thing {n}" for n in range(number)]
    message = f"must be 1 to {MAX_LABELS}, not {number}: send the others in another mutation"
    assert problems(anna, ADD, labels=[{"name": each} for each in wanted]) == [("labels", message)]
    for mutation in (REMOVE, CONFIRM, RESET):
        assert problems(anna, mutation, names=wanted) == [("names", message)]


def test_box_must_be_within_the_image(anna: GraphQL) -> None:
    box = {"left": 0.75, "top": 0, "width": 0.5, "height": 1}
    ((path, message),) = problems(anna, ADD, labels=[{"name": "Cow", "boundingBox": box}])
    assert path == "labels.0.boundingBox"
    assert "must be within the image and not empty" in message


def test_number_of_blobs_is_limited(anna: GraphQL) -> None:
    result = anna.ask(REMOVE, ids=[str(n) for n in range(101)], names=["Cat"])["result"]
    assert result["message"].startswith("ids: at most 100, not 101")


def test_webhook_of_corrections_is_asked_for_with_the_upload(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """A retry with the same idempotency key is the same request only if it asks for the same."""
    create = """
    mutation ($more: Boolean!, $key: String) {
      createUpload(input: {
        contentType: JPEG, callbackOnLabelChange: $more, idempotencyKey: $key
      }) { __typename ... on CreatedUpload { blob { id } } }
    }"""
    made = [anna.ask(create, more=more)["createUpload"]["blob"]["id"] for more in (True, False)]
    stored = [stores.blobs.get(each) for each in made]
    assert [each and each.callback_on_label_change for each in stored] == [True, False]
    kinds = [anna.ask(create, more=more, key="1")["createUpload"] for more in (True, True, False)]
    assert [each["__typename"] for each in kinds] == [
        "CreatedUpload",
        "CreatedUpload",
        "IdempotencyKeyReused",
    ]
