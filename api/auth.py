"""API keys: made once, kept as a hash, presented as a bearer token (RFC 6750)."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final

from api.errors import Unauthenticated
from api.services import Authenticate, Caller, OffLoop, off_loop
from catalogue.clock import to_text, utc_now

if TYPE_CHECKING:
    from api.tokens import Tokens
    from catalogue.clock import Clock
    from catalogue.records.base import OwnerRecords

_PREFIX: Final = "lbl_"


def new_key() -> str:
    """Make an API key: 32 random bytes behind a prefix that secret scanners can know."""
    return _PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """Return the SHA-256 (hex) under which a key is kept. A random key needs no salt."""
    return hashlib.sha256(key.encode()).hexdigest()


def authenticate_by_key(
    owners: OwnerRecords,
    keyless_owner: str | None,
    clock: Clock = utc_now,
    tokens: Tokens | None = None,
    read: OffLoop = off_loop,
) -> Authenticate:
    """Make the function that finds out by its key who sends a request.

    A request without an Authorization header is `keyless_owner`'s; None refuses it. What is no key
    by its prefix is given to `tokens`, if there are any.
    """

    async def authenticate(authorization: str | None) -> Caller:
        if authorization is None:
            if keyless_owner is None:
                raise Unauthenticated
            return Caller(keyless_owner)
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Unauthenticated
        if tokens and not key.strip().startswith(_PREFIX):
            return await tokens.caller(key.strip())
        found = await read(owners.find_key, hash_key(key.strip()))
        if found is None:
            raise Unauthenticated
        if found.expires_at and found.expires_at <= clock():
            # Only its holder can learn that.
            raise Unauthenticated(f"This API key expired at {to_text(found.expires_at)}")
        return Caller(found.owner, found.scopes, found.expires_at)

    return authenticate
