"""Authentication by API key."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from api.auth import api_keys
from api.auth.api_keys import authenticate_by_key
from api.errors import Unauthenticated
from api.rest.app import create_app
from core.domain.api_key import hash_key, new_key
from core.domain.errors import Unavailable
from core.repositories.ports.owners import ApiKey
from tests.support.problems import read_problem
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores


def test_key_is_not_stored(stores: EmbeddedStores) -> None:
    """A stolen data folder gives no access."""
    key = stores.key_for("anna")
    files = [path.read_bytes() for path in stores.root.rglob("*") if path.is_file()]
    assert files
    assert all(key.encode() not in content for content in files)


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer  {} "])
def test_bearer_key_acts_for_its_owner(stores: EmbeddedStores, form: str) -> None:
    """The case of the scheme does not matter (RFC 9110, 11.1)."""
    authenticate = authenticate_by_key(stores.owners, None)
    assert asyncio.run(authenticate(form.format(stores.key_for("anna")))).owner == "anna"


@pytest.mark.parametrize("keyless_owner", [None, "local"])
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer lbl_unknown", "Basic YTpi", "{}", "Token {}"]
)
def test_invalid_header_is_rejected_even_without_keys(
    stores: EmbeddedStores, header: str, keyless_owner: str | None
) -> None:
    """A client that sends a key learns that it is invalid."""
    authenticate = authenticate_by_key(stores.owners, keyless_owner)
    with pytest.raises(Unauthenticated, match="labelling keys create"):
        asyncio.run(authenticate(header.format(stores.key_for("anna"))))


def test_request_without_a_header_acts_for_the_keyless_owner(stores: EmbeddedStores) -> None:
    assert asyncio.run(authenticate_by_key(stores.owners, "local")(None)).owner == "local"
    with pytest.raises(Unauthenticated):
        asyncio.run(authenticate_by_key(stores.owners, None)(None))


def test_revoked_key_is_rejected(stores: EmbeddedStores) -> None:
    """From the next request on."""
    authenticate = authenticate_by_key(stores.owners, None)
    key = stores.key_for("anna")
    stores.owners.remove_key(hash_key(key))
    with pytest.raises(Unauthenticated):
        asyncio.run(authenticate(f"Bearer {key}"))


def test_found_key_is_cached_for_a_limited_time(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent keys are not cached."""
    now = [0.0]
    monkeypatch.setattr(api_keys.time, "monotonic", lambda: now[0])
    authenticate = authenticate_by_key(stores.owners, None, keep_seconds=1)
    key = new_key()
    with pytest.raises(Unauthenticated):
        asyncio.run(authenticate(f"Bearer {key}"))
    stores.owners.add_key(ApiKey(hash_key(key), "anna", "", stores.clock()))
    assert asyncio.run(authenticate(f"Bearer {key}")).owner == "anna"
    stores.owners.remove_key(hash_key(key))
    now[0] += 0.9
    assert asyncio.run(authenticate(f"Bearer {key}")).owner == "anna"
    now[0] += 0.2
    with pytest.raises(Unauthenticated):
        asyncio.run(authenticate(f"Bearer {key}"))


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/graphql"), ("POST", "/v1/blobs"), ("GET", "/v1/blobs/x"), ("GET", "/blobs/x")],
)
def test_every_route_gives_401_without_a_key(client: AppClient, method: str, path: str) -> None:
    """The code is UNAUTHENTICATED, and the message says what to send."""
    body = {"query": "{ __typename }"} if path == "/graphql" else None
    answer = client.request(method, path, json=body)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    if path == "/graphql":
        (error,) = answer.json()["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}
        message = error["message"]
    else:
        message = read_problem(answer, "UNAUTHENTICATED")["detail"]
    assert "Authorization: Bearer" in message


def test_get_query_needs_a_key_whatever_it_accepts(client: AppClient) -> None:
    """Only the page itself needs none."""
    for accept in ("application/json", "text/html"):
        answer = client.get(
            "/graphql", params={"query": "{ __typename }"}, headers={"accept": accept}
        )
        assert answer.status_code == 401


def test_service_without_keys_has_one_owner(stores: EmbeddedStores) -> None:
    """GraphQL and REST share it."""
    with AppClient(create_app(stores.services("local"))) as client:
        blob_id = client.post("/blobs").json()["blob_id"]
        asked = client.post("/graphql", json={"query": "{ blobs { nodes { id } } }"}).json()
    assert asked["data"] == {"blobs": {"nodes": [{"id": blob_id}]}}


def test_use_of_a_key_is_stored_once_an_hour(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = stores.key_for("anna")
    authenticate = authenticate_by_key(stores.owners, None, stores.clock, notes_use=True)

    def last_used() -> datetime | None:
        asyncio.run(authenticate(f"Bearer {key}"))
        (found,) = stores.owners.list_keys()
        return found.last_used_at

    first = last_used()
    assert first == stores.clock()
    stores.clock.advance(timedelta(minutes=59))
    assert last_used() == first
    stores.clock.advance(timedelta(minutes=1))
    assert last_used() == stores.clock()

    def fail(*_: object) -> None:
        raise Unavailable("disk full")

    monkeypatch.setattr(type(stores.owners), "note_key_use", fail)
    stores.clock.advance(timedelta(hours=1))
    assert last_used() == stores.clock() - timedelta(hours=1)
