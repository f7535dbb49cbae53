"""DNS lookups with a timeout."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Callable

    Resolve = Callable[[str], list[str]]

# An abandoned lookup runs until the system's resolver gives up, perhaps long after its request
# failed. There is room for more lookups than there are senders, so that dead name servers don't
# use it all.
MAX_LOOKUPS: Final = 64


class LookupFailed(LabellingError):
    """A name has no known addresses, or its lookup took too long."""


def system_addresses(host: str) -> list[str]:
    """Return the addresses of a name from the system's resolver.

    Raises OSError or UnicodeError.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Resolver:
    """Runs each lookup in its own thread, because a lookup can't be interrupted, only abandoned.

    At most one lookup per name runs at a time, and all requests for the name share its result. A
    name whose servers hang therefore holds one thread only.
    """

    def __init__(self, resolve: Resolve = system_addresses) -> None:
        self._resolve = resolve
        self._lock = threading.Lock()
        self._running: dict[str, Future[list[str]]] = {}
        self._room = threading.BoundedSemaphore(MAX_LOOKUPS)

    def addresses(self, host: str, timeout: float) -> list[str]:
        """Return the addresses of a name within `timeout` seconds. Raises LookupFailed."""
        until = time.monotonic() + timeout
        try:
            return self._join(host, timeout).result(max(0.0, until - time.monotonic()))
        except TimeoutError as exc:
            raise LookupFailed(f"the lookup of {host} took too long") from exc
        except (OSError, UnicodeError) as exc:
            raise LookupFailed(f"the lookup of {host} failed: {exc}") from exc

    def _join(self, host: str, timeout: float) -> Future[list[str]]:
        """Return the running lookup of a name, or start one."""
        with self._lock:
            if host in self._running:
                return self._running[host]
        if not self._room.acquire(timeout=max(0.0, timeout)):
            raise LookupFailed(
                f"the lookup of {host} could not start: {MAX_LOOKUPS} other lookups are running"
            )
        with self._lock:
            if host in self._running:
                self._room.release()
                return self._running[host]
            result: Future[list[str]] = Future()
            thread = threading.Thread(
                target=self._run, args=(host, result), name="lookup", daemon=True
            )
            try:
                thread.start()  # can't finish before it is registered: that needs the lock
            except RuntimeError:  # no more threads; no request may wait for this one
                self._room.release()
                raise
            self._running[host] = result
            return result

    def _run(self, host: str, result: Future[list[str]]) -> None:
        try:
            found = self._resolve(host)
        except Exception as exc:  # noqa: BLE001  # raised in the waiting requests
            self._finish(host)
            result.set_exception(exc)
        else:
            self._finish(host)
            result.set_result(found)

    def _finish(self, host: str) -> None:
        with self._lock:
            del self._running[host]
        self._room.release()
