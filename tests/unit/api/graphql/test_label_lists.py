"""Queries by labels, and of labels in use."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from core.domain import blob_list
from core.domain.blob import GIVEN_UP, label_again, record_failure
from core.domain.clock import to_text
from core.domain.label import Label
from tests.support.graphql_client import GraphQL
from tests.support.list_queries import (
    BLOBS,
    BY_LABEL,
    CAT,
    DIGEST,
    DOG,
    LABELS,
    assert_bad_input,
    ids,
)
from tests.support.services.embedded_stores import EmbeddedStores


def test_blobs_by_label_come_newest_first(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The edge has the label's confidence; the case of the name is ignored."""
    one = stores.labelled("anna", Label("Cat", 90.0)).id
    two = stores.labelled("anna", Label("Cat", 60.0), Label("Dog", 99.0)).id
    stores.labelled("anna", Label("Dog", 99.0))
    for label in ("Cat", "cat", "CAT"):
        found = anna.ask(BY_LABEL, label=label)["blobsByLabel"]
        assert ids(found) == [two, one]
        assert [edge["confidence"] for edge in found["edges"]] == [60.0, 90.0]
        assert [edge["node"]["id"] for edge in found["edges"]] == [two, one]


def test_blobs_by_label_most_confident_first_ties_newest_first(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """On every page."""
    confidences = (70.0, 90.0, 70.0, 80.5)
    made = [stores.labelled("anna", Label("Cat", each)).id for each in confidences]
    best = [made[1], made[3], made[2], made[0]]
    whole = anna.ask(BY_LABEL, label="Cat", order="CONFIDENCE")["blobsByLabel"]
    assert ids(whole) == best
    seen, after = [], None
    for _ in best:
        page = anna.ask(BY_LABEL, label="Cat", order="CONFIDENCE", first=1, after=after)
        seen += ids(page["blobsByLabel"])
        after = page["blobsByLabel"]["pageInfo"]["endCursor"]
    assert seen == best
    assert not page["blobsByLabel"]["pageInfo"]["hasNextPage"]
    assert page["blobsByLabel"]["pageInfo"]["hasPreviousPage"]


@pytest.mark.parametrize("order", ["NEWEST", "CONFIDENCE"])
def test_blobs_by_label_are_filtered_by_confidence(
    stores: EmbeddedStores, anna: GraphQL, order: str
) -> None:
    """The minimum itself is included."""
    made = [stores.labelled("anna", Label("Cat", each)).id for each in (70.0, 80.0, 90.0)]
    found = anna.ask(BY_LABEL, label="Cat", min=80, order=order)["blobsByLabel"]
    assert ids(found) == [made[2], made[1]]


def test_unused_label_gives_an_empty_page(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Also a label that a blob had before it failed."""
    blob = stores.saved(label_again(stores.labelled("anna", CAT), stores.clock()))
    assert ids(anna.ask(BY_LABEL, label="Cat")["blobsByLabel"]) == [blob.id]
    stores.saved(record_failure(blob, stores.clock(), GIVEN_UP))
    for label in ("Cat", "Unicorn", "", "%", "' OR 1=1 --"):
        assert ids(anna.ask(BY_LABEL, label=label)["blobsByLabel"]) == []


def test_labels_in_use_are_ordered_by_name_with_counts(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """The order ignores case, on every page."""
    stores.labelled("anna", CAT, DOG, Label("apple", 80.0))
    stores.labelled("anna", CAT)
    everything = anna.ask(LABELS)["labels"]
    assert everything["nodes"] == [
        {"name": "apple", "blobCount": 1},
        {"name": "Cat", "blobCount": 2},
        {"name": "Dog", "blobCount": 1},
    ]
    first = anna.ask(LABELS, first=2)["labels"]
    assert first["pageInfo"]["hasNextPage"]
    second = anna.ask(LABELS, first=2, after=first["pageInfo"]["endCursor"])["labels"]
    assert first["nodes"] + second["nodes"] == everything["nodes"]
    assert not second["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("ca", ["Car", "Cat"]),
        ("CA", ["Car", "Cat"]),
        ("cat", ["Cat"]),
        ("", ["Car", "Cat", "Dog"]),
        (None, ["Car", "Cat", "Dog"]),
        ("x", []),
        ("%", []),
    ],
)
def test_labels_are_filtered_by_prefix(
    stores: EmbeddedStores, anna: GraphQL, prefix: str | None, names: list[str]
) -> None:
    """The prefix ignores case."""
    stores.labelled("anna", CAT, DOG, Label("Car", 70.0))
    shown = anna.ask(LABELS, prefix=prefix)["labels"]["nodes"]
    assert [label["name"] for label in shown] == names


def by_labels(client: GraphQL, order: str = "NEWEST", **labels: Any) -> list[str]:
    return ids(client.ask(BLOBS, filter={"labels": labels}, order=order)["blobs"])


def test_label_conditions_are_combined(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """Case is ignored."""
    both = stores.labelled("anna", Label("Cat", 90.0), Label("Dog", 60.0)).id
    cat = stores.labelled("anna", Label("Cat", 60.0)).id
    dog = stores.labelled("anna", Label("Dog", 90.0)).id
    cow = stores.labelled("anna", Label("Cow", 90.0)).id
    waiting = stores.awaiting("anna").id
    assert by_labels(anna, all=["cat"]) == [cat, both]
    assert by_labels(anna, all=["CAT", "dog", "Dog"]) == [both]
    assert by_labels(anna, any=["cat", "dog"]) == [dog, cat, both]
    assert by_labels(anna, any=["cat", "dog"], none=["cat"]) == [dog]
    assert by_labels(anna, all=["dog"], any=["cat", "horse"]) == [both]
    assert by_labels(anna, all=["cat", "horse"]) == []
    assert by_labels(anna, any=["cat", "dog"], minConfidence=70) == [dog, both]
    assert by_labels(anna, all=["cat"], none=["dog"], minConfidence=70) == [both]
    assert by_labels(anna, none=["cat", "dog"]) == [waiting, cow]
    assert by_labels(anna, all=[], any=None) == [waiting, cow, dog, cat, both]
    assert by_labels(boris, any=["cat", "dog", "cow"]) == []


def test_labels_are_combined_with_other_conditions(stores: EmbeddedStores, anna: GraphQL) -> None:
    """And with each order."""
    made = [stores.labelled("anna", Label("Cat", 60.0 + n)) for n in (5, 9, 1)]
    stores.labelled("anna", Label("Dog", 99.0))
    since = {"createdAfter": to_text(made[1].created_at)}
    cats = {"labels": {"all": ["cat"]}}

    def found(order: str, **more: Any) -> list[int]:
        shown = ids(anna.ask(BLOBS, filter={**cats, **more}, order=order)["blobs"])
        return [[blob.id for blob in made].index(each) for each in shown]

    assert found("NEWEST") == [2, 1, 0]
    assert found("OLDEST") == [0, 1, 2]
    assert found("CONFIDENCE") == [1, 0, 2]
    assert found("CONFIDENCE", status=["LABELLED"], **since) == [1, 2]
    assert found("OLDEST", status=["LABELLED"], **since) == [1, 2]
    assert found("NEWEST", status=["FAILED"]) == []


@pytest.mark.parametrize("order", ["NEWEST", "OLDEST", "CONFIDENCE"])
def test_list_is_paged_in_every_order(stores: EmbeddedStores, anna: GraphQL, order: str) -> None:
    """Each cursor continues behind its edge."""
    for n in range(5):
        stores.labelled("anna", Label("Cat", 60.0 + n % 3))
    asked = {"filter": {"labels": {"any": ["cat"]}}, "order": order}
    whole = anna.ask(BLOBS, **asked)["blobs"]
    for n, edge in enumerate(whole["edges"], 1):
        rest = anna.ask(BLOBS, **asked, after=edge["cursor"])["blobs"]
        assert ids(rest) == ids(whole)[n:]


def test_short_page_continues_from_its_end(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Where it ends need not be an edge."""
    made = [
        stores.labelled("anna", Label("Cat", 90.0), *([Label("Dog", 90.0)] if n in (0, 7) else []))
        for n in range(9)
    ]
    for blob in made:  # so that the search walks the list of cats
        stores.blobs.uncount_labels("anna", blob.id)
    stores.blobs.count_labels("anna", made[0].id, 9, ["Dog"])
    shown: list[list[str]] = []
    after = None
    wanted = {"labels": {"all": ["cat", "dog"]}}
    with patch.object(blob_list, "MAX_EXAMINED", 2):
        while True:
            page = anna.ask(BLOBS, filter=wanted, first=1, after=after)["blobs"]
            shown.append(ids(page))
            assert [edge["node"]["id"] for edge in page["edges"]] == ids(page)
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
            assert after
    assert [blob_id for page_ in shown for blob_id in page_] == [made[7].id, made[0].id]
    assert [] in shown


@pytest.mark.parametrize(
    ("labels", "argument", "said"),
    [
        ({"all": [str(n) for n in range(11)]}, "labels", "at most 10 labels"),
        ({"all": ["a"], "any": ["b"], "none": [str(n) for n in range(9)]}, "labels", "not 11"),
        ({"minConfidence": 5}, "minConfidence", "name one"),
        ({"all": ["a"], "minConfidence": 101}, "minConfidence", "from 0 to 100"),
        ({"all": ["a"], "minConfidence": -1}, "minConfidence", "from 0 to 100"),
    ],
)
def test_label_conditions_are_limited(
    anna: GraphQL, labels: dict[str, Any], argument: str, said: str
) -> None:
    """The error tells what to change."""
    error = anna.error(BLOBS, filter={"labels": labels})
    assert_bad_input(error, argument)
    assert said in error["message"]
    assert by_labels(anna, all=["a", "A"] * 10) == []


@pytest.mark.parametrize(
    ("filter_", "said"),
    [
        (None, "exactly one label"),
        ({"labels": {"all": ["a", "b"]}}, "exactly one label"),
        ({"labels": {"none": ["a"]}}, "exactly one label"),
        ({"labels": {"all": ["a"]}, "sha256": DIGEST}, "sha256"),
    ],
    ids=str,
)
def test_order_that_no_index_has_is_refused(
    anna: GraphQL, filter_: dict[str, Any] | None, said: str
) -> None:
    error = anna.error(BLOBS, filter=filter_, order="CONFIDENCE")
    assert_bad_input(error, "orderBy")
    assert said in error["message"]
    assert "NEWEST" in error["message"]


def test_cursor_of_another_filter_or_order_is_rejected(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """The order and case of label names do not matter."""
    for _ in range(2):
        stores.labelled("anna", Label("Cat", 90.0), Label("Dog", 60.0))

    def asked(order: str = "NEWEST", **labels: Any) -> dict[str, Any]:
        return {"filter": {"labels": labels}, "order": order}

    page = anna.ask(BLOBS, **asked(all=["cat", "dog"]), first=1)["blobs"]
    after = page["pageInfo"]["endCursor"]
    assert ids(anna.ask(BLOBS, **asked(all=["DOG", "Cat"]), after=after)["blobs"])
    for other in (
        asked(all=["cat"]),
        asked(any=["cat", "dog"]),
        asked(all=["cat", "dog"], minConfidence=5),
        asked(all=["cat", "dog"], none=["cow"]),
        asked("OLDEST", all=["cat", "dog"]),
        asked("CONFIDENCE", all=["cat"]),
    ):
        assert_bad_input(anna.error(BLOBS, after=after, **other), "after")


def test_total_is_told_where_one_read_tells_it(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Of all blobs, of states, and of one label; null for other lists."""
    for n in range(3):
        blob = stores.labelled("anna", Label("Cat", 60.0 + n), Label("Dog", 90.0))
        stores.blobs.count_labels("anna", blob.id, blob.version, ["Cat", "Dog"])
    stores.awaiting("anna")
    stores.awaiting("boris")

    def total(filter_: str = "", more: str = "") -> int | None:
        asked = f"filter: {{{filter_}}}, first: 1{more}"
        found: int | None = anna.ask(f"{{ blobs({asked}) {{ totalCount }} }}")["blobs"][
            "totalCount"
        ]
        return found

    assert total() == 4
    assert total("status: [LABELLED]") == 3
    assert total("status: [AWAITING_UPLOAD, FAILED]") == 1
    assert total('labels: {any: ["cat"]}', ", orderBy: CONFIDENCE") == 3
    assert total('labels: {all: ["cow"]}') == 0
    assert total('labels: {all: ["cat", "dog"]}') is None
    assert total('labels: {all: ["cat"], minConfidence: 61}') is None
    assert total('createdAfter: "2020-01-01T00:00:00.000Z"') is None
