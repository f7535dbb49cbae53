"""Cursors of lists: forged, of another list, of another owner."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from api.services.labels import LabelOrder
from core.domain.blob_list import BlobFilter, plan_blob_list
from tests.support.graphql_client import GraphQL
from tests.support.list_queries import (
    BLOBS,
    BY_LABEL,
    CAT,
    DOG,
    LABELS,
    assert_bad_input,
    cursor_text,
    forged,
    ids,
)
from tests.support.services.embedded_stores import EmbeddedStores


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!!",
        "é",
        "\ud800",
        "null",
        cursor_text([]),
        cursor_text({}),
        cursor_text("text"),
        cursor_text(["00000000", "01JJZZZZZZZZZZZZZZZZZZZZZZ"]),
        cursor_text([[], {}]),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        "A" * 900_000,
    ],
    ids=range(13),
)
@pytest.mark.parametrize("query", [BLOBS, LABELS, BY_LABEL], ids=["blobs", "labels", "byLabel"])
def test_malformed_cursor_is_rejected(anna: GraphQL, query: str, cursor: str) -> None:
    """The error names the argument."""
    label = {"label": "Cat"} if query is BY_LABEL else {}
    error = anna.error(query, after=cursor, **label)
    assert_bad_input(error, "after")
    assert len(error["message"]) < 200


@pytest.mark.parametrize(
    "key",
    [(), (5,), (None,), (1.5,), ("a", "b"), (["a"],)],
    ids=repr,
)
def test_cursor_with_a_position_of_another_type_is_rejected(
    anna: GraphQL, key: tuple[Any, ...]
) -> None:
    """Even with the right checksum."""
    scope = ("blobs", "anna", plan_blob_list(BlobFilter()).name)
    error = anna.error(BLOBS, after=forged(scope, *key))
    assert_bad_input(error, "after")


@pytest.mark.parametrize("key", [(90.0,), ("a", 90.0), (90, "a"), (90.0, "a", "b")], ids=repr)
def test_label_cursor_with_a_position_of_another_type_is_rejected(
    anna: GraphQL, key: tuple[Any, ...]
) -> None:
    """A position by label is a confidence and an id."""
    scope = ("blobsByLabel", "anna", "cat", 0.0, LabelOrder.NEWEST)
    assert_bad_input(anna.error(BY_LABEL, label="Cat", after=forged(scope, *key)), "after")


def test_cursor_of_another_query_or_filter_is_rejected(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    for _ in range(2):
        stores.labelled("anna", CAT, DOG)
    blobs = anna.ask(BLOBS, first=1)["blobs"]["pageInfo"]["endCursor"]
    labels = anna.ask(LABELS, first=1)["labels"]["pageInfo"]["endCursor"]
    cats = anna.ask(BY_LABEL, label="Cat", first=1)["blobsByLabel"]["pageInfo"]["endCursor"]
    assert_bad_input(anna.error(BLOBS, after=labels), "after")
    assert_bad_input(anna.error(BLOBS, after=cats), "after")
    assert_bad_input(anna.error(BLOBS, after=blobs, filter={"status": ["LABELLED"]}), "after")
    assert_bad_input(anna.error(LABELS, after=blobs), "after")
    assert_bad_input(anna.error(LABELS, after=labels, prefix="c"), "after")
    assert_bad_input(anna.error(BY_LABEL, label="Cat", after=blobs), "after")
    assert_bad_input(anna.error(BY_LABEL, label="Dog", after=cats), "after")
    assert_bad_input(anna.error(BY_LABEL, label="Cat", after=cats, min=1), "after")
    assert_bad_input(anna.error(BY_LABEL, label="Cat", after=cats, order="CONFIDENCE"), "after")


def test_cursor_of_another_owner_is_rejected(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    for owner in ("anna", "anna", "boris", "boris"):
        stores.labelled(owner, CAT)
    cursor = anna.ask(BLOBS, first=1)["blobs"]["pageInfo"]["endCursor"]
    assert_bad_input(boris.error(BLOBS, after=cursor), "after")


def test_page_size_may_change_between_pages(stores: EmbeddedStores, anna: GraphQL) -> None:
    """An empty filter is the same as none."""
    made = [stores.awaiting().id for _ in range(4)]
    cursor = anna.ask(BLOBS, first=1)["blobs"]["pageInfo"]["endCursor"]
    page = anna.ask(BLOBS, first=3, after=cursor, filter={})["blobs"]
    assert ids(page) == made[2::-1]
