"""API keys: made once, kept as a hash, presented as a bearer token (RFC 6750)."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from api.auth.caller import Authenticate, Caller
from api.auth.sessions import SCHEME
from api.errors import SessionEnded, Unauthenticated
from api.threads import RunInThread, run_in_thread
from core.domain.api_key import KEY_PREFIX, hash_key, id_of_key
from core.domain.clock import to_text, utc_now
from core.domain.errors import Unavailable
from core.domain.scope import Scope

if TYPE_CHECKING:
    from datetime import datetime

    from api.auth.oidc import OidcTokens
    from api.auth.sessions import Sessions
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


class _KeyCallers:
    """Finds whom a key acts for."""

    def __init__(self, known: _KnownKeys, uses: _KeyUses, clock: Clock) -> None:
        self._known = known
        self._uses = uses
        self._clock = clock

    async def caller(self, digest: str, end: datetime | None = None) -> Caller | None:
        """Return the caller of the key with this hash, until `end`; None if there is no such key.

        Raises Unauthenticated when the key has expired.
        """
        found = await self._known.find(digest)
        if found is None:
            return None
        now = self._clock()
        if found.expires_at and found.expires_at <= now:
            # Only the holder of the key learns that it expired.
            raise Unauthenticated(f"This API key expired at {to_text(found.expires_at)}")
        await self._uses.note(found, now)
        end = min(filter(None, (found.expires_at, end)), default=None)
        return Caller(found.owner, found.scopes, end, f"key:{id_of_key(found.hash)}")


def authenticate_by_key(
    owners: OwnerRepository,
    keyless_owner: str | None,
    clock: Clock = utc_now,
    tokens: OidcTokens | None = None,
    read: RunInThread = run_in_thread,
    keep_seconds: float = 0,
    *,
    sessions: Sessions | None = None,
    notes_use: bool = False,
    note: RunInThread = run_in_thread,
) -> Authenticate:
    """Return the function that authenticates a request by its API key.

    A request without an Authorization header acts for `keyless_owner`; None rejects it. `tokens`
    checks credentials that do not have the prefix of API keys, `sessions` those that a session
    cookie contained. A key that was found is cached for `keep_seconds`, so a revoked key remains
    valid for that time. `read` runs calls that look a key up, `note` those that store its use.
    """
    uses = _KeyUses(owners if notes_use else None, note)
    keys = _KeyCallers(_KnownKeys(owners, read, keep_seconds), uses, clock)

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
        caller = await keys.caller(hash_key(key.strip()))
        if caller is None:
            raise Unauthenticated
        return caller

    return _or_by_session(authenticate, keys, sessions, clock) if sessions else authenticate


def _or_by_session(
    authenticate: Authenticate, keys: _KeyCallers, sessions: Sessions, clock: Clock
) -> Authenticate:
    """Return `authenticate` that also takes sessions.

    Where a request without credentials is accepted, so is one whose session has ended.
    """

    async def with_sessions(authorization: str | None) -> Caller:
        scheme, _, value = (authorization or "").partition(" ")
        if scheme != SCHEME:
            return await authenticate(authorization)
        if session := sessions.read(value, clock()):
            with suppress(Unauthenticated):  # an expired key ends the session
                caller = session.caller or await keys.caller(session.credential, session.expires_at)
                if caller:
                    return caller
        try:
            return await authenticate(None)
        except Unauthenticated as exc:
            raise SessionEnded from exc

    return with_sessions
