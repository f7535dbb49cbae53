"""Queries."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from api.graphql.cursors import encode_cursor
from api.services.labels import LabelOrder
from core.domain import blob_list
from core.domain.blob import GIVEN_UP, Blob, label_again, receive_upload, record_failure
from core.domain.blob_list import BlobFilter, plan_blob_list
from core.domain.clock import new_id, to_text
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict
from core.domain.label import BoundingBox, Instance, Label
from tests.support.embedded_stores import EmbeddedStores
from tests.support.graphql_client import GraphQL

CAT = Label("Cat", 91.5, parents=("Feline", "Animal"))
DOG = Label("Dog", 60.0)

DIGEST = base64.b64encode(hashlib.sha256(b"cat").digest()).decode()

BLOB = """
query ($id: ID!) {
  blob(id: $id) {
    id status contentType sizeBytes sha256 width height createdAt labelledAt downloadUrl
    detector { name version }
    labels {
      name confidence parents
      instances { confidence boundingBox { left top width height } }
    }
    failure { code message }
    callback { url status nextAttemptAt attempts { at responseStatus errorCode durationMs } }
  }
}
"""
BLOBS = """
query (
  $first: Int! = 20, $after: String, $filter: BlobFilter, $order: BlobOrder! = NEWEST
) {
  blobs(first: $first, after: $after, filter: $filter, orderBy: $order) {
    nodes { id }
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
BY_LABEL = """
query (
  $label: String!, $min: Float! = 0, $order: LabelledBlobOrder! = NEWEST, $first: Int! = 20,
  $after: String
) {
  blobsByLabel(
    label: $label, minConfidence: $min, orderBy: $order, first: $first, after: $after
  ) {
    nodes { id }
    edges { cursor confidence node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
LABELS = """
query ($prefix: String, $first: Int! = 20, $after: String) {
  labels(prefix: $prefix, first: $first, after: $after) {
    nodes { name blobCount }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def ids(connection: dict[str, Any]) -> list[str]:
    return [node["id"] for node in connection["nodes"]]


def assert_bad_input(error: dict[str, Any], argument: str) -> None:
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": argument}


# One blob


def test_blob_that_awaits_its_bytes_has_nulls(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Labels are null, not empty."""
    blob = stores.awaiting()
    assert anna.ask(BLOB, id=blob.id)["blob"] == {
        "id": blob.id,
        "status": "AWAITING_UPLOAD",
        "contentType": "JPEG",
        "sizeBytes": None,
        "sha256": None,
        "detector": None,
        "width": None,
        "height": None,
        "createdAt": to_text(blob.created_at),
        "labelledAt": None,
        "downloadUrl": None,
        "labels": None,
        "failure": None,
        "callback": None,
    }


def test_labelled_blob_shows_every_detail(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Labels with parents and boxes, size, times and a download URL."""
    found = Instance(BoundingBox(0.1, 0.2, 0.3, 0.4), 88.0)
    person = Label("Person", 99.0, instances=(found,))
    blob = stores.labelled("anna", person, CAT)
    shown = anna.ask(BLOB, id=blob.id)["blob"]
    assert shown["status"] == "LABELLED"
    assert (shown["sizeBytes"], shown["width"], shown["height"]) == (5, 640, 480)
    assert shown["labelledAt"] == to_text(stores.clock())
    assert shown["downloadUrl"].startswith(f"http://testserver/{blob.key}?")
    assert shown["labels"] == [
        {
            "name": "Person",
            "confidence": 99.0,
            "parents": [],
            "instances": [
                {
                    "confidence": 88.0,
                    "boundingBox": {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4},
                }
            ],
        },
        {"name": "Cat", "confidence": 91.5, "parents": ["Feline", "Animal"], "instances": []},
    ]


def test_labels_are_empty_when_nothing_was_detected(stores: EmbeddedStores, anna: GraphQL) -> None:
    blob = stores.labelled("anna")
    assert anna.ask(BLOB, id=blob.id)["blob"]["labels"] == []


def test_labels_are_filtered_by_confidence(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The minimum itself is included."""
    blob = stores.labelled("anna", CAT, DOG)
    query = (
        "query ($id: ID!, $min: Float!) { blob(id: $id) { labels(minConfidence: $min) { name } } }"
    )
    for bound, names in ((60, ["Cat", "Dog"]), (60.1, ["Cat"]), (100, [])):
        shown = anna.ask(query, id=blob.id, min=bound)["blob"]["labels"]
        assert [label["name"] for label in shown] == names


def test_failed_blob_has_a_code_and_a_message(stores: EmbeddedStores, anna: GraphQL) -> None:
    """It has no labelledAt."""
    shown = anna.ask(BLOB, id=stores.failed().id)["blob"]
    assert shown["failure"] == {"code": "CORRUPT_IMAGE", "message": "The picture breaks off."}
    assert shown["labels"] is None
    assert shown["labelledAt"] is None
    assert shown["downloadUrl"] is not None


def test_labels_stay_while_a_blob_is_labelled_again(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The old labels stay until new ones replace them."""
    blob = stores.saved(label_again(stores.labelled("anna", CAT), stores.clock()))
    shown = anna.ask(BLOB, id=blob.id)["blob"]
    assert shown["status"] == "LABELLING"
    assert [label["name"] for label in shown["labels"]] == ["Cat"]


# Callbacks

HOOK = "https://example.org/hook"


def delivery_of(stores: EmbeddedStores, blob: Blob) -> Delivery:
    now = stores.clock()
    delivery = Delivery(f"msg_{blob.id}", blob.id, blob.owner, HOOK, b"{}", now, now)
    stores.deliveries.add(delivery)
    return delivery


def attempt(
    stores: EmbeddedStores, delivery: Delivery, state: DeliveryState, status: int | None
) -> None:
    started = stores.clock()
    claim = stores.deliveries.claim(delivery.id, started, timedelta(seconds=30))
    assert claim is not None
    ended = started + timedelta(milliseconds=250)
    due_at = ended + timedelta(seconds=5) if state is DeliveryState.PENDING else None
    error = None if state is DeliveryState.DELIVERED else "status" if status else "timeout"
    done = Attempt(claim.attempt, started, ended, status, error)
    assert stores.deliveries.finish(claim, done, Verdict(state, due_at))


def callback(anna: GraphQL, blob: Blob) -> dict[str, Any]:
    shown: dict[str, Any] = anna.ask(BLOB, id=blob.id)["blob"]["callback"]
    return shown


def test_callback_is_pending_before_an_outcome(stores: EmbeddedStores, anna: GraphQL) -> None:
    """It has only a URL."""
    blob = stores.awaiting(callback_url=HOOK)
    pending = {"url": HOOK, "status": "PENDING", "nextAttemptAt": None, "attempts": []}
    assert callback(anna, blob) == pending


def test_callback_is_pending_until_its_first_attempt(stores: EmbeddedStores, anna: GraphQL) -> None:
    """With the time at which it is due."""
    blob = stores.labelled("anna", CAT, callback_url=HOOK)
    delivery = delivery_of(stores, blob)
    shown = callback(anna, blob)
    assert shown["status"] == "PENDING"
    assert shown["nextAttemptAt"] == to_text(delivery.due_at)


def test_callback_is_retrying_then_delivered(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Attempts are listed oldest first; after a success none is due."""
    blob = stores.labelled("anna", CAT, callback_url=HOOK)
    delivery = delivery_of(stores, blob)
    first = stores.clock()
    attempt(stores, delivery, DeliveryState.PENDING, 500)
    shown = callback(anna, blob)
    assert shown["status"] == "RETRYING"
    assert shown["nextAttemptAt"] == to_text(first + timedelta(seconds=5, milliseconds=250))
    stores.clock.advance(timedelta(seconds=10))
    attempt(stores, delivery, DeliveryState.DELIVERED, 204)
    shown = callback(anna, blob)
    assert shown["status"] == "DELIVERED"
    assert shown["nextAttemptAt"] is None
    assert shown["attempts"] == [
        {"at": to_text(first), "responseStatus": 500, "errorCode": "STATUS", "durationMs": 250},
        {
            "at": to_text(first + timedelta(seconds=10)),
            "responseStatus": 204,
            "errorCode": None,
            "durationMs": 250,
        },
    ]


@pytest.mark.parametrize("state", [DeliveryState.EXHAUSTED, DeliveryState.GONE])
def test_callback_without_further_attempts_is_given_up(
    stores: EmbeddedStores, anna: GraphQL, state: DeliveryState
) -> None:
    """For every final state."""
    blob = stores.labelled("anna", CAT, callback_url=HOOK)
    attempt(stores, delivery_of(stores, blob), state, 410)
    shown = callback(anna, blob)
    assert (shown["status"], shown["nextAttemptAt"]) == ("GAVE_UP", None)


def test_interrupted_attempt_is_unknown_once_another_began(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """An attempt in progress has no error."""
    blob = stores.labelled("anna", CAT, callback_url=HOOK)
    delivery = delivery_of(stores, blob)
    assert stores.deliveries.claim(delivery.id, stores.clock(), timedelta(seconds=30))
    (only,) = callback(anna, blob)["attempts"]
    assert (only["errorCode"], only["durationMs"], only["responseStatus"]) == (None, None, None)
    stores.clock.advance(timedelta(seconds=31))
    attempt(stores, delivery, DeliveryState.DELIVERED, 200)
    lost, done = callback(anna, blob)["attempts"]
    assert (lost["errorCode"], lost["durationMs"]) == ("UNKNOWN", None)
    assert (done["errorCode"], done["durationMs"]) == (None, 250)


def test_deliveries_of_a_page_are_read_in_one_call(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = [stores.awaiting(callback_url=HOOK) for _ in range(20)]
    asked: list[set[str]] = []
    find_latest = type(stores.deliveries).find_latest

    def counted(self: Any, owner: str, blob_ids: Any) -> Any:
        asked.append(set(blob_ids))
        return find_latest(self, owner, blob_ids)

    monkeypatch.setattr(type(stores.deliveries), "find_latest", counted)
    anna.ask("{ blobs { nodes { callback { status } } } }")
    assert asked == [{blob.id for blob in blobs}]


# Nodes


def test_node_returns_a_blob_by_its_id(stores: EmbeddedStores, anna: GraphQL) -> None:
    """With its type."""
    blob = stores.awaiting()
    query = "query ($id: ID!) { node(id: $id) { __typename id ... on Blob { status } } }"
    shown = anna.ask(query, id=blob.id)["node"]
    assert shown == {"__typename": "Blob", "id": blob.id, "status": "AWAITING_UPLOAD"}


@pytest.mark.parametrize("blob_id", ["", "x", "01JJZZZZZZZZZZZZZZZZZZZZZZ", "a\0b", "é" * 1000])
def test_unknown_id_gives_null(anna: GraphQL, blob_id: str) -> None:
    """For any text."""
    query = (
        "query ($id: ID!) { blob(id: $id) { id } node(id: $id) { id } nodes(ids: [$id]) { id } }"
    )
    assert anna.ask(query, id=blob_id) == {"blob": None, "node": None, "nodes": [None]}


def test_nodes_have_the_order_of_ids_with_null_for_absent_ones(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """A repeated id is returned twice."""
    one, two = stores.awaiting(), stores.awaiting()
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    asked = [two.id, "absent", one.id, two.id]
    shown = anna.ask(query, ids=asked)["nodes"]
    assert shown == [{"id": two.id}, None, {"id": one.id}, {"id": two.id}]
    assert anna.ask(query, ids=[])["nodes"] == []


def test_nodes_accepts_at_most_100_ids(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The error names the argument."""
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    blob = stores.awaiting()
    assert len(anna.ask(query, ids=[blob.id] * 100)["nodes"]) == 100
    error = anna.error(query, ids=[blob.id] * 101)
    assert_bad_input(error, "ids")
    assert "100" in error["message"]
    assert error["path"] == ["nodes"]


def test_foreign_blob_looks_absent_everywhere(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """By id, in lists, and in the labels in use."""
    blob = stores.labelled("anna", CAT, callback_url=HOOK)
    own = stores.labelled("boris", DOG)
    query = """
      query ($id: ID!, $own: ID!) {
        blob(id: $id) { id } node(id: $id) { id } nodes(ids: [$id, $own]) { id }
        blobs { nodes { id } }
        cats: blobsByLabel(label: "Cat") { nodes { id } }
        dogs: blobsByLabel(label: "Dog") { nodes { id } }
        labels { nodes { name } }
      }
    """
    assert boris.ask(query, id=blob.id, own=own.id) == {
        "blob": None,
        "node": None,
        "nodes": [None, {"id": own.id}],
        "blobs": {"nodes": [{"id": own.id}]},
        "cats": {"nodes": []},
        "dogs": {"nodes": [{"id": own.id}]},
        "labels": {"nodes": [{"name": "Dog"}]},
    }
    assert anna.ask(query, id=blob.id, own=own.id)["blob"] == {"id": blob.id}


# Lists of blobs


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


# Cursors


def cursor_text(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forged(scope: tuple[object, ...], *key: Any) -> str:
    return encode_cursor(scope, key)


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


# By label


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


# Labels in use


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


# By labels


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
