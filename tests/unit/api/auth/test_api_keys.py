"""Whose request it is."""

from __future__ import annotations

import asyncio

import pytest

from api.auth import api_keys
from api.auth.api_keys import authenticate_by_key
from api.errors import Unauthenticated
from api.rest.app import create_app
from core.domain.api_key import hash_key, new_key
from core.repositories.ports.owners import ApiKey
from tests.support.app_client import AppClient
from tests.support.embedded_stores import EmbeddedStores


def test_the_key_is_not_on_disk(stores: EmbeddedStores) -> None:
    """A stolen data folder opens nothing."""
    key = stores.key_for("anna")
    files = [path.read_bytes() for path in stores.root.rglob("*") if path.is_file()]
    assert files
    assert all(key.encode() not in content for content in files)


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer  {} "])
def test_a_bearer_token_names_its_owner(stores: EmbeddedStores, form: str) -> None:
    """The scheme's case does not matter (RFC 9110, 11.1)."""
    authenticate = authenticate_by_key(stores.owners, None)
    assert asyncio.run(authenticate(form.format(stores.key_for("anna")))).owner == "anna"


@pytest.mark.parametrize("keyless_owner", [None, "local"])
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer lbl_unknown", "Basic YTpi", "{}", "Token {}"]
)
def test_a_wrong_header_is_refused_even_where_none_is_needed(
    stores: EmbeddedStores, header: str, keyless_owner: str | None
) -> None:
    """A client that means to show a key is told when it is not valid."""
    authenticate = authenticate_by_key(stores.owners, keyless_owner)
    with pytest.raises(Unauthenticated, match="labelling keys create"):
        asyncio.run(authenticate(header.format(stores.key_for("anna"))))


def test_without_a_header_the_keyless_owner_asks(stores: EmbeddedStores) -> None:
    """On loopback no key is needed; elsewhere it is."""
    assert asyncio.run(authenticate_by_key(stores.owners, "local")(None)).owner == "local"
    with pytest.raises(Unauthenticated):
        asyncio.run(authenticate_by_key(stores.owners, None)(None))


def test_a_revoked_key_opens_nothing(stores: EmbeddedStores) -> None:
    """Revoking holds from the next request on."""
    authenticate = authenticate_by_key(stores.owners, None)
    key = stores.key_for("anna")
    stores.owners.remove_key(hash_key(key))
    with pytest.raises(Unauthenticated):
        asyncio.run(authenticate(f"Bearer {key}"))


def test_a_key_may_be_kept_for_a_moment(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was found, and no longer than that."""
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
    ("method", "path"), [("POST", "/graphql"), ("POST", "/blobs"), ("GET", "/blobs/x")]
)
def test_every_way_in_answers_401_without_a_key(client: AppClient, method: str, path: str) -> None:
    """The answer has the code UNAUTHENTICATED and says what to send."""
    body = {"query": "{ __typename }"} if path == "/graphql" else None
    answer = client.request(method, path, json=body)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert "Authorization: Bearer" in error["message"]


def test_a_get_query_needs_a_key_too_whatever_it_accepts(client: AppClient) -> None:
    """Only the page itself is free."""
    for accept in ("application/json", "text/html"):
        answer = client.get(
            "/graphql", params={"query": "{ __typename }"}, headers={"accept": accept}
        )
        assert answer.status_code == 401


def test_without_keys_all_is_the_local_owners(stores: EmbeddedStores) -> None:
    """Keyless, GraphQL and the plain routes share one owner."""
    with AppClient(create_app(stores.services("local"))) as client:
        blob_id = client.post("/blobs").json()["blob_id"]
        asked = client.post("/graphql", json={"query": "{ blobs { nodes { id } } }"}).json()
    assert asked["data"] == {"blobs": {"nodes": [{"id": blob_id}]}}
