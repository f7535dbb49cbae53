"""Mutations of many blobs: an outcome for each id, whatever becomes of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api.rest.app import create_app
from core.domain.blob import Blob
from core.domain.errors import Unavailable
from core.domain.label import Label
from core.domain.scope import Scope
from core.repositories.ports.audit import AuditAction
from tests.support.graphql_client import GraphQL
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

DELETE = """
mutation ($ids: [ID!]!) {
  result: deleteBlobs(ids: $ids) {
    __typename
    ... on DeletedBlobs {
      outcomes {
        __typename
        ... on DeletedBlob { blobId }
        ... on BlobNotFound { blobId }
        ... on ServiceUnavailable { blobId message }
      }
    }
    ... on InvalidInput { message problems { field path message } }
  }
}
"""
RELABEL = """
mutation ($ids: [ID!]!) {
  result: relabelBlobs(ids: $ids) {
    __typename
    ... on RelabelledBlobs {
      outcomes {
        __typename
        ... on RelabelledBlob { blob { id status labels { name } } }
        ... on WrongState { status }
        ... on BlobNotFound { blobId }
        ... on ServiceUnavailable { blobId }
      }
    }
    ... on InvalidInput { message problems { field path } }
  }
}
"""
CAT = Label("Cat", 90.0)


def outcomes(client: GraphQL, mutation: str, ids: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.ask(mutation, ids=ids)["result"]["outcomes"]
    return found


def test_blobs_are_deleted_with_an_outcome_for_each_id(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """In the order of the ids; absent, foreign and repeated ones do not stop the others."""
    mine = [stores.labelled("anna", CAT), stores.awaiting("anna"), stores.failed("anna")]
    foreign = stores.labelled("boris", CAT)
    ids = [mine[0].id, "absent", foreign.id, mine[1].id, mine[0].id, mine[2].id]
    found = outcomes(anna, DELETE, ids)
    assert [each["blobId"] for each in found] == ids
    assert [each["__typename"] for each in found] == [
        "DeletedBlob",
        "BlobNotFound",
        "BlobNotFound",
        "DeletedBlob",
        "DeletedBlob",
        "DeletedBlob",
    ]
    assert [stores.blobs.get(blob.id) for blob in mine] == [None, None, None]
    assert stores.now(foreign) == foreign
    assert outcomes(anna, DELETE, [mine[0].id])[0]["__typename"] == "DeletedBlob"


def test_each_deleted_blob_has_an_audit_record(stores: EmbeddedStores) -> None:
    """And no other id has one, also beside an id that no store takes."""
    records: list[tuple[AuditAction, str]] = []
    services = replace(
        stores.services("anna"), audit=lambda _, action, subject: records.append((action, subject))
    )
    blobs = [stores.awaiting("anna") for _ in range(3)]
    with AppClient(create_app(services)) as client:
        outcomes(GraphQL(client, None), DELETE, ["absent", *(blob.id for blob in blobs), "\ud800"])
    assert records == [(AuditAction.BLOB_DELETED, blob.id) for blob in blobs]


def test_blobs_are_labelled_again_with_an_outcome_for_each_id(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """A repeated id is labelled once and has the same outcome twice."""
    first, second = stores.labelled("anna", CAT), stores.failed("anna")
    waiting, foreign = stores.awaiting("anna"), stores.labelled("boris", CAT)
    ids = [first.id, waiting.id, foreign.id, second.id, first.id]
    again = {"id": first.id, "status": "LABELLING", "labels": [{"name": "Cat"}]}
    assert outcomes(anna, RELABEL, ids) == [
        {"__typename": "RelabelledBlob", "blob": again},
        {"__typename": "WrongState", "status": "AWAITING_UPLOAD"},
        {"__typename": "BlobNotFound", "blobId": foreign.id},
        {
            "__typename": "RelabelledBlob",
            "blob": {"id": second.id, "status": "LABELLING", "labels": None},
        },
        {"__typename": "RelabelledBlob", "blob": again},
    ]
    assert sorted(blob.id for blob in stores.relabelled) == sorted([first.id, second.id])


@pytest.mark.parametrize("mutation", [DELETE, RELABEL])
def test_store_that_fails_for_one_blob_does_not_stop_the_others(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch, mutation: str
) -> None:
    """Its outcome is ServiceUnavailable, and a repetition finishes it."""
    blobs = [stores.labelled("anna", CAT) for _ in range(3)]
    find = stores.blobs.find

    def failing(owner: str, blob_ids: list[str]) -> Any:
        if blobs[1].id in blob_ids:
            raise Unavailable("down")
        return find(owner, blob_ids)

    monkeypatch.setattr(stores.blobs, "find", failing)
    with AppClient(create_app(stores.services("anna"))) as client:
        anna = GraphQL(client, None)
        found = outcomes(anna, mutation, [blob.id for blob in blobs])
        done = "DeletedBlob" if mutation == DELETE else "RelabelledBlob"
        assert [each["__typename"] for each in found] == [done, "ServiceUnavailable", done]
        assert found[1]["blobId"] == blobs[1].id
        monkeypatch.setattr(stores.blobs, "find", find)
        assert outcomes(anna, mutation, [blobs[1].id])[0]["__typename"] == done


def test_fault_of_one_blob_is_reported_when_the_others_are_done(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug is an error of the request, as everywhere."""
    blobs = [stores.awaiting("anna") for _ in range(3)]
    delete = stores.blobs.delete

    def failing(blob: Blob, at: Any) -> None:
        if blob.id == blobs[0].id:
            raise RuntimeError("bug")
        delete(blob, at)

    monkeypatch.setattr(stores.blobs, "delete", failing)
    error = anna.error(DELETE, ids=[blob.id for blob in blobs])
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert [stores.blobs.get(blob.id) for blob in blobs] == [blobs[0], None, None]


@pytest.mark.parametrize("mutation", [DELETE, RELABEL])
def test_number_of_ids_is_limited(stores: EmbeddedStores, anna: GraphQL, mutation: str) -> None:
    """Beyond it nothing is done."""
    blob = stores.labelled("anna", CAT)
    result = anna.ask(mutation, ids=[blob.id, *("absent" for _ in range(100))])["result"]
    assert result["__typename"] == "InvalidInput"
    assert "at most 100, not 101" in result["message"]
    assert result["problems"][0]["path"] == ["ids"]
    assert stores.now(blob) == blob
    assert len(outcomes(anna, mutation, ["absent"] * 100)) == 100
    assert outcomes(anna, mutation, []) == []


@pytest.mark.parametrize(
    ("mutation", "scope", "other"),
    [(DELETE, Scope.DELETE, Scope.EDIT), (RELABEL, Scope.EDIT, Scope.DELETE)],
)
def test_scope_of_the_single_mutation_is_needed(
    stores: EmbeddedStores, client: AppClient, mutation: str, scope: Scope, other: Scope
) -> None:
    """What a relabelled blob shows needs `read` beside it."""
    blob = stores.labelled("anna", CAT)
    refused = GraphQL(client, stores.key_for("anna", scopes=frozenset({other, Scope.READ})))
    error = refused.error(mutation, ids=[blob.id])
    assert error["extensions"]["missingScopes"] == [scope]
    allowed = GraphQL(client, stores.key_for("anna", scopes=frozenset({scope, Scope.READ})))
    assert outcomes(allowed, mutation, [blob.id])[0]["__typename"] in (
        "DeletedBlob",
        "RelabelledBlob",
    )
