"""Queries of lists of blobs: pages, filters and orders."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.domain.blob import ImageType, receive_upload
from core.domain.blob_list import BlobFilter, plan_blob_list
from core.domain.clock import new_id, to_text
from core.domain.corrections import DecisionKind
from tests.support.graphql_client import GraphQL
from tests.support.list_queries import (
    BLOB,
    BLOBS,
    BY_LABEL,
    CAT,
    DIGEST,
    DOG,
    LABELS,
    assert_bad_input,
    forged,
    ids,
)
from tests.support.services.embedded_stores import EmbeddedStores


def test_blobs_are_paged_newest_first_without_gap_or_repeat(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """A blob that is created meanwhile does not shift the pages."""
    made = [stores.awaiting().id for _ in range(5)]
    first = anna.ask(BLOBS, first=2)["blobs"]
    assert ids(first) == [made[4], made[3]]
    assert [edge["node"]["id"] for edge in first["edges"]] == ids(first)
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][1]["cursor"],
    }
    stores.awaiting()
    second = anna.ask(BLOBS, first=2, after=first["pageInfo"]["endCursor"])["blobs"]
    assert ids(second) == [made[2], made[1]]
    assert second["pageInfo"]["hasPreviousPage"]
    last = anna.ask(BLOBS, first=2, after=second["pageInfo"]["endCursor"])["blobs"]
    assert ids(last) == [made[0]]
    assert not last["pageInfo"]["hasNextPage"]


def test_page_that_ends_with_the_list_has_no_next_page(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    stores.awaiting()
    stores.awaiting()
    assert not anna.ask(BLOBS, first=2)["blobs"]["pageInfo"]["hasNextPage"]


def test_empty_list_has_no_cursors(anna: GraphQL) -> None:
    assert anna.ask(BLOBS)["blobs"] == {
        "nodes": [],
        "edges": [],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        },
    }


def test_blobs_are_filtered_by_type(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Whatever the state; null and an empty list mean any type."""
    jpeg = stores.labelled("anna", CAT).id
    tiff = stores.labelled("anna", CAT, content_type=ImageType.TIFF).id
    heic = stores.awaiting(content_type=ImageType.HEIC).id

    def found(*types: str, **more: Any) -> list[str]:
        wanted = {"contentTypes": list(types) or None, **more}
        return ids(anna.ask(BLOBS, filter=wanted)["blobs"])

    assert found("TIFF") == [tiff]
    assert found("HEIC", "JPEG", "HEIC") == [heic, jpeg]
    assert found("PNG") == []
    assert found() == [heic, tiff, jpeg]
    assert found("HEIC", labels={"all": ["cat"]}) == []
    page = anna.ask(BLOBS, filter={"contentTypes": ["TIFF", "JPEG"]}, first=1)["blobs"]
    after = page["pageInfo"]["endCursor"]
    rest = anna.ask(BLOBS, filter={"contentTypes": ["JPEG", "TIFF"]}, after=after)
    assert ids(rest["blobs"]) == [jpeg]
    other = {"contentTypes": ["JPEG"]}
    assert_bad_input(anna.error(BLOBS, filter=other, after=after), "after")


def test_blobs_are_filtered_by_confirmed_labels(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Confirmed or added ones; without names `matchedLabels` is null."""
    found = stores.labelled("anna", CAT, DOG).id
    confirmed = stores.corrected(
        stores.labelled("anna", CAT, DOG), DecisionKind.CONFIRMED, "Cat"
    ).id
    query = """query ($labels: LabelFilter) {
      blobs(filter: {labels: $labels}) { nodes { id } matchedLabels { name } totalCount }
    }"""

    def listed(**labels: Any) -> list[str]:
        answer = anna.ask(query, labels=labels)["blobs"]
        assert (answer["matchedLabels"] is None) == (len(labels) == 1)
        assert answer["totalCount"] is None
        return ids(answer)

    assert listed(confirmed=True) == [confirmed]
    assert listed(confirmed=False) == [found]
    assert listed(found=True) == [confirmed, found]
    assert listed(found=False) == []
    assert listed(confirmed=True, all=["cats"]) == [confirmed]
    assert listed(confirmed=False, all=["dog"]) == [confirmed, found]
    assert_bad_input(
        anna.error(query, labels={"confirmed": True, "minConfidence": 5}),
        "minConfidence",
    )


def test_blobs_are_filtered_by_status(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Any of the given ones, newest first; an empty list means any."""
    labelled = stores.labelled("anna", CAT).id
    awaiting = stores.awaiting().id
    failed = stores.failed().id
    expired = stores.expired().id
    labelling = stores.labelling().id

    def found(*statuses: str) -> list[str]:
        return ids(anna.ask(BLOBS, filter={"status": list(statuses)})["blobs"])

    assert found("LABELLED") == [labelled]
    assert found("AWAITING_UPLOAD") == [awaiting]
    assert found("EXPIRED") == [expired]
    assert found("LABELLING") == [labelling]
    assert found("LABELLED", "FAILED", "LABELLED") == [failed, labelled]
    everything = [labelling, expired, failed, awaiting, labelled]
    assert found() == everything
    assert ids(anna.ask(BLOBS, filter={"status": None})["blobs"]) == everything
    assert ids(anna.ask(BLOBS, filter=None)["blobs"]) == everything


def test_page_of_several_statuses_continues_in_order(stores: EmbeddedStores, anna: GraphQL) -> None:
    made = [stores.awaiting().id, stores.failed().id, stores.awaiting().id, stores.failed().id]
    wanted = {"status": ["FAILED", "AWAITING_UPLOAD"]}
    seen: list[str] = []
    after = None
    for _ in made:
        page = anna.ask(BLOBS, first=1, after=after, filter=wanted)["blobs"]
        seen += ids(page)
        after = page["pageInfo"]["endCursor"]
    assert seen == made[::-1]
    assert not page["pageInfo"]["hasNextPage"]


def test_blobs_are_filtered_by_time(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The time of createdAfter is included, that of createdBefore is not; any offset is valid."""
    one, two, three = (stores.awaiting() for _ in range(3))

    def found(**bounds: str | None) -> list[str]:
        return ids(anna.ask(BLOBS, filter=bounds)["blobs"])

    at = to_text(two.created_at)
    assert found(createdAfter=at) == [three.id, two.id]
    assert found(createdBefore=at) == [one.id]
    assert found(createdAfter=at, createdBefore=to_text(three.created_at)) == [two.id]
    assert found(createdAfter=at, createdBefore=at) == []
    elsewhere = at.replace("T12:", "T14:").replace("Z", "+02:00")
    assert found(createdAfter=elsewhere) == [three.id, two.id]
    assert found(createdAfter=None, createdBefore=None) == [three.id, two.id, one.id]
    assert found(createdAfter="1900-01-01T00:00:00.000Z") == [three.id, two.id, one.id]
    assert found(createdBefore="9999-12-31T23:59:59.000Z") == [three.id, two.id, one.id]


def test_time_and_status_are_combined(stores: EmbeddedStores, anna: GraphQL) -> None:
    stores.failed()
    two = stores.failed()
    stores.awaiting()
    wanted = {"status": ["FAILED"], "createdAfter": to_text(two.created_at)}
    assert ids(anna.ask(BLOBS, filter=wanted)["blobs"]) == [two.id]


def test_blobs_are_filtered_by_sha256(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Together with other conditions, and never another owner's."""
    one, two = (stores.labelled("anna", CAT) for _ in range(2))
    promised = stores.awaiting(declared_sha256=DIGEST)
    stores.saved(replace(stores.awaiting("bert"), sha256=DIGEST))
    stores.saved(replace(two, sha256=DIGEST, version=two.version + 1))
    assert one.sha256 != DIGEST
    assert ids(anna.ask(BLOBS, filter={"sha256": DIGEST})["blobs"]) == [promised.id, two.id]
    wanted = {"sha256": DIGEST, "status": ["LABELLED"]}
    page = anna.ask(BLOBS, first=1, filter=wanted)["blobs"]
    assert ids(page) == [two.id]
    assert anna.ask(BLOB, id=two.id)["blob"]["sha256"] == DIGEST
    error = anna.error(BLOBS, after=page["pageInfo"]["endCursor"], filter={"sha256": DIGEST})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("text", ["abc", "0" * 64, DIGEST[:-1], f" {DIGEST}", "ä" * 44])
def test_malformed_sha256_is_rejected(anna: GraphQL, text: str) -> None:
    """The message describes the form."""
    error = anna.error(BLOBS, filter={"sha256": text})
    assert error["message"] == "sha256: must be the base64 of a SHA-256, 44 characters"


@pytest.mark.parametrize(
    "moment",
    [
        "yesterday",
        "",
        "2026-01-31T12:00:00",
        "2026-01-31",
        "2026-13-01T00:00:00Z",
        5,
        True,
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_malformed_time_is_a_client_error(anna: GraphQL, moment: object) -> None:
    error = anna.error(BLOBS, filter={"createdAfter": moment})
    assert "createdAfter" in error["message"]
    assert error.get("extensions", {}).get("code") != "INTERNAL_SERVER_ERROR"


@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1])
@pytest.mark.parametrize("query", [BLOBS, LABELS, BY_LABEL])
def test_page_size_out_of_range_is_rejected(anna: GraphQL, query: str, first: int) -> None:
    """The message gives the range, 1 to 100."""
    label = {"label": "Cat"} if query is BY_LABEL else {}
    error = anna.error(query, first=first, **label)
    assert_bad_input(error, "first")
    assert "from 1 to 100" in error["message"]


@pytest.mark.parametrize("first", [1, 100])
def test_both_ends_of_the_page_size_are_valid(anna: GraphQL, first: int) -> None:
    assert anna.ask(BLOBS, first=first)["blobs"]["nodes"] == []


def test_default_page_has_twenty_entries(stores: EmbeddedStores, anna: GraphQL) -> None:
    for _ in range(21):
        stores.saved(receive_upload(stores.awaiting(), stores.clock(), size=1, sha256=""))
    page = anna.ask("{ blobs { nodes { id } pageInfo { hasNextPage } } }")["blobs"]
    assert len(page["nodes"]) == 20
    assert page["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($id: ID!) { blob(id: $id) { id } }", {"id": "\ud800"}),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["\ud800"]}),
        (BY_LABEL, {"label": "\ud800"}),
        (LABELS, {"prefix": "\ud800"}),
        (BLOBS, {"after": forged(("blobs", "anna", plan_blob_list(BlobFilter()).name), "\ud800")}),
    ],
    ids=["id", "ids", "label", "prefix", "cursor"],
)
def test_lone_surrogate_is_a_client_error(
    anna: GraphQL, query: str, variables: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """JSON can contain one, but no text can."""
    error = anna.error(query, **variables)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "surrogate" in error["message"]
    assert caplog.records == []


def test_ids_are_ordered_by_creation(stores: EmbeddedStores) -> None:
    """The order "newest first" relies on it."""
    before = new_id(stores.clock())
    stores.clock.advance(timedelta(milliseconds=1))
    assert before < new_id(stores.clock())
