"""How many requests a key may send, and an address whose authentication fails."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
import time
from collections import OrderedDict
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from api.auth.sessions import credential_digest
from api.errors import TooManyRequests, Unauthenticated
from core.runtime.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.auth.caller import Authenticate, Caller

log = logging.getLogger(__name__)

BURST_SECONDS: Final = 10  # of requests that a key may send at once after a pause
MAX_BUCKETS: Final = 10_000
_IPV6_SITE: Final = 64  # bits of an address: a client can choose the others (RFC 4291, 2.5.1)

client_address: ContextVar[str] = ContextVar("client_address", default="unknown")


class TokenBuckets:
    """A token bucket for each name: `rate` tokens come in a second, up to `burst`.

    The buckets used longest ago are dropped beyond MAX_BUCKETS, so that names cost no more memory.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = max(1.0, burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._buckets

    def wait(self, name: str) -> float:
        """Return the seconds until the bucket has a token; 0 if it has one. Takes none."""
        return max(0.0, (1 - self._tokens(name, self._clock())) / self._rate)

    def take(self, name: str) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        now = self._clock()
        tokens = self._tokens(name, now)
        if is_taken := tokens >= 1:
            tokens -= 1
        self._buckets[name] = tokens, now
        self._buckets.move_to_end(name)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if is_taken else (1 - tokens) / self._rate

    def _tokens(self, name: str, now: float) -> float:
        tokens, at = self._buckets.get(name, (self._burst, now))
        return min(self._burst, tokens + (now - at) * self._rate)


class RateLimits:
    """Limits requests by key, and failed authentications by address; 0 turns a limit off.

    Call it in the event loop.
    """

    def __init__(
        self,
        requests_per_second: float,
        failures_per_minute: float,
        clock: Callable[[], float] = time.monotonic,
        refusals: Refusals | None = None,
    ) -> None:
        self._refusals = refusals or Refusals(clock)
        self._valid: OrderedDict[str, None] = OrderedDict()  # digests of keys, last used last
        self._requests = (
            TokenBuckets(requests_per_second, requests_per_second * BURST_SECONDS, clock)
            if requests_per_second
            else None
        )
        self._failures = (
            TokenBuckets(failures_per_minute / 60, failures_per_minute, clock)
            if failures_per_minute
            else None
        )

    def admit(self, authorization: str | None) -> None:
        """Count a request. Raises TooManyRequests when its key has sent too many.

        Sessions that a key began count as the key.
        """
        if self._requests and authorization is not None:
            wait = self._requests.take(credential_digest(authorization))
            if wait:
                self._refusals.add("rate", "per_key", address=client_address.get())
                raise TooManyRequests("This API key sends too many requests", math.ceil(wait))

    def guard(self, authenticate: Authenticate) -> Authenticate:
        """Return `authenticate` with these limits; it may raise TooManyRequests too.

        An address whose failures are used up is refused before its key is looked up, except for
        keys that were valid before: a client behind the same proxy keeps its access.
        """

        async def limited(authorization: str | None) -> Caller:
            address = network_of(client_address.get())
            if self._is_blocked(address, authorization):
                self._refusals.add("authentication", "per_address", address=address)
                raise TooManyRequests(
                    "Too many requests of this address had no valid API key",
                    math.ceil(self._failures.wait(address)) if self._failures else 1,
                )
            try:
                caller = await authenticate(authorization)
            except Unauthenticated as error:
                self._count_failure(address, authorization, error)
                raise
            self.admit(authorization)
            self._remember(authorization)
            return caller

        return limited

    def _is_blocked(self, address: str, authorization: str | None) -> bool:
        if not self._failures or not self._failures.wait(address):
            return False
        return authorization is None or _digest(authorization) not in self._valid

    def _remember(self, authorization: str | None) -> None:
        if self._failures and authorization is not None:
            digest = _digest(authorization)
            self._valid[digest] = None
            self._valid.move_to_end(digest)
            if len(self._valid) > MAX_BUCKETS:
                self._valid.popitem(last=False)

    def _count_failure(
        self, address: str, authorization: str | None, error: Unauthenticated
    ) -> None:
        if self._failures:
            self._failures.take(address)
        log.warning(
            "authentication failed",
            extra={
                "address": client_address.get(),
                "reason": "no key" if authorization is None else str(error).partition(":")[0],
            },
        )


class ClientAddress:
    """ASGI middleware: makes the client's address known as `client_address`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if client := scope.get("client"):
            client_address.set(client[0])
        await self._app(scope, receive, send)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004  # IPv4
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _IPV6_SITE), strict=False))


def _digest(authorization: str) -> str:
    return hashlib.sha256(authorization.encode("utf-8", "surrogateescape")).hexdigest()
