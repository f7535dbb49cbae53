"""How many connections may be open: in all, and from one address.

A WebSocket counts too: it begins as an HTTP connection, whose protocol object does not see its end.
"""

from __future__ import annotations

import logging
import resource
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from embedded.listening import is_loopback
from embedded.rate_limits import network_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    import uvicorn

log = logging.getLogger(__name__)

# Descriptors for everything else: the database's connections, child processes, the log.
RESERVED_DESCRIPTORS: Final = 256
DEFAULT_CONNECTIONS: Final = 10_000
DESCRIPTORS_PER_CONNECTION: Final = 2  # its socket, and the file that it sends or receives
LOG_SECONDS: Final = 10.0  # between two log lines about the same bound
_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard limit; return the limit that holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # macOS: the hard limit may be more than is allowed
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if soft == resource.RLIM_INFINITY else soft


def affordable_connections(wanted: int | None, descriptors: int) -> int:
    """Return how many connections so many descriptors allow: at most `wanted`, or the default.

    Warns when they allow fewer than the operator wants.
    """
    most = max(1, (descriptors - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_CONNECTION)
    if wanted is not None and most < wanted:
        log.warning(
            "fewer connections than --max-connections: raise the limit of open files (ulimit -n)",
            extra={"connections": most, "open_files": descriptors},
        )
    return min(DEFAULT_CONNECTIONS if wanted is None else wanted, most)


class ConnectionCounts:
    """Counts open connections. Addresses of this machine have no bound of their own: a proxy."""

    def __init__(
        self, most: int, per_address: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._per_address = per_address
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._logged: dict[str, float] = {}
        self.total = 0

    def add(self, address: str) -> bool:
        """Count a connection; return False, and count nothing, if it is one too many."""
        client = network_of(address)
        if self.total >= self._most:
            self._log("too many connections, new ones are refused", self._most, address)
            return False
        if self._open[client] >= self._per_address and not is_loopback(address):
            self._log("too many connections of an address", self._per_address, address)
            return False
        self._open[client] += 1
        self.total += 1
        return True

    def remove(self, address: str) -> None:
        """Count a connection that was added no longer."""
        client = network_of(address)
        self.total -= 1
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]

    def _log(self, message: str, limit: int, address: str) -> None:
        now = self._clock()
        if now - self._logged.get(message, -LOG_SECONDS) >= LOG_SECONDS:
            self._logged[message] = now
            log.warning(message, extra={"limit": limit, "address": address, "open": self.total})


class _Counted:
    """Adds counting to one of uvicorn's protocols."""

    counts: ConnectionCounts
    _host: str | None = None  # of a connection that is counted here


class _CountedHttp(_Counted):
    """Closes connections beyond the bounds, after a response 503."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Count a connection, or close it."""
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if peer else "unknown"
        if not self.counts.add(host):
            transport.write(_FULL)
            transport.close()
            return
        self._host = host
        super().connection_made(transport)  # type: ignore[misc]

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection no longer."""
        if self._host is not None:
            self.counts.remove(self._host)
            super().connection_lost(exc)  # type: ignore[misc]


class _CountedWebSocket(_Counted):
    """Takes over a connection that was counted as HTTP."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Note whose connection it is."""
        peer = transport.get_extra_info("peername")
        self._host = str(peer[0]) if peer else "unknown"
        super().connection_made(transport)  # type: ignore[misc]

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection no longer."""
        if self._host is not None:
            self.counts.remove(self._host)
            self._host = None
        super().connection_lost(exc)  # type: ignore[misc]


def count_connections(config: uvicorn.Config, counts: ConnectionCounts) -> None:
    """Have a server count its connections."""
    config.load()
    bases: tuple[tuple[str, type], ...] = (
        ("http_protocol_class", _CountedHttp),
        ("ws_protocol_class", _CountedWebSocket),
    )
    for name, mixin in bases:
        counted = type(mixin.__name__, (mixin, getattr(config, name)), {"counts": counts})
        setattr(config, name, counted)
