"""Tokens of an OpenID Connect issuer."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api.auth.api_keys import authenticate_by_key
from api.auth.caller import Caller
from api.auth.oidc import MAX_RESPONSE, PAUSE_SECONDS, OidcTokens, fetch_json
from api.auth.settings import TokenSettings
from api.errors import Unauthenticated
from api.rest.app import create_app
from core.domain.errors import Unavailable
from core.domain.scope import ALL_SCOPES, Scope
from core.runtime.settings import BadSetting
from tests.support.graphql_client import GraphQL
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.issuer import AUDIENCE, Issuer
from tests.support.waiting import PATIENCE


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture
def settings(issuer: Issuer) -> TokenSettings:
    return TokenSettings(oidc_issuer=issuer.url, oidc_audience=AUDIENCE)


class Moment:
    """A monotonic clock that a test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def caller(tokens: OidcTokens, token: str) -> Caller:
    return asyncio.run(tokens.caller(token))


def test_token_acts_for_the_owner_in_its_claim(issuer: Issuer, settings: TokenSettings) -> None:
    """The owner has a prefix that no API key's owner has; scopes and end come from the token."""
    end = int(time.time()) + 60
    found = caller(
        OidcTokens(settings), issuer.token(exp=end, scope="openid labelling:read upload")
    )
    assert found == Caller(
        "oidc:anna",
        frozenset({Scope.READ, Scope.UPLOAD}),
        datetime.fromtimestamp(end, UTC),
        "token",
    )


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "EdDSA"])
def test_asymmetric_algorithms_are_accepted(
    issuer: Issuer, settings: TokenSettings, algorithm: str
) -> None:
    issuer.add("two", algorithm)
    assert caller(OidcTokens(settings), issuer.token("two")).owner == "oidc:anna"


@pytest.mark.parametrize(
    ("claims", "changed", "scopes"),
    [
        ({"scope": None}, {}, set()),
        ({"scope": ["read", "labelling:admin", 7]}, {}, {Scope.READ, Scope.ADMIN}),
        ({"scope": None, "scp": "upload"}, {"oidc_scope_claim": "scp"}, {Scope.UPLOAD}),
        ({"scope": "READ reader labelling: admin:x"}, {}, set()),
        ({"scope": 7}, {}, set()),
        ({"scope": None}, {"oidc_scopes": ("read", "labelling:upload")}, {"read", "upload"}),
    ],
)
def test_known_scopes_are_read_in_every_usual_form(
    issuer: Issuer,
    settings: TokenSettings,
    claims: dict[str, Any],
    changed: dict[str, Any],
    scopes: set[Any],
) -> None:
    tokens = OidcTokens(replace(settings, **changed))
    assert caller(tokens, issuer.token(**claims)).scopes == scopes


def test_only_the_setting_makes_a_token_the_operators(
    issuer: Issuer, settings: TokenSettings
) -> None:
    """Neither a claim nor the scopes that every token has."""
    claimed = issuer.token(sub="anna", scope="operator labelling:operator read")
    assert caller(OidcTokens(settings), claimed).scopes == {Scope.READ}
    named = OidcTokens(settings, operators=("anna",))
    assert caller(named, issuer.token(sub="anna")).scopes >= {Scope.OPERATOR}
    assert Scope.OPERATOR not in caller(named, issuer.token(sub="boris")).scopes
    with pytest.raises(BadSetting, match="choose from read, upload, edit, delete, admin"):
        OidcTokens(replace(settings, oidc_scopes=("operator",)))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": 1}, "has expired"),
        ({"exp": None}, "not valid"),
        ({"exp": int(time.time() * 1000) * 1000}, "not a time in seconds"),
        ({"exp": 10**17}, "not a time in seconds"),
        ({"nbf": int(time.time()) + 3600}, "not valid"),
        ({"aud": "https://other.example"}, "another audience"),
        ({"aud": None}, "not valid"),
        ({"iss": "https://other.example"}, "another issuer"),
        ({"iss": None}, "not valid"),
        ({"sub": None}, "'sub' is not a valid owner"),
        ({"sub": ""}, "'sub' is not a valid owner"),
        ({"sub": "a/b"}, "'sub' is not a valid owner"),
        ({"sub": "x" * 60}, "'sub' is not a valid owner"),
    ],
)
def test_token_for_another_service_is_rejected(
    issuer: Issuer, settings: TokenSettings, claims: dict[str, Any], words: str
) -> None:
    """The message and the header say why."""
    with pytest.raises(Unauthenticated, match=words) as refused:
        caller(OidcTokens(settings), issuer.token(**claims))
    assert refused.value.headers == {"www-authenticate": 'Bearer error="invalid_token"'}


def resigned(token: str, algorithm: str, key: bytes | None = None) -> str:
    """Return the token signed with a secret under another algorithm, or not at all."""
    header, payload, _ = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(header + "=="))
    head = url_safe(json.dumps({**told, "alg": algorithm}).encode())
    signature = hmac.digest(key, f"{head}.{payload}".encode(), "sha256") if key else b""
    return f"{head}.{payload}.{url_safe(signature)}"


def url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_forged_token_is_rejected(issuer: Issuer, settings: TokenSettings) -> None:
    """Unsigned, signed with the public key or another key, or changed."""
    issuer.add("two", "RS256")
    whole = issuer.token()
    public = json.dumps(issuer.jwk("one")).encode()
    head, payload, signature = whole.split(".")
    for token in (
        resigned(whole, "none"),
        resigned(whole, "HS256", public),
        resigned(whole, "HS256", issuer.pem("one")),
        issuer.token("one", by="two"),
        f"{head}.{payload[:-2]}AA.{signature}",
        f"{head}.{payload}.{signature[:-2]}",
        f"{head}.{payload}",
        "x",
        "a.b.c",
        "." * 5,
        "x" * 10_000,
    ):
        with pytest.raises(Unauthenticated):
            caller(OidcTokens(settings), token)


def test_keys_are_fetched_again_for_an_unknown_key(issuer: Issuer, settings: TokenSettings) -> None:
    """By discovery, at most once in half a minute."""
    moment = Moment()
    tokens = OidcTokens(settings, monotonic=moment)
    for _ in range(3):
        caller(tokens, issuer.token())
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    issuer.add("two", "ES256")
    for _ in range(3):
        with pytest.raises(Unauthenticated, match="does not list"):
            caller(tokens, issuer.token("two"))
    assert len(issuer.asked) == 2
    moment.now += PAUSE_SECONDS + 1
    caller(tokens, issuer.token("two"))
    assert len(issuer.asked) == 4
    caller(tokens, issuer.token("one"))
    assert len(issuer.asked) == 4


def test_withdrawn_key_is_rejected_within_the_hour(issuer: Issuer, settings: TokenSettings) -> None:
    """The keys are fetched again then."""
    moment = Moment()
    tokens = OidcTokens(settings, monotonic=moment)
    token = issuer.token()
    caller(tokens, token)
    del issuer.keys["one"]
    caller(tokens, token)
    moment.now += 3601
    with pytest.raises(Unauthenticated):
        caller(tokens, token)


def test_known_keys_remain_valid_while_the_issuer_is_down(
    issuer: Issuer, settings: TokenSettings
) -> None:
    """Tokens with other keys get 503."""
    moment = Moment()
    tokens = OidcTokens(settings, monotonic=moment)
    caller(tokens, issuer.token())
    issuer.add("two", "RS256")
    issuer.answers["/keys"] = 503
    moment.now += 3601
    caller(tokens, issuer.token())
    with pytest.raises(Unavailable):
        caller(tokens, issuer.token("two"))
    del issuer.answers["/keys"]
    moment.now += PAUSE_SECONDS + 1
    caller(tokens, issuer.token("two"))


@pytest.mark.parametrize(
    "answers",
    [
        {"/keys": 500},
        {"/keys": 302},
        {"/keys": b"x" * (MAX_RESPONSE + 1)},
        {"/keys": b"no json"},
        {"/keys": b"[" * 100_000},
        {"/keys": "this is not HTTP\r\n\r\n"},
        {"/keys": []},
        {"/keys": {"keys": 1}},
        {"/.well-known/openid-configuration": {"issuer": "https://other.example"}},
        {"/.well-known/openid-configuration": {"jwks_uri": "file:///etc/passwd"}},
        {"/.well-known/openid-configuration": 404},
    ],
    ids=lambda answers: str(answers)[:60],
)
def test_malformed_response_of_the_issuer_is_ignored(
    issuer: Issuer, settings: TokenSettings, answers: dict[str, Any]
) -> None:
    """The service goes on, and follows no redirect."""
    for path, answer in answers.items():
        whole = issuer.document(path)
        issuer.answers[path] = {**whole, **answer} if isinstance(answer, dict) else answer
    tokens = OidcTokens(settings)
    for _ in range(3):
        with pytest.raises(Unavailable):
            caller(tokens, issuer.token())
    assert "/elsewhere" not in issuer.asked
    assert len(issuer.asked) <= 2  # not fetched again so soon


@pytest.mark.parametrize(
    "strange", [{"kty": "strange", "kid": "two"}, {"kty": "RSA", "kid": "two", "n": 7}, 7, None]
)
def test_unusable_keys_are_ignored(
    issuer: Issuer, settings: TokenSettings, strange: object
) -> None:
    """Of unknown types, for encryption, or malformed."""
    other = {**issuer.jwk("one"), "use": "enc", "kid": "three"}
    issuer.answers["/keys"] = {"keys": [strange, other, issuer.jwk("one")]}
    assert caller(OidcTokens(settings), issuer.token()).owner == "oidc:anna"


def test_concurrent_requests_share_one_fetch(issuer: Issuer, settings: TokenSettings) -> None:
    tokens = OidcTokens(settings)

    async def ask() -> list[Caller]:
        return await asyncio.gather(*(tokens.caller(issuer.token()) for _ in range(20)))

    assert len(asyncio.run(ask())) == 20
    assert len(issuer.asked) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"oidc_audience": None},
        {"oidc_issuer": "http://issuer.example"},
        {"oidc_jwks_url": "file:///keys"},
        {"oidc_scopes": ("everything",)},
    ],
)
def test_insecure_settings_are_rejected_at_the_start(
    settings: TokenSettings, changed: dict[str, Any]
) -> None:
    with pytest.raises(BadSetting):
        OidcTokens(replace(settings, **changed))


def test_known_keys_do_not_wait_for_a_slow_issuer(issuer: Issuer, settings: TokenSettings) -> None:
    """One request fetches; the others use the known keys."""
    moment, asked, go_on = Moment(), threading.Event(), threading.Event()

    def fetch(url: str) -> Any:
        if moment.now > 1000:
            asked.set()
            assert go_on.wait(timeout=PATIENCE)
            raise OSError("down")
        return fetch_json(url)

    tokens = OidcTokens(settings, fetch, moment)

    async def ask() -> None:
        await tokens.caller(issuer.token())
        moment.now += 3601
        first = asyncio.create_task(tokens.caller(issuer.token()))
        assert await asyncio.to_thread(asked.wait, PATIENCE)
        try:
            others = (tokens.caller(issuer.token()) for _ in range(5))
            assert len(await asyncio.wait_for(asyncio.gather(*others), PATIENCE / 2)) == 5
            assert not first.done()
        finally:
            go_on.set()
        assert (await first).owner == "oidc:anna"

    asyncio.run(ask())


def test_cancelled_fetch_counts_as_failed(issuer: Issuer, settings: TokenSettings) -> None:
    """Other requests get 503, and the issuer is not asked again at once."""
    asked, go_on = threading.Event(), threading.Event()

    def fetch(_url: str) -> Any:
        asked.set()
        go_on.wait(timeout=PATIENCE)
        raise OSError("down")

    tokens = OidcTokens(settings, fetch)

    async def ask() -> None:
        first = asyncio.create_task(tokens.caller(issuer.token()))
        assert await asyncio.to_thread(asked.wait, PATIENCE)
        first.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        asked.clear()
        with pytest.raises(Unavailable):
            await tokens.caller(issuer.token())
        assert not asked.is_set()

    asyncio.run(ask())


def test_slow_response_is_stopped_after_the_total_time(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeout is for the whole response, not for each byte."""
    monkeypatch.setattr("api.auth.oidc.FETCH_SECONDS", 0.3)
    issuer.drip = 0.05
    with pytest.raises(TimeoutError):
        fetch_json(f"{issuer.url}/keys")


def test_configured_url_of_keys_replaces_discovery(issuer: Issuer, settings: TokenSettings) -> None:
    tokens = OidcTokens(replace(settings, oidc_jwks_url=f"{issuer.url}/keys"))
    caller(tokens, issuer.token())
    assert issuer.asked == ["/keys"]
    assert fetch_json(f"{issuer.url}/keys") == issuer.document("/keys")


def test_keys_and_tokens_work_side_by_side(
    stores: EmbeddedStores, issuer: Issuer, settings: TokenSettings
) -> None:
    """Each shows its owner's blobs."""
    authenticate = authenticate_by_key(stores.owners, None, stores.clock, OidcTokens(settings))
    services = replace(stores.services(), authenticate=authenticate)
    mine, foreign = stores.awaiting("oidc:anna"), stores.awaiting("anna")
    with AppClient(create_app(services)) as client:
        for secret, blob in ((issuer.token(), mine), (stores.key_for("anna"), foreign)):
            asked = GraphQL(client, secret)
            shown = asked.ask("{ blobs { nodes { id } } }")["blobs"]["nodes"]
            assert shown == [{"id": blob.id}]
        reader = GraphQL(client, issuer.token(scope="read"))
        upload = "mutation { createUpload(input: {contentType: JPEG}) { __typename } }"
        assert reader.error(upload)["extensions"]["code"] == "FORBIDDEN"
        assert client.get("/blobs/x", headers={"authorization": "Bearer x.y.z"}).status_code == 401
    assert asyncio.run(authenticate(f"Bearer {stores.key_for('bert')}")).scopes == ALL_SCOPES
