"""API keys: made once, kept as a hash, presented as a bearer token (RFC 6750)."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from api.auth.caller import Authenticate, Caller
from api.errors import Unauthenticated
from api.threads import RunInThread, run_in_thread
from core.domain.api_key import KEY_PREFIX, hash_key, id_of_key
from core.domain.clock import to_text, utc_now
from core.domain.errors import Unavailable
from core.domain.scope import Scope

if TYPE_CHECKING:
    from datetime import datetime

    from api.auth.oidc import OidcTokens
    from core.domain.clock import Clock
    from core.repositories.ports.owners import ApiKey, OwnerRepository

_MAX_KEPT: Final = 1000
_USE_NOTED: Final = timedelta(hours=1)


class _KnownKeys:
    """A cache of keys that were found recently."""

    def __init__(self, owners: OwnerRepository, read: RunInThread, keep_seconds: float) -> None:
        self._owners = owners
        self._read = read
        self._keep_seconds = keep_seconds
        self._kept: dict[str, tuple[float, ApiKey]] = {}

    async def find(self, digest: str) -> ApiKey | None:
        """Return a key's record, from the cache or the store. Absent keys are not cached."""
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


class _KeyUses:
    """Stores when keys are used, to the hour, so that few requests write."""

    def __init__(self, owners: OwnerRepository | None, run: RunInThread) -> None:
        self._owners = owners
        self._run = run
        self._noted: dict[str, datetime] = {}

    async def note(self, key: ApiKey, now: datetime) -> None:
        """Store that a key is used, unless that is known. A store that can't answer is ignored."""
        if self._owners is None:
            return
        noted = max(filter(None, (self._noted.get(key.hash), key.last_used_at)), default=None)
        if noted and now - noted < _USE_NOTED:
            return
        if len(self._noted) >= _MAX_KEPT:
            self._noted.clear()
        self._noted[key.hash] = now
        with suppress(Unavailable):
            await self._run(self._owners.note_key_use, key.hash, now)


def authenticate_by_key(
    owners: OwnerRepository,
    keyless_owner: str | None,
    clock: Clock = utc_now,
    tokens: OidcTokens | None = None,
    read: RunInThread = run_in_thread,
    keep_seconds: float = 0,
    *,
    notes_use: bool = False,
    note: RunInThread = run_in_thread,
) -> Authenticate:
    """Return the function that authenticates a request by its API key.

    A request without an Authorization header acts for `keyless_owner`; None rejects it. `tokens`
    checks credentials that do not have the prefix of API keys. A key that was found is cached for
    `keep_seconds`, so a revoked key remains valid for that time. `read` runs calls that look a key
    up, `note` those that store its use.
    """
    find = _KnownKeys(owners, read, keep_seconds).find
    uses = _KeyUses(owners if notes_use else None, note)

    async def authenticate(authorization: str | None) -> Caller:
        if authorization is None:
            if keyless_owner is None:
                raise Unauthenticated
            return Caller(keyless_owner, frozenset(Scope))
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Unauthenticated
        if tokens and not key.strip().startswith(KEY_PREFIX):
            return await tokens.caller(key.strip())
        found = await find(hash_key(key.strip()))
        if found is None:
            raise Unauthenticated
        if found.expires_at and found.expires_at <= clock():
            # Only the holder of the key learns that it expired.
            raise Unauthenticated(f"This API key expired at {to_text(found.expires_at)}")
        await uses.note(found, clock())
        return Caller(found.owner, found.scopes, found.expires_at, f"key:{id_of_key(found.hash)}")

    return authenticate
