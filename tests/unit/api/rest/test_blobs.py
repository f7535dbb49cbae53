"""`POST /v1/blobs` and `GET /v1/blobs/{blob_id}`."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.blob import ImageType
from core.domain.errors import Unavailable
from core.domain.label import Label
from core.repositories.ports.uploads import UploadLimits
from tests.support.graphql_client import GraphQL
from tests.support.problems import read_problem
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import MAX_UPLOAD, EmbeddedStores


def test_post_without_a_body_creates_a_blob(stores: EmbeddedStores, anna: GraphQL) -> None:
    """As in `curl -X POST .../v1/blobs`: a JPEG without a callback."""
    answer = anna.client.post("/v1/blobs", headers=anna.headers)
    assert answer.status_code == 201
    made = answer.json()
    blob = stores.blobs.get(made["blob_id"])
    assert blob is not None
    assert (blob.owner, blob.content_type, blob.callback_url) == ("anna", ImageType.JPEG, None)
    assert made["upload_url"].startswith(f"http://testserver/{blob.key}?")
    assert made["upload_headers"] == {"Content-Type": "image/jpeg"}


def test_post_accepts_callback_url_and_content_type(stores: EmbeddedStores, anna: GraphQL) -> None:
    body = {"callback_url": "https://example.org/hook", "content_type": "image/png"}
    made = anna.client.post("/v1/blobs", json=body, headers=anna.headers).json()
    blob = stores.blobs.get(made["blob_id"])
    assert blob is not None
    assert blob.callback_url == "https://example.org/hook"
    assert blob.content_type is ImageType.PNG
    assert made["upload_headers"] == {"Content-Type": "image/png"}


def test_size_is_signed_and_checked(anna: GraphQL) -> None:
    """The problem has the name of the member, not that of GraphQL."""
    made = anna.client.post("/v1/blobs", json={"size_bytes": 5}, headers=anna.headers).json()
    assert "content-length=5" in made["upload_url"]
    answer = anna.client.post("/v1/blobs", json={"size_bytes": 0}, headers=anna.headers)
    problem = read_problem(answer, "InvalidInput")
    message = f"must be from 1 to {MAX_UPLOAD}"
    assert problem == {
        "detail": f"size_bytes: {message}",
        "problems": [{"field": "size_bytes", "path": ["size_bytes"], "message": message}],
    }


@pytest.mark.parametrize("size", [True, "5", 5.5])
def test_size_that_is_not_a_whole_number_is_rejected(anna: GraphQL, size: object) -> None:
    answer = anna.client.post("/v1/blobs", json={"size_bytes": size}, headers=anna.headers)
    assert [each["field"] for each in read_problem(answer, "InvalidInput")["problems"]] == [
        "size_bytes"
    ]


@pytest.mark.parametrize("body", [{}, {"callback_url": None}])
def test_callback_url_may_be_absent_or_null(anna: GraphQL, body: dict[str, Any]) -> None:
    """Old clients send either."""
    assert anna.client.post("/v1/blobs", json=body, headers=anna.headers).status_code == 201


def test_invalid_callback_url_is_rejected_as_in_graphql(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    """Status 422, with the same name and message."""
    body = {"callback_url": "ftp://example.org/"}
    answer = anna.client.post("/v1/blobs", json=body, headers=anna.headers)
    assert read_problem(answer, "CallbackUrlRefused") == {
        "detail": "No webhook can be sent to this callbackUrl: it must start with https://.",
        "url": "ftp://example.org/",
    }
    assert stores.blobs.changes.read_after(0, 1) == []


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b'{"content_type": "image/svg+xml"}', ["content_type"]),
        (b'{"callback_url": 5}', ["callback_url"]),
        (b'{"callback_url": 5, "content_type": 5}', ["callback_url", "content_type"]),
        (b'{"callback_url": "\\ud800"}', ["body"]),
        (b'{"colour": "red", "metadata": 5}', ["metadata", "colour"]),
        (b"{", ["body"]),
        (b'"text"', ["body"]),
        (b"[1]", ["body"]),
        (b"\xff", ["body"]),
    ],
)
def test_invalid_body_is_rejected_with_422(
    stores: EmbeddedStores, anna: GraphQL, content: bytes, fields: list[str]
) -> None:
    """The problem names each field; nothing is stored."""
    headers = {**anna.headers, "content-type": "application/json"}
    answer = anna.client.post("/v1/blobs", content=content, headers=headers)
    problems = read_problem(answer, "InvalidInput")["problems"]
    assert [each["field"] for each in problems] == fields
    assert [each["path"] for each in problems] == [[each] for each in fields]
    assert all(each["message"] for each in problems)
    assert stores.blobs.changes.read_after(0, 1) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"content_type": "JPEG"}', "must be 'image/jpeg', "),
        (b'{"max_labels": 5}', "unknown field; the fields are callback_url, content_type, "),
        (b'{"file_name": 5}', "must be a text"),
        (b'{"size_bytes": "5"}', "must be an integer"),
        (b'{"metadata": []}', "must be an object of texts"),
        (b"[1]", "must be a JSON object"),
        (b"a=b", "not JSON: "),
    ],
)
def test_message_of_an_invalid_body_says_what_is_allowed(
    anna: GraphQL, content: bytes, message: str
) -> None:
    answer = anna.client.post("/v1/blobs", content=content, headers=anna.headers)
    (problem,) = read_problem(answer, "InvalidInput")["problems"]
    assert problem["message"].startswith(message)


def test_form_or_file_is_rejected_with_what_to_send(stores: EmbeddedStores, anna: GraphQL) -> None:
    """A form with a file, as for other upload services, or the image itself."""
    form = anna.client.post("/v1/blobs", files={"file": b"bytes"}, headers=anna.headers)
    assert read_problem(form, "UNSUPPORTED_MEDIA_TYPE")["detail"] == (
        "The body is multipart/form-data. Send JSON here, then the image's bytes to upload_url."
    )
    headers = {**anna.headers, "content-type": "image/png"}
    image = anna.client.post("/v1/blobs", content=b"bytes", headers=headers)
    assert read_problem(image, "UNSUPPORTED_MEDIA_TYPE")
    assert stores.blobs.changes.read_after(0, 1) == []


def test_key_is_checked_before_the_body(client: AppClient) -> None:
    """A client without a key learns nothing about the expected body."""
    assert client.post("/v1/blobs", content=b"{").status_code == 401


def test_get_returns_status_labels_and_failure(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Labels are null until the blob is labelled."""
    awaiting = stores.awaiting()
    labelled = stores.labelled("anna", Label("Cat", 91.5, parents=("Animal",)))
    failed = stores.failed()

    def shown(blob_id: str) -> Any:
        answer = anna.client.get(f"/v1/blobs/{blob_id}", headers=anna.headers)
        assert answer.status_code == 200
        return answer.json()

    no_facts: dict[str, Any] = {
        "file_name": None,
        "external_id": None,
        "metadata": {},
        "deletes_at": None,
    }
    assert shown(awaiting.id) == no_facts | {
        "blob_id": awaiting.id,
        "status": "AWAITING_UPLOAD",
        "labels": None,
        "failure": None,
    }
    assert shown(labelled.id) == no_facts | {
        "blob_id": labelled.id,
        "status": "LABELLED",
        "labels": [{"label": "Cat", "confidence": 91.5, "parents": ["Animal"]}],
        "failure": None,
    }
    assert shown(failed.id)["failure"] == {
        "code": "CORRUPT_IMAGE",
        "message": "The picture breaks off.",
    }


def test_get_returns_when_a_blob_will_be_deleted(stores: EmbeddedStores, anna: GraphQL) -> None:
    """As GraphQL's deletesAt: in UTC with milliseconds."""
    blob = stores.labelled("anna", Label("Cat", 91.5))
    delete = "mutation ($id: ID!) { deleteBlob(blobId: $id, input: {delaySeconds: 30}) "
    deleted = anna.ask(delete + "{ ... on DeletedBlob { deletesAt } } }", id=blob.id)["deleteBlob"]
    answer = anna.client.get(f"/v1/blobs/{blob.id}", headers=anna.headers)
    assert answer.json()["deletes_at"] == deleted["deletesAt"]
    assert deleted["deletesAt"].endswith("Z")


def test_absent_and_foreign_blobs_give_the_same_404(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    foreign = stores.labelled("anna", Label("Cat", 91.5)).id
    for blob_id in (foreign, "absent", "%FF", "%ED%A0%80"):
        answer = boris.client.get(f"/v1/blobs/{blob_id}", headers=boris.headers)
        assert read_problem(answer, "BlobNotFound")["blob_id"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/blobs"), ("GET", "/v1/blobs/x")])
def test_unavailable_store_gives_503(
    stores: EmbeddedStores,
    client: AppClient,
    anna: GraphQL,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
) -> None:
    """The response says to try again, and nothing about the cause; the log has that."""

    def fail(*_: object, **__: object) -> None:
        raise Unavailable("disk on fire")

    monkeypatch.setattr(type(stores.blobs), "create", fail)
    monkeypatch.setattr(type(stores.blobs), "find", fail)
    answer = client.request(method, path, headers=anna.headers)
    request_id = read_problem(answer, "SERVICE_UNAVAILABLE")["request_id"]
    assert "fire" not in answer.text
    (line,) = [each for each in caplog.records if each.message == "store unavailable"]
    assert line.__dict__["request_id"] == request_id
    assert line.__dict__["error"] == "disk on fire"


def test_exceeded_quota_gives_429_with_retry_after(
    stores: EmbeddedStores, client: AppClient
) -> None:
    """Retry-After is in seconds (RFC 9110, 10.2.3)."""
    stores.set_bounds(UploadLimits(per_minute=1))
    key = {"authorization": f"Bearer {stores.key_for('anna')}"}
    assert client.post("/v1/blobs", headers=key).status_code == 201
    refused = client.post("/v1/blobs", headers=key)
    retry_at = read_problem(refused, "QuotaExceeded")["retry_at"]
    assert retry_at == "2026-01-31T12:01:00.000Z"
    assert refused.headers["retry-after"] == "60"


def test_alias_without_a_version_is_the_same(stores: EmbeddedStores, anna: GraphQL) -> None:
    """Clients of earlier versions know `/blobs`."""
    body = {"content_type": "image/png"}
    made = [
        anna.client.post(path, json=body, headers=anna.headers) for path in ("/blobs", "/v1/blobs")
    ]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json().keys() == made[1].json().keys()
    blob_id = made[1].json()["blob_id"]
    shown, refused = (
        [
            anna.client.get(f"{path}/{each}", headers=anna.headers).text
            for path in ("/blobs", "/v1/blobs")
        ]
        for each in (blob_id, "absent")
    )
    assert shown[0] == shown[1]
    assert refused[0] == refused[1]
