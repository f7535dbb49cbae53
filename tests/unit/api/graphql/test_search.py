"""Searches by a text, in GraphQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api.graphql.similar import MAX_TEXT
from api.rest.app import create_app
from core.domain.blob import Blob
from embedded.similar.index import SimilarIndex
from tests.support.graphql_client import GraphQL
from tests.support.images.embeddings import of_colour
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

SEARCH = """
query ($text: String!, $first: Int! = 20, $after: String) {
  search(text: $text, first: $first, after: $after) {
    edges { cursor similarity node { id status } }
    nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
  viewer { owner }
}
"""


def picture(stores: EmbeddedStores, *colour: int, owner: str = "anna") -> Blob:
    return stores.labelled(owner, embedding=of_colour(*colour))


def search(client: GraphQL, text: str, **variables: Any) -> Any:
    return client.ask(SEARCH, text=text, **variables)["search"]


def test_blobs_are_listed_by_how_well_the_text_describes_them(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    picture(stores, 9, 0, 0, owner="boris")
    blue, red = picture(stores, 0, 0, 9), picture(stores, 9, 0, 0)
    page = search(anna, "red")
    assert [(each["node"]["id"], each["similarity"]) for each in page["edges"]] == [
        (red.id, 1.0),
        (blue.id, 0.0),
    ]
    assert page["nodes"] == [{"id": red.id}, {"id": blue.id}]
    assert not page["pageInfo"]["hasNextPage"]


def test_pages_follow_one_another(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The text's spaces make no difference."""
    blobs = [picture(stores, 9, number, 0) for number in range(5)]
    ids: list[str] = []
    after = None
    for text in ("red", " red ", "red\n"):
        page = search(anna, text, first=2, after=after)
        ids += [node["id"] for node in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        after = page["pageInfo"]["endCursor"]
    assert ids == [blob.id for blob in blobs]
    assert not page["pageInfo"]["hasNextPage"]


def test_cursor_belongs_to_its_text_and_owner(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    picture(stores, 9, 0, 0)
    cursor = search(anna, "red")["pageInfo"]["endCursor"]
    assert search(anna, "red", after=cursor)["edges"] == []
    for client, text in ((anna, "blue"), (boris, "red")):
        error = client.error(SEARCH, text=text, after=cursor)
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == (
            "BAD_USER_INPUT",
            "after",
        )


@pytest.mark.parametrize("text", ["", " \n", "a" * (MAX_TEXT + 1), "red\x00", "red\u202e"])
def test_text_that_no_person_writes_is_refused(anna: GraphQL, text: str) -> None:
    error = anna.error(SEARCH, text=text)
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "text"}


@pytest.mark.parametrize("first", [0, 101])
def test_page_size_is_bounded(anna: GraphQL, first: int) -> None:
    assert "from 1 to 100" in anna.error(SEARCH, text="red", first=first)["message"]


@pytest.mark.parametrize("aws", [True, False])
def test_service_without_a_text_encoder_says_so(
    stores: EmbeddedStores, similar_without_texts: Any, *, aws: bool
) -> None:
    """The rest of the operation has its data."""
    similar = None if aws else similar_without_texts
    app = create_app(replace(stores.services("anna"), similar=similar))
    with AppClient(app) as client:
        answer = GraphQL(client, None).post(SEARCH, text="red").json()
    assert answer["data"] == {"search": None, "viewer": {"owner": "anna"}}
    (error,) = answer["errors"]
    assert error["path"] == ["search"]
    assert error["extensions"] == {"code": "NOT_CONFIGURED"}
    assert "An operator can configure a text encoder" in error["message"]


@pytest.fixture
def similar_without_texts(stores: EmbeddedStores) -> Any:
    return SimilarIndex(stores.database)
