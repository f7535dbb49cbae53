"""How much may be in progress at a time: in all, of one address and of one owner.

Three kinds count: connections, requests and subscriptions, over whichever transport they come. A
WebSocket counts as a connection of its owner, and each of its operations as a request or as a
subscription. A request that becomes a stream counts as a subscription from then on.
"""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from api.auth.rate_limits import network_of
from api.errors import Code, RequestError, TooManyRequests
from core.runtime.refusals import Refusals
from embedded.proxies import Proxies

if TYPE_CHECKING:
    from api.auth.caller import Authenticate, Caller
    from embedded.settings import Settings

DEFAULT_CONNECTIONS: Final = 10_000
RETRY_SECONDS: Final = 5  # until a client should try again
TOTAL: Final = "total"
PER_ADDRESS: Final = "per_address"
PER_OWNER: Final = "per_owner"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many of a kind may be in progress."""

    total: int
    per_address: int
    per_owner: int


class ConcurrencyLimit:
    """Counts what is in progress of one kind, and refuses what exceeds its limits.

    This machine and trusted proxies have no limit per address: they may stand for many clients.
    Call it in the event loop.
    """

    def __init__(self, kind: str, limits: Limits, refusals: Refusals, proxies: Proxies) -> None:
        self.kind = kind
        self.limits = limits
        self.total = 0
        self._refusals = refusals
        self._proxies = proxies
        self._by_address: Counter[str] = Counter()
        self._by_owner: Counter[str] = Counter()

    def begin(self, address: str, owner: str | None = None) -> Slot:
        """Count one until its slot ends.

        Raises:
            TooManyRequests: the address or the owner has too many.
            RequestError: there are too many in all (SERVICE_UNAVAILABLE).

        """
        client = network_of(address)
        if self.total >= self.limits.total:
            self._refusals.add(self.kind, TOTAL, most=self.limits.total, address=address)
            raise RequestError(
                Code.SERVICE_UNAVAILABLE,
                f"The service has too many {self.kind} in progress: wait {RETRY_SECONDS} s before "
                "the next.",
                headers={"retry-after": str(RETRY_SECONDS)},
                retryAfter=RETRY_SECONDS,
            )
        most = self.limits.per_address
        if self._by_address[client] >= most and address not in self._proxies:
            self._refusals.add(self.kind, PER_ADDRESS, most=most, address=address)
            raise self._too_many("This address", most)
        if owner is not None:
            self.count_owner(owner)
        self._by_address[client] += 1
        self.total += 1
        return Slot(self, client, owner)

    def count_owner(self, owner: str) -> None:
        """Count one of an owner; a slot does it. Raises TooManyRequests."""
        most = self.limits.per_owner
        if self._by_owner[owner] >= most:
            self._refusals.add(self.kind, PER_OWNER, most=most, owner=owner)
            raise self._too_many("This owner", most)
        self._by_owner[owner] += 1

    def end(self, client: str, owner: str | None) -> None:
        """Count one no longer; a slot does it."""
        self.total -= 1
        _decrement(self._by_address, client)
        if owner is not None:
            _decrement(self._by_owner, owner)

    def _too_many(self, whose: str, most: int) -> TooManyRequests:
        return TooManyRequests(f"{whose} has {most} {self.kind} in progress", RETRY_SECONDS)


class Slot:
    """One connection, request or subscription in progress."""

    __slots__ = ("_client", "_limit", "_owner")

    def __init__(self, limit: ConcurrencyLimit, client: str, owner: str | None) -> None:
        self._limit: ConcurrencyLimit | None = limit
        self._client = client
        self._owner = owner

    def add_owner(self, owner: str) -> None:
        """Count it for its owner too, once that is known. Raises TooManyRequests."""
        if self._limit is not None and self._owner is None:
            self._limit.count_owner(owner)
            self._owner = owner

    def end(self) -> None:
        """Count it no longer. Further calls do nothing."""
        if self._limit is not None:
            self._limit.end(self._client, self._owner)
            self._limit = None


current_slot: ContextVar[Slot | None] = ContextVar("current_slot", default=None)


def add_owner(owner: str) -> None:
    """Count the current request, or WebSocket, for its owner. Raises TooManyRequests."""
    if slot := current_slot.get():
        slot.add_owner(owner)


def count_owners(authenticate: Authenticate) -> Authenticate:
    """Return `authenticate` that also counts each request for its owner."""

    async def counted(authorization: str | None) -> Caller:
        caller = await authenticate(authorization)
        add_owner(caller.owner)
        return caller

    return counted


class Concurrency:
    """The limits of each kind, from the settings. Raises BadSetting.

    `connections` counts all connections by the address at their other end, which may be a proxy's;
    `sockets` counts WebSockets again, by the address and the owner of the client.
    """

    def __init__(self, settings: Settings) -> None:
        connections = Limits(
            settings.max_connections or DEFAULT_CONNECTIONS,
            settings.connections_per_address,
            settings.connections_per_owner,
        )
        requests = Limits(
            settings.max_concurrent_requests,
            settings.concurrent_requests_per_address,
            settings.concurrent_requests_per_owner,
        )
        subscriptions = Limits(
            settings.max_subscriptions,
            settings.subscriptions_per_address,
            settings.subscriptions_per_owner,
        )
        proxies = Proxies(settings.trusted_proxies)
        self.refusals = refusals = Refusals()
        self.connections = ConcurrencyLimit("connections", connections, refusals, proxies)
        self.sockets = ConcurrencyLimit("connections", connections, refusals, proxies)
        self.requests = ConcurrencyLimit("requests", requests, refusals, proxies)
        self.subscriptions = ConcurrencyLimit("subscriptions", subscriptions, refusals, proxies)


def _decrement(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if not counter[name]:
        del counter[name]
