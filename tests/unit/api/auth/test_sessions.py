"""Sessions: what is signed, and what ends them."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.api_keys import authenticate_by_key
from api.auth.caller import Authenticate, Caller
from api.auth.rate_limits import RateLimits
from api.auth.sessions import MAX_LIFE, TOKEN, Sessions, credential_digest
from api.errors import SessionEnded, TooManyRequests, Unauthenticated
from core.domain.api_key import hash_key
from core.domain.scope import Scope
from tests.support.blobs import NOON
from tests.support.services.embedded_stores import EmbeddedStores, MovableClock

RULES = "rules"
KEYED = Caller("anna", name="key:1")
HOUR = timedelta(hours=1)


def signing(secret: bytes = b"secret", rules: str | None = RULES) -> Sessions:
    return Sessions(lambda: secret, rules)


class SignedIn:
    """A key of anna, the session that it began, and the function that authenticates by both."""

    def __init__(
        self, stores: EmbeddedStores, keyless_owner: str | None = None, **key: object
    ) -> None:
        self.secrets = [b"secret"]
        self.key = stores.key_for("anna", **key)
        sessions = Sessions(lambda: self.secrets[0])
        self.authenticate: Authenticate = authenticate_by_key(
            stores.owners, keyless_owner, stores.clock, sessions=sessions
        )
        value, self.session = sessions.issue(self.key, self.caller(self.key), stores.clock())
        self.header = f"Session {value}"

    def caller(self, key: str) -> Caller:
        return asyncio.run(self.authenticate(f"Bearer {key}"))

    def again(self) -> Caller:
        return asyncio.run(self.authenticate(self.header))


def test_session_of_a_key_names_its_hash_and_ends_after_two_weeks() -> None:
    value, session = signing().issue("lbl_1", KEYED, NOON)
    assert session.credential == hash_key("lbl_1")
    assert session.expires_at == (NOON + MAX_LIFE).replace(microsecond=0)
    assert signing().read(value, NOON) == session
    assert signing().read(value, session.expires_at - timedelta(seconds=1)) == session
    assert signing().read(value, session.expires_at) is None
    assert "lbl_1" not in value


def test_session_of_a_token_has_its_grant_and_its_end() -> None:
    caller = Caller("oidc:übung", frozenset({Scope.READ}), NOON + HOUR, TOKEN)
    value, session = signing().issue("eyJ.token", caller, NOON)
    end = (NOON + HOUR).replace(microsecond=0)
    read = signing().read(value, NOON)
    assert read is not None
    assert read.caller == Caller("oidc:übung", frozenset({Scope.READ}), end, TOKEN)
    assert read.expires_at == session.expires_at == end
    assert signing().read(value, end) is None
    # A service that trusts another issuer, or none, does not take it.
    assert signing(rules="others").read(value, NOON) is None
    assert signing(rules=None).read(value, NOON) is None


def test_session_fits_in_a_cookie() -> None:
    """Browsers keep cookies of up to 4096 bytes; the longest owner has 64."""
    caller = Caller("é" * 32, frozenset(Scope), NOON + HOUR, TOKEN)
    value, _ = signing(rules="0" * 16).issue("t" * 8000, caller, NOON)
    assert len(value) < 1000
    assert value.isascii()
    assert not set(value) & set('",;\\ ')


def test_another_secret_reads_no_session() -> None:
    value, _ = signing().issue("lbl_1", KEYED, NOON)
    assert signing(b"rotated").read(value, NOON) is None


@given(st.integers(min_value=0), st.sampled_from([*"aZ09-_.=é", ""]))
def test_changed_session_is_not_read(place: int, put: str) -> None:
    value, _ = signing().issue("lbl_1", KEYED, NOON)
    place %= len(value)
    changed = value[:place] + put + value[place + 1 :]
    assert changed == value or signing().read(changed, NOON) is None


@pytest.mark.parametrize("value", ["", ".", "..", "a.b.c", "é.é.é", "\udcff.\udcff.\udcff"])
def test_text_that_is_no_session_is_not_read(value: str) -> None:
    assert signing().read(value, NOON) is None


def test_claims_of_another_session_are_not_read() -> None:
    """Neither claims nor the key can be replaced."""
    value, _ = signing().issue("lbl_1", KEYED, NOON)
    digest, _, signature = value.split(".")
    claims = base64.urlsafe_b64encode(json.dumps({"until": 9_999_999_999}).encode()).decode()
    assert signing().read(f"{digest}.{claims.rstrip('=')}.{signature}", NOON) is None
    other = hash_key("lbl_2")
    assert signing().read(value.replace(digest, other), NOON) is None


def test_session_acts_as_its_key(stores: EmbeddedStores) -> None:
    """With the scopes of now, and the name that the audit log has for the key."""
    signed_in = SignedIn(stores, scopes=frozenset({Scope.READ}))
    caller = signed_in.again()
    assert caller == Caller(
        "anna",
        frozenset({Scope.READ}),
        signed_in.session.expires_at,
        f"key:{hash_key(signed_in.key)[:12]}",
    )


def test_revoking_the_key_ends_its_session(stores: EmbeddedStores) -> None:
    signed_in = SignedIn(stores)
    stores.owners.remove_key(hash_key(signed_in.key))
    with pytest.raises(SessionEnded, match="sign in again"):
        signed_in.again()


def test_session_ends_with_its_key(stores: EmbeddedStores, clock: MovableClock) -> None:
    signed_in = SignedIn(stores, expires_at=clock() + HOUR)
    assert signed_in.again().expires_at == (clock() + HOUR).replace(microsecond=0)
    clock.advance(HOUR)
    with pytest.raises(SessionEnded):
        signed_in.again()


def test_shortening_the_life_of_a_key_shortens_its_session(
    stores: EmbeddedStores, clock: MovableClock
) -> None:
    signed_in = SignedIn(stores)
    stores.owners.end_key(hash_key(signed_in.key), clock() + HOUR)
    assert signed_in.again().expires_at == clock() + HOUR
    clock.advance(HOUR)
    with pytest.raises(SessionEnded):
        signed_in.again()


def test_session_ends_after_its_own_life(stores: EmbeddedStores, clock: MovableClock) -> None:
    signed_in = SignedIn(stores)
    clock.advance(MAX_LIFE - HOUR)
    assert signed_in.again().owner == "anna"
    clock.advance(HOUR)
    with pytest.raises(SessionEnded):
        signed_in.again()


def test_rotated_secret_ends_sessions(stores: EmbeddedStores) -> None:
    signed_in = SignedIn(stores)
    signed_in.secrets[0] = b"rotated"
    with pytest.raises(SessionEnded):
        signed_in.again()


def test_ended_session_counts_as_no_key_where_none_is_needed(stores: EmbeddedStores) -> None:
    signed_in = SignedIn(stores, "local")
    assert signed_in.again().owner == "anna"
    stores.owners.remove_key(hash_key(signed_in.key))
    assert signed_in.again() == asyncio.run(signed_in.authenticate(None))
    assert signed_in.again().owner == "local"


def test_service_without_sessions_takes_none(stores: EmbeddedStores) -> None:
    """On AWS."""
    header = SignedIn(stores).header
    with pytest.raises(Unauthenticated):
        asyncio.run(authenticate_by_key(stores.owners, None)(header))


def test_sessions_of_a_key_share_its_rate_limit(stores: EmbeddedStores) -> None:
    """Signing in again does not allow more requests."""
    signed_in = SignedIn(stores)
    assert credential_digest(signed_in.header) == credential_digest(f"Bearer {signed_in.key}")
    guarded = RateLimits(1, 0, lambda: 0.0).guard(signed_in.authenticate)
    for number in range(10):
        header = signed_in.header if number % 2 else f"Bearer {signed_in.key}"
        assert asyncio.run(guarded(header)).owner == "anna"
    for header in (signed_in.header, f"Bearer {signed_in.key}"):
        with pytest.raises(TooManyRequests):
            asyncio.run(guarded(header))


def test_services_of_one_host_have_different_names() -> None:
    assert signing().service_name == signing().service_name
    assert signing().service_name != signing(b"another").service_name
