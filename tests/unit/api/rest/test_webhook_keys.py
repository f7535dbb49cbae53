"""`/.well-known/webhook-keys`: the public keys that verify ed25519 signatures."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta

import pytest

from api.rest.app import create_app
from api.rest.webhook_keys import jwk
from core.domain.owner import WebhookKey, with_new_key
from core.repositories.ports.owners import update_owner
from notifier.signing import new_key
from tests.support.problems import read_problem
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

PATH = "/.well-known/webhook-keys"


@pytest.fixture
def keyless(stores: EmbeddedStores) -> Iterator[AppClient]:
    """A service without keys, whose owner is `local`."""
    with AppClient(create_app(stores.services("local"))) as client:
        yield client


def made(stores: EmbeddedStores, owner: str) -> str:
    """Give an owner a new key; return its public half."""
    key = new_key()
    update_owner(stores.owners, owner, lambda known: with_new_key(known, key, stores.clock()))
    return key.public


def public_keys(client: AppClient, query: str = "", **headers: str) -> list[str]:
    answer = client.get(PATH + query, headers=headers)
    assert answer.status_code == 200
    return [key["whpk"] for key in answer.json()["keys"]]


def test_key_is_returned_as_json_web_key() -> None:
    """The example of RFC 8037, appendix A.2; its thumbprint is in A.3."""
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    public = base64.b64encode(base64.urlsafe_b64decode(x + "=")).decode()
    assert jwk(WebhookKey("", f"whpk_{public}")) == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": x,
        "alg": "EdDSA",
        "use": "sig",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        "whpk": f"whpk_{public}",
    }


def test_keys_need_no_api_key_and_may_be_cached(stores: EmbeddedStores, client: AppClient) -> None:
    old, new = made(stores, "anna"), made(stores, "anna")
    made(stores, "boris")
    assert public_keys(client, "?owner=anna") == [new, old]
    assert client.get(f"{PATH}?owner=anna").headers["cache-control"] == "public, max-age=300"
    stores.clock.advance(timedelta(hours=24))
    assert public_keys(client, "?owner=anna") == [new]


def test_owner_is_named_unless_there_is_only_one(
    stores: EmbeddedStores, client: AppClient, keyless: AppClient
) -> None:
    annas, locals_ = made(stores, "anna"), made(stores, "local")
    assert public_keys(keyless) == [locals_]
    assert public_keys(keyless, "?owner=anna") == [annas]
    refused = client.get(PATH)
    assert "?owner=NAME" in read_problem(refused, "InvalidInput")["detail"]
    assert "cache-control" not in refused.headers


def test_response_does_not_depend_on_the_api_key(
    stores: EmbeddedStores, client: AppClient, keyless: AppClient
) -> None:
    """Shared caches store it by its URL alone."""
    made(stores, "anna")
    locals_ = made(stores, "local")
    headers = {"authorization": f"Bearer {stores.key_for('anna')}"}
    assert client.get(PATH, headers=headers).status_code == 422
    assert public_keys(keyless, **headers) == [locals_]
    assert public_keys(client, "?owner=local", **headers) == [locals_]


def test_owner_without_keys_and_unknown_owner_look_alike(
    stores: EmbeddedStores, client: AppClient
) -> None:
    """A request does not create an owner."""
    stores.owners.get_or_create("anna")
    for name in ("anna", "nobody"):
        assert public_keys(client, f"?owner={name}") == []
    assert stores.owners.find_owner("nobody") is None


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 65])
def test_invalid_owner_name_is_rejected(client: AppClient, name: str) -> None:
    """The message says what names are valid."""
    refused = client.get(f"{PATH}?owner={name}")
    (problem,) = read_problem(refused, "InvalidInput")["problems"]
    assert problem["field"] == "owner"
    assert "1 to 64 bytes" in problem["message"]
