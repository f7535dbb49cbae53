"""API keys: made once, kept as a hash, presented as a bearer token (RFC 6750)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from api.auth.caller import Authenticate, Caller
from api.errors import Unauthenticated
from api.threads import RunInThread, run_in_thread
from core.domain.api_key import KEY_PREFIX, hash_key
from core.domain.clock import to_text, utc_now

if TYPE_CHECKING:
    from api.auth.oidc import OidcTokens
    from core.domain.clock import Clock
    from core.repositories.ports.owners import ApiKey, OwnerRepository

_MAX_KEPT: Final = 1000


class _KnownKeys:
    """Keys looked up not long ago."""

    def __init__(self, owners: OwnerRepository, read: RunInThread, keep_seconds: float) -> None:
        self._owners = owners
        self._read = read
        self._keep_seconds = keep_seconds
        self._kept: dict[str, tuple[float, ApiKey]] = {}

    async def find(self, digest: str) -> ApiKey | None:
        """Return a key's record; only one that was found is kept."""
        now = time.monotonic()
        kept = self._kept.get(digest)
        if kept and now - kept[0] < self._keep_seconds:
            return kept[1]
        found = await self._read(self._owners.find_key, digest)
        if found and self._keep_seconds:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[digest] = now, found
        return found


def authenticate_by_key(
    owners: OwnerRepository,
    keyless_owner: str | None,
    clock: Clock = utc_now,
    tokens: OidcTokens | None = None,
    read: RunInThread = run_in_thread,
    keep_seconds: float = 0,
) -> Authenticate:
    """Make the function that finds out by its key who sends a request.

    A request without an Authorization header is `keyless_owner`'s; None refuses it. What is no key
    by its prefix is given to `tokens`, if there are any. A key that was found is looked up anew
    after `keep_seconds`, so that one which is revoked may open that much longer.
    """
    find = _KnownKeys(owners, read, keep_seconds).find

    async def authenticate(authorization: str | None) -> Caller:
        if authorization is None:
            if keyless_owner is None:
                raise Unauthenticated
            return Caller(keyless_owner)
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Unauthenticated
        if tokens and not key.strip().startswith(KEY_PREFIX):
            return await tokens.caller(key.strip())
        found = await find(hash_key(key.strip()))
        if found is None:
            raise Unauthenticated
        if found.expires_at and found.expires_at <= clock():
            # Only its holder can learn that.
            raise Unauthenticated(f"This API key expired at {to_text(found.expires_at)}")
        return Caller(found.owner, found.scopes, found.expires_at)

    return authenticate
