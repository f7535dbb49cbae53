"""Mutations and their expected failures."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest

from core.domain.blob import expire, receive_upload
from core.domain.clock import to_text
from core.repositories.ports.uploads import UploadLimits
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import MAX_UPLOAD, EmbeddedStores

CREATE = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    __typename
    ... on CreatedUpload {
      blob { id status contentType labels { name } callback { url status } }
      target { method url headers { name value } expiresAt maxBytes }
    }
    ... on Error { message }
    ... on InvalidInput { problems { field path message } }
    ... on CallbackUrlRefused { url }
    ... on IdempotencyKeyReused { blobId }
    ... on QuotaExceeded { retryAt }
  }
}
"""
RENEW = """
mutation ($id: ID!) {
  renewUpload(blobId: $id) {
    __typename
    ... on RenewedUpload { blob { id } target { method url expiresAt } }
    ... on Error { message }
    ... on BlobNotFound { blobId }
    ... on WrongState { status }
  }
}
"""
SHA256 = base64.b64encode(hashlib.sha256(b"bytes").digest()).decode()


def create(client: GraphQL, **values: Any) -> dict[str, Any]:
    given = {"contentType": "JPEG", **values}
    answer: dict[str, Any] = client.ask(CREATE, input=given)["createUpload"]
    return answer


def test_create_upload_returns_a_blob_and_a_target(stores: EmbeddedStores, anna: GraphQL) -> None:
    """The target has everything that a client needs to send the bytes."""
    created = create(anna, contentType="PNG", callbackUrl="https://example.org/hook")
    assert created["__typename"] == "CreatedUpload"
    blob_id = created["blob"].pop("id")
    assert created["blob"] == {
        "status": "AWAITING_UPLOAD",
        "contentType": "PNG",
        "labels": None,
        "callback": {"url": "https://example.org/hook", "status": "PENDING"},
    }
    url = created["target"].pop("url")
    assert url.startswith(f"http://testserver/originals/anna/{blob_id}?")
    assert created["target"] == {
        "method": "PUT",
        "headers": [{"name": "Content-Type", "value": "image/png"}],
        "expiresAt": to_text(stores.clock() + timedelta(minutes=15)),
        "maxBytes": MAX_UPLOAD,
    }


def test_new_blob_belongs_to_the_caller(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """Another owner does not see it."""
    blob_id = create(anna)["blob"]["id"]
    query = "query ($id: ID!) { blob(id: $id) { id } }"
    assert boris.ask(query, id=blob_id) == {"blob": None}
    assert anna.ask(query, id=blob_id) == {"blob": {"id": blob_id}}


def test_defaults_are_ten_labels_of_at_least_55(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Also when optional fields are null."""
    names = ("sizeBytes", "sha256", "callbackUrl", "maxLabels", "minConfidence")
    nulls: dict[str, None] = dict.fromkeys(names)
    for given in ({}, nulls):
        blob = stores.blobs.get(create(anna, **given)["blob"]["id"])
        assert blob is not None
        assert (blob.max_labels, blob.min_confidence) == (10, 55.0)
        assert (blob.declared_size, blob.declared_sha256, blob.callback_url) == (None, None, None)


def test_declared_values_are_stored(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Size, digest, maximum and minimum of labels."""
    created = create(anna, sizeBytes=5, sha256=SHA256, maxLabels=40, minConfidence=0)
    blob = stores.blobs.get(created["blob"]["id"])
    assert blob is not None
    assert (blob.declared_size, blob.declared_sha256) == (5, SHA256)
    assert (blob.max_labels, blob.min_confidence) == (40, 0.0)
    assert {"name": "x-amz-checksum-sha256", "value": SHA256} in created["target"]["headers"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sizeBytes", 0),
        ("sizeBytes", -1),
        ("sizeBytes", MAX_UPLOAD + 1),
        ("sha256", ""),
        ("sha256", "not base64!"),
        ("sha256", SHA256[:-1]),
        ("sha256", hashlib.sha256(b"bytes").hexdigest()),
        ("sha256", base64.b64encode(b"too short").decode()),
        ("sha256", SHA256[:-2] + chr(ord(SHA256[-2]) + 1) + "="),
        ("sha256", SHA256 + "\n"),
        ("sha256", "é" * 44),
        ("maxLabels", 0),
        ("maxLabels", 41),
        ("minConfidence", -0.5),
        ("minConfidence", 100.5),
    ],
)
def test_value_out_of_range_is_a_problem_of_its_field(
    stores: EmbeddedStores, anna: GraphQL, field: str, value: object
) -> None:
    """InvalidInput names the field and the allowed values. Nothing is stored."""
    refused = create(anna, **{field: value})
    assert refused["__typename"] == "InvalidInput"
    (problem,) = refused["problems"]
    assert problem["field"] == field
    assert problem["message"].startswith("must be")
    assert refused["message"] == f"{field}: {problem['message']}"
    assert stores.blobs.changes.read_after(0, 1) == []


def test_all_problems_are_reported_at_once(anna: GraphQL) -> None:
    refused = create(
        anna, sizeBytes=0, sha256="x", maxLabels=0, minConfidence=101, callbackUrl="junk"
    )
    fields = [problem["field"] for problem in refused["problems"]]
    assert fields == ["sizeBytes", "sha256", "maxLabels", "minConfidence"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must start with https://"),
        ("example.org/hook", "must start with https://"),
        ("ftp://example.org/", "must start with https://"),
        ("javascript:alert(1)", "must start with https://"),
        ("file:///etc/passwd", "must start with https://"),
        ("//example.org/", "must start with https://"),
        ("https://", "not a valid host and port"),
        ("https:///path", "not a valid host and port"),
        ("https://:443/", "not a valid host and port"),
        ("https://?q", "not a valid host and port"),
        ("https://example.org:0/", "not a valid host and port"),
        ("https://example.org:99999/", "not a valid host and port"),
        ("https://example.org:port/", "not a valid host and port"),
        ("https://[::1/", "not a valid host and port"),
        ("https://user@example.org/", "user name or password"),
        ("https://user:secret@example.org/", "user name or password"),
        ("https://@example.org/", "user name or password"),
        ("https://exam ple.org/", "spaces"),
        ("https://example.org/\n", "spaces"),
        ("https://example.org/\x00", "spaces"),
        (" https://example.org/", "spaces"),
        ("https://example.org\\@evil.example/", "backslashes"),
        ("https://bücher.example/", "beyond ASCII"),
        ("https://example.org/\ud800", "beyond ASCII"),
        ("https://example.org/" + "a" * 2029, "longer than 2048"),
    ],
)
def test_invalid_callback_url_is_rejected(
    stores: EmbeddedStores, anna: GraphQL, url: str, reason: str
) -> None:
    """CallbackUrlRefused has the URL and the reason. Nothing is stored."""
    refused = create(anna, callbackUrl=url)
    assert refused["__typename"] == "CallbackUrlRefused"
    assert reason in refused["message"]
    assert refused["url"] == url[:2048]
    assert stores.blobs.changes.read_after(0, 1) == []


@pytest.mark.parametrize(
    "given",
    [
        {"contentType": "SVG"},
        {"contentType": "image/jpeg"},
        {"contentType": None},
        {"maxLabels": 1.5},
        {"sizeBytes": 2**31},
        {"sizeBytes": "5"},
        {"minConfidence": "high"},
        {"callbackUrl": 5},
        {"colour": "red"},
    ],
    ids=str,
)
def test_input_of_another_type_is_a_graphql_error(anna: GraphQL, given: dict[str, Any]) -> None:
    """It names the field, and its code is that of a client error."""
    error = anna.error(CREATE, input={"contentType": "JPEG", **given})
    assert next(iter(given)) in error["message"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


def test_renew_upload_returns_a_later_url(stores: EmbeddedStores, anna: GraphQL) -> None:
    """For the same blob, valid for fifteen minutes."""
    blob = stores.awaiting()
    stores.clock.advance(timedelta(hours=2))
    renewed = anna.ask(RENEW, id=blob.id)["renewUpload"]
    assert renewed["__typename"] == "RenewedUpload"
    assert renewed["blob"] == {"id": blob.id}
    assert renewed["target"]["expiresAt"] == to_text(stores.clock() + timedelta(minutes=15))
    assert f"/originals/anna/{blob.id}?" in renewed["target"]["url"]


def test_renewing_absent_and_foreign_blobs_looks_alike(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """The two results differ only in the id."""
    foreign = stores.awaiting("anna").id
    for blob_id in (foreign, "absent"):
        assert boris.ask(RENEW, id=blob_id)["renewUpload"] == {
            "__typename": "BlobNotFound",
            "message": f"No blob {blob_id}.",
            "blobId": blob_id,
        }


def test_renewing_a_blob_in_another_state_is_rejected(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """WrongState gives the status."""
    for blob in (stores.labelling(), stores.labelled(), stores.failed(), stores.expired()):
        refused = anna.ask(RENEW, id=blob.id)["renewUpload"]
        assert refused["__typename"] == "WrongState"
        assert refused["status"] == blob.status.value
        assert blob.status.value in refused["message"]
        assert stores.now(blob) == blob


# Idempotency keys

KEYED = {"contentType": "PNG", "idempotencyKey": "order 66"}


def test_repeated_idempotency_key_returns_the_existing_blob(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """With a new URL while the blob awaits its bytes."""
    first = create(anna, **KEYED)
    stores.clock.advance(timedelta(hours=2))
    second = create(anna, **KEYED)
    assert second["blob"] == first["blob"]
    assert second["target"]["expiresAt"] == to_text(stores.clock() + timedelta(minutes=15))
    assert len(stores.blobs.changes.read_after(0, 10)) == 1
    assert create(anna, contentType="PNG")["blob"]["id"] != first["blob"]["id"]


@pytest.mark.parametrize("kind", ["uploaded", "expired"])
def test_repeated_key_after_the_upload_returns_the_current_state(
    stores: EmbeddedStores, anna: GraphQL, kind: str
) -> None:
    """Without a target, because there is nothing to send."""
    blob_id = create(anna, **KEYED)["blob"]["id"]
    blob = stores.blobs.get(blob_id)
    assert blob is not None
    stores.saved(
        expire(blob, stores.clock())
        if kind == "expired"
        else receive_upload(blob, stores.clock(), size=5, sha256="c2hh")
    )
    again = create(anna, **KEYED)
    status = "EXPIRED" if kind == "expired" else "LABELLING"
    assert (again["blob"]["id"], again["blob"]["status"]) == (blob_id, status)
    assert again["target"] is None


@pytest.mark.parametrize(
    "same",
    [
        {"maxLabels": 10},
        {"minConfidence": 55},
        {"minConfidence": 55.0000001},
        {"maxLabels": None, "minConfidence": None},
        {"sizeBytes": None, "sha256": None, "callbackUrl": None},
    ],
    ids=str,
)
def test_explicit_defaults_are_the_same_input(anna: GraphQL, same: dict[str, Any]) -> None:
    assert create(anna, **KEYED, **same)["blob"] == create(anna, **KEYED)["blob"]


@pytest.mark.parametrize(
    "other",
    [
        {"contentType": "JPEG"},
        {"sizeBytes": 5},
        {"sha256": SHA256},
        {"callbackUrl": "https://example.org/hook"},
        {"maxLabels": 11},
        {"minConfidence": 54.9},
    ],
    ids=str,
)
def test_repeated_key_with_another_input_is_rejected(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL, other: dict[str, Any]
) -> None:
    """IdempotencyKeyReused names the first blob and says what to do. Nothing is stored."""
    first = create(anna, **KEYED)
    refused = create(anna, **{**KEYED, **other})
    assert refused["__typename"] == "IdempotencyKeyReused"
    assert refused["blobId"] == first["blob"]["id"]
    assert "choose another key" in refused["message"]
    assert len(stores.blobs.changes.read_after(0, 10)) == 1
    assert create(boris, **{**KEYED, **other})["__typename"] == "CreatedUpload"


def test_key_is_free_after_a_day_or_a_deletion(stores: EmbeddedStores, anna: GraphQL) -> None:
    """For another input too; its item may be stored longer."""
    ids = [create(anna, **KEYED)["blob"]["id"]]
    stores.clock.advance(timedelta(hours=24))
    ids.append(create(anna, **{**KEYED, "maxLabels": 3})["blob"]["id"])
    blob = stores.blobs.get(ids[-1])
    assert blob is not None
    stores.blobs.delete(blob, stores.clock())
    ids.append(create(anna, **KEYED)["blob"]["id"])
    assert len(set(ids)) == 3


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_length_of_the_key_is_checked(stores: EmbeddedStores, anna: GraphQL, key: str) -> None:
    refused = create(anna, contentType="PNG", idempotencyKey=key)
    assert refused["problems"] == [
        {
            "field": "idempotencyKey",
            "path": ["input", "idempotencyKey"],
            "message": "must have 1 to 255 characters",
        }
    ]
    for good in ("x", "☃" * 255):
        assert create(anna, idempotencyKey=good)["__typename"] == "CreatedUpload"


def test_key_with_a_lone_surrogate_is_rejected(anna: GraphQL) -> None:
    """It has no digest."""
    error = anna.error(CREATE, input={"contentType": "PNG", "idempotencyKey": "\ud800"})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


# Quotas


def test_uploads_per_minute_are_limited_for_each_owner(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """QuotaExceeded says when a retry succeeds."""
    stores.set_bounds(UploadLimits(per_minute=2))
    for _ in range(2):
        assert create(anna)["__typename"] == "CreatedUpload"
    refused = create(anna)
    assert (refused["__typename"], refused["retryAt"]) == (
        "QuotaExceeded",
        "2026-01-31T12:01:00.000Z",
    )
    assert "The limit is 2 uploads per minute" in refused["message"]
    assert create(boris)["__typename"] == "CreatedUpload"
    stores.clock.advance(timedelta(minutes=1))
    assert create(anna)["__typename"] == "CreatedUpload"


def test_open_uploads_are_limited_for_each_owner(stores: EmbeddedStores, anna: GraphQL) -> None:
    """They count until they are labelled or deleted."""
    stores.set_bounds(UploadLimits(open=1))
    blob_id = create(anna)["blob"]["id"]
    refused = create(anna)
    assert refused["__typename"] == "QuotaExceeded"
    assert "deleteBlob" in refused["message"]
    assert refused["retryAt"] == to_text(stores.clock() + timedelta(seconds=10))
    anna.ask("mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename } }", id=blob_id)
    assert create(anna)["__typename"] == "CreatedUpload"
