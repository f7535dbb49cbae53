"""A client's own facts about a picture, through GraphQL and REST."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.domain.scope import Scope
from tests.support.graphql_client import GraphQL
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import TICK, EmbeddedStores

FIELDS = "id fileName externalId metadata { key value }"
FRAGMENT = f"fragment Facts on Blob {{ {FIELDS} }}"
CREATE = (
    """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    __typename
    ... on CreatedUpload { blob { ...Facts } }
    ... on InvalidInput { problems { path } }
    ... on ExternalIdTaken { blobId }
    ... on Error { message }
  }
}
"""
    + FRAGMENT
)
UPDATE = (
    """
mutation ($id: ID!, $input: UpdateBlobInput!) {
  updateBlob(blobId: $id, input: $input) {
    __typename
    ... on UpdatedBlob { blob { ...Facts } }
    ... on InvalidInput { problems { path } }
    ... on ExternalIdTaken { blobId }
    ... on BlobNotFound { blobId }
    ... on Error { message }
  }
}
"""
    + FRAGMENT
)
PAIRS = [{"key": "year", "value": "2026"}, {"key": "album", "value": "Élan"}]
FACTS: dict[str, Any] = {"fileName": "Straße 1.jpg", "externalId": "order-17", "metadata": PAIRS}


def create(client: GraphQL, **values: Any) -> dict[str, Any]:
    given = {"contentType": "JPEG", **values}
    answer: dict[str, Any] = client.ask(CREATE, input=given)["createUpload"]
    return answer


def update(client: GraphQL, blob_id: str, **values: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.ask(UPDATE, id=blob_id, input=values)["updateBlob"]
    return answer


def shown(client: GraphQL, blob_id: str) -> dict[str, Any]:
    found = client.ask(f"query ($id: ID!) {{ blob(id: $id) {{ {FIELDS} }} }}", id=blob_id)["blob"]
    assert found.pop("id") == blob_id
    return dict(found)


def test_facts_of_an_upload_are_shown_by_key(anna: GraphQL) -> None:
    blob_id = create(anna, **FACTS)["blob"]["id"]
    assert shown(anna, blob_id) == {**FACTS, "metadata": PAIRS[::-1]}


def test_without_facts_there_are_none(anna: GraphQL) -> None:
    nulls: dict[str, None] = dict.fromkeys(FACTS)
    for given in ({}, nulls):
        blob_id = create(anna, **given)["blob"]["id"]
        assert shown(anna, blob_id) == {"fileName": None, "externalId": None, "metadata": []}


def test_an_update_keeps_what_it_omits_and_removes_what_is_null(anna: GraphQL) -> None:
    blob_id = create(anna, **FACTS)["blob"]["id"]
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"fileName": "b.png"}, {"fileName": "b.png"}),
        ({"externalId": None}, {"externalId": None}),
        ({"metadata": PAIRS[:1]}, {"metadata": PAIRS[:1]}),
        ({"fileName": None, "externalId": "x"}, {"fileName": None, "externalId": "x"}),
        ({"metadata": None}, {"metadata": []}),
        ({"metadata": []}, {"metadata": []}),
    ]
    expected = shown(anna, blob_id)
    for given, changes in steps:
        expected |= changes
        done = update(anna, blob_id, **given)
        assert done["__typename"] == "UpdatedBlob"
        assert done["blob"] == {"id": blob_id, **expected}
        assert shown(anna, blob_id) == expected


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"fileName": ""}, ["fileName"]),
        ({"fileName": "a/b.jpg"}, ["fileName"]),
        ({"externalId": "a\nb"}, ["externalId"]),
        ({"metadata": [{"key": "a", "value": ""}]}, ["metadata", "0", "value"]),
        ({"metadata": [PAIRS[0], PAIRS[0]]}, ["metadata", "1", "key"]),
        ({"metadata": [{"key": f"k{n}", "value": "v"} for n in range(21)]}, ["metadata"]),
    ],
)
def test_invalid_facts_are_refused_and_change_nothing(
    anna: GraphQL, given: dict[str, Any], path: list[str]
) -> None:
    problems = [{"path": ["input", *path]}]
    refused = create(anna, **given)
    assert (refused["__typename"], refused["problems"]) == ("InvalidInput", problems)
    blob_id = create(anna, **FACTS)["blob"]["id"]
    refused = update(anna, blob_id, **given)
    assert (refused["__typename"], refused["problems"]) == ("InvalidInput", problems)
    assert shown(anna, blob_id) == {**FACTS, "metadata": PAIRS[::-1]}


def test_an_external_id_is_one_blobs_of_an_owner(anna: GraphQL, boris: GraphQL) -> None:
    blob_id = create(anna, externalId="x")["blob"]["id"]
    other = create(anna)["blob"]["id"]
    for refused in (create(anna, externalId="x"), update(anna, other, externalId="x")):
        assert (refused["__typename"], refused["blobId"]) == ("ExternalIdTaken", blob_id)
        assert blob_id in refused["message"]
    assert create(boris, externalId="x")["__typename"] == "CreatedUpload"
    assert update(anna, blob_id, externalId="x")["__typename"] == "UpdatedBlob"


def test_nobody_changes_the_blob_of_another_owner(anna: GraphQL, boris: GraphQL) -> None:
    blob_id = create(anna, **FACTS)["blob"]["id"]
    refused = update(boris, blob_id, fileName="mine.jpg")
    assert (refused["__typename"], refused["blobId"]) == ("BlobNotFound", blob_id)
    assert shown(anna, blob_id)["fileName"] == FACTS["fileName"]


def test_a_repeated_idempotency_key_is_for_the_same_facts(anna: GraphQL) -> None:
    first = create(anna, idempotencyKey="k", **FACTS)
    again = create(anna, idempotencyKey="k", **FACTS)
    assert again == first
    other = create(anna, idempotencyKey="k", **{**FACTS, "fileName": "b.jpg"})
    assert other["__typename"] == "IdempotencyKeyReused"


def test_a_blob_of_any_state_can_be_updated(stores: EmbeddedStores, anna: GraphQL) -> None:
    """And its version and the time of its labels stay right for those who label it."""
    for blob in (stores.awaiting(), stores.labelling(), stores.failed(), stores.expired()):
        assert update(anna, blob.id, fileName="a.jpg")["__typename"] == "UpdatedBlob"
        now = stores.now(blob)
        assert (now.status, now.version, now.edits) == (blob.status, blob.version + 1, 1)
        assert now.labels_set_at == blob.labels_set_at


def test_a_download_has_the_name_of_the_file(
    stores: EmbeddedStores, anna: GraphQL, client: AppClient
) -> None:
    blob = stores.labelled("anna")
    update(anna, blob.id, fileName="Straße 1.jpg")
    query = "query ($id: ID!) { blob(id: $id) { downloadUrl } }"
    url = urlsplit(anna.ask(query, id=blob.id)["blob"]["downloadUrl"])
    assert parse_qs(url.query)["file-name"] == ["Straße 1.jpg"]


def test_a_key_that_may_only_upload_sees_no_facts(
    stores: EmbeddedStores, client: AppClient
) -> None:
    key = stores.key_for("anna", scopes=frozenset({Scope.UPLOAD}))
    body = {"query": CREATE, "variables": {"input": {"contentType": "JPEG"}}}
    answer = client.post("/graphql", json=body, headers={"authorization": f"Bearer {key}"})
    assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_rest_takes_and_shows_facts(stores: EmbeddedStores, client: AppClient) -> None:
    headers = {"authorization": f"Bearer {stores.key_for('anna')}"}
    facts = {"file_name": "a.jpg", "external_id": "x", "metadata": {"album": "b"}}
    made = client.post("/v1/blobs", json=facts, headers=headers)
    assert made.status_code == 201
    blob_id = made.json()["blob_id"]
    found = client.get(f"/v1/blobs/{blob_id}", headers=headers).json()
    assert {name: found[name] for name in facts} == facts
    taken = client.post("/v1/blobs", json={"external_id": "x"}, headers=headers)
    assert (taken.status_code, taken.json()["blob_id"]) == (409, blob_id)
    assert taken.json()["code"] == "ExternalIdTaken"
    wrong = client.post("/v1/blobs", json={"file_name": "", "metadata": {"": "b"}}, headers=headers)
    assert wrong.status_code == 422
    assert [each["path"] for each in wrong.json()["problems"]] == [
        ["file_name"],
        ["metadata", "0", "key"],
    ]


def found(client: GraphQL, order: str = "NEWEST", **wanted: Any) -> list[str]:
    query = (
        "query ($filter: BlobFilter, $order: BlobOrder!, $after: String) {"
        " blobs(first: 1, filter: $filter, orderBy: $order, after: $after)"
        " { nodes { fileName } pageInfo { hasNextPage endCursor } } }"
    )
    names: list[str] = []
    after = None
    while True:
        page = client.ask(query, filter=wanted, order=order, after=after)["blobs"]
        names += [each["fileName"] for each in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return names
        after = page["pageInfo"]["endCursor"]


def test_blobs_are_found_by_their_facts(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """Page by page, and only those of the caller."""
    for client in (anna, boris):
        for number, name in enumerate(["IMG_2.jpg", "img_1.jpg", "cat.png"]):
            stores.clock.advance(TICK)
            album = {"key": "album", "value": "odd" if number % 2 else "even"}
            year = {"key": "year", "value": "2026"}
            create(client, fileName=name, externalId=f"id {number}", metadata=[album, year])
    create(anna)
    assert found(anna, "FILE_NAME") == ["cat.png", "img_1.jpg", "IMG_2.jpg"]
    assert found(anna, "FILE_NAME", fileNamePrefix="Img") == ["img_1.jpg", "IMG_2.jpg"]
    assert found(anna, externalIds=["id 2", "id 0", "id 9"]) == ["cat.png", "IMG_2.jpg"]
    assert found(anna, "OLDEST", metadata=PAIRS[:1]) == ["IMG_2.jpg", "img_1.jpg", "cat.png"]
    odd = [{"key": "year", "value": "2026"}, {"key": "album", "value": "odd"}]
    assert found(anna, metadata=odd) == ["img_1.jpg"]
    nulls: dict[str, None] = dict.fromkeys(["fileNamePrefix", "externalIds", "metadata"])
    assert len(found(anna, **nulls)) == 4


@pytest.mark.parametrize(
    ("order", "wanted", "said"),
    [
        ("NEWEST", {"fileNamePrefix": "a"}, "order by FILE_NAME"),
        ("FILE_NAME", {"fileNamePrefix": ""}, "1 to 200 characters"),
        ("FILE_NAME", {"externalIds": ["a"]}, "list them by NEWEST"),
        ("NEWEST", {"externalIds": ["a"] * 101}, "at most 100"),
    ],
)
def test_a_list_that_is_no_walk_of_an_index_is_refused(
    anna: GraphQL, order: str, wanted: dict[str, Any], said: str
) -> None:
    query = (
        "query ($filter: BlobFilter, $order: BlobOrder!)"
        " { blobs(filter: $filter, orderBy: $order) { nodes { id } } }"
    )
    (error,) = anna.post(query, filter=wanted, order=order).json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert said in error["message"]
