"""Blobs that look like another, in GraphQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api.rest.app import create_app
from core.domain.blob import Blob
from tests.support.graphql_client import GraphQL
from tests.support.images.embeddings import embedding
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

SIMILAR = """
query ($id: ID!, $kind: SimilarKind! = SIMILAR, $first: Int! = 20, $after: String) {
  blob(id: $id) { similar(kind: $kind, first: $first, after: $after) {
    edges { cursor similarity node { id status } }
    nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } }
}
"""


def similar_to(client: GraphQL, blob: Blob, **variables: Any) -> Any:
    return client.ask(SIMILAR, id=blob.id, **variables)["blob"]["similar"]


def picture(stores: EmbeddedStores, similarity: float) -> Blob:
    return stores.labelled("anna", embedding=embedding(similarity))


def test_similar_blobs_are_listed_with_their_similarity(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    one, copy, alike = (picture(stores, each) for each in (1, 1, 0.5))
    page = similar_to(anna, one, kind="DUPLICATE")
    assert [(each["node"]["id"], each["similarity"]) for each in page["edges"]] == [(copy.id, 1.0)]
    assert page["nodes"] == [{"id": copy.id}]
    page = similar_to(anna, one)
    assert [each["node"]["id"] for each in page["edges"]] == [alike.id]
    assert page["edges"][0]["similarity"] == pytest.approx(0.5, abs=0.01)


def test_pages_follow_one_another(stores: EmbeddedStores, anna: GraphQL) -> None:
    one, *copies = [picture(stores, 1) for _ in range(6)]
    ids: list[str] = []
    after = None
    while True:
        page = similar_to(anna, one, kind="DUPLICATE", first=2, after=after)
        ids += [node["id"] for node in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert ids == [copy.id for copy in reversed(copies)]


def test_cursor_belongs_to_its_blob_and_kind(stores: EmbeddedStores, anna: GraphQL) -> None:
    one, other = picture(stores, 1), picture(stores, 1)
    cursor = similar_to(anna, one, kind="DUPLICATE")["pageInfo"]["endCursor"]
    for blob, kind in ((one, "SIMILAR"), (other, "DUPLICATE")):
        error = anna.error(SIMILAR, id=blob.id, kind=kind, after=cursor)
        assert error["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("first", [0, 101])
def test_page_size_is_bounded(stores: EmbeddedStores, anna: GraphQL, first: int) -> None:
    error = anna.error(SIMILAR, id=picture(stores, 1).id, first=first)
    assert "from 1 to 100" in error["message"]


def test_blob_without_embedding_has_null(stores: EmbeddedStores, anna: GraphQL) -> None:
    """For example one that an earlier version labelled."""
    assert similar_to(anna, stores.labelled("anna")) is None
    assert similar_to(anna, stores.awaiting("anna")) is None


def test_service_that_compares_nothing_answers_null(stores: EmbeddedStores) -> None:
    """As on AWS."""
    blob = picture(stores, 1)
    app = create_app(replace(stores.services("anna"), similar=None))
    with AppClient(app) as client:
        assert similar_to(GraphQL(client, None), blob) is None
