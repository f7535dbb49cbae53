"""How many connections may be open: in all, and from one address.

A WebSocket counts too: it begins as an HTTP connection, whose protocol object does not see its end.
"""

from __future__ import annotations

import json
import logging
import resource
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.auth.rate_limits import network_of
from api.errors import RequestError, request_failure
from embedded.limits.concurrency import DEFAULT_CONNECTIONS, Slot

if TYPE_CHECKING:
    import asyncio

    import uvicorn

    from embedded.limits.concurrency import ConcurrencyLimit

log = logging.getLogger(__name__)

# Descriptors for everything else: the database's connections, child processes, the log.
RESERVED_DESCRIPTORS: Final = 256
DESCRIPTORS_PER_CONNECTION: Final = 2  # its socket, and the file that it sends or receives


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
    most = connections_of(descriptors)
    if wanted is not None and most < wanted:
        log.warning(
            "fewer connections than --max-connections: raise the limit of open files (ulimit -n)",
            extra={"connections": most, "open_files": descriptors},
        )
    return min(DEFAULT_CONNECTIONS if wanted is None else wanted, most)


def connections_of(descriptors: int) -> int:
    """Return how many connections so many descriptors allow."""
    return max(1, (descriptors - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_CONNECTION)


class _Counted:
    """Adds counting to one of uvicorn's protocols."""

    limit: ConcurrencyLimit
    _slot: Slot | None = None  # of a connection that is counted here

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection no longer."""
        if self._slot is not None:
            self._slot.end()
            self._slot = None
            super().connection_lost(exc)  # type: ignore[misc]


class _CountedHttp(_Counted):
    """Closes connections beyond the limits, after a response."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Count a connection, or close it."""
        try:
            self._slot = self.limit.begin(_address(transport))
        except RequestError as error:
            transport.write(_response(error))
            transport.close()
            return
        super().connection_made(transport)  # type: ignore[misc]


class _CountedWebSocket(_Counted):
    """Takes over a connection that was counted as HTTP."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take the connection's slot over."""
        self._slot = Slot(self.limit, network_of(_address(transport)), None)
        super().connection_made(transport)  # type: ignore[misc]


def count_connections(config: uvicorn.Config, limit: ConcurrencyLimit) -> None:
    """Have a server count its connections."""
    config.load()
    bases: tuple[tuple[str, type], ...] = (
        ("http_protocol_class", _CountedHttp),
        ("ws_protocol_class", _CountedWebSocket),
    )
    for name, mixin in bases:
        counted = type(mixin.__name__, (mixin, getattr(config, name)), {"limit": limit})
        setattr(config, name, counted)


def _address(transport: asyncio.Transport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else "unknown"


def _response(error: RequestError) -> bytes:
    status, headers, content = request_failure(error)
    body = json.dumps(content).encode()
    fields = {
        **headers,
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    lines = [f"{name}: {value}\r\n" for name, value in fields.items()]
    return b"".join([STATUS_LINE[status], "".join(lines).encode(), b"\r\n", body])
