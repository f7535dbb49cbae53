"""The one place from which requests leave for addresses that users chose.

Built on httpcore's public parts, as no client bounds the whole of a request: here one deadline
covers name look-up, connecting, TLS, sending and reading. No redirect is followed, no proxy and
no environment variable is heeded, nothing is decompressed, and of the answer only the first
bytes are read.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final

import certifi
import httpcore

from core.domain.errors import CallbackUrlRefused, LabellingError
from core.domain.ip_addresses import is_public
from core.domain.webhook_url import CallbackRules, CallbackUrl, read_callback_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Resolve = Callable[[str], list[str]]

MAX_ANSWER: Final = 4096
MAX_DIALLED: Final = 8  # of a name's addresses, in one request
# A look-up left behind goes on until the resolver gives up, which may be long after its sender did.
# There is room for more of them than there are senders, so that dead name servers don't fill it.
MAX_LOOKUPS: Final = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """A receiver's answer; `body` is at most its first 4096 bytes, as sent.

    `address` is the IP address it came from.
    """

    status: int
    retry_after: str | None
    body: bytes
    address: str | None = None


class NotSent(LabellingError):
    """No answer came.

    `error` is its class: timeout, dns, connect, tls, connection or protocol, or rejected when the
    receiver's address is none that we send to. `address` is the one last connected to, if any.
    """

    def __init__(self, error: str, detail: str, address: str | None = None) -> None:
        super().__init__(f"{error}: {detail}")
        self.error = error
        self.address = address


def look_up(host: str) -> list[str]:
    """Ask the system for the addresses of a name. Raises OSError or UnicodeError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class WebhookClient:
    """Sends POSTs. Safe to use from several threads.

    Unless the rules allow private addresses, a name is only connected to if every address it
    resolves to is public, and the address that was looked at is the one that is dialled.
    """

    def __init__(
        self,
        *,
        deadline: float,
        rules: CallbackRules,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = look_up,
    ) -> None:
        self._deadline = deadline
        self._rules = rules
        self._tls = tls or ssl.create_default_context(cafile=certifi.where())
        self._look_ups = _Resolver(resolve)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST a body and return the answer, whatever its status, within the deadline.

        Raises:
            NotSent: no answer's status came.

        """
        until = time.monotonic() + self._deadline
        try:
            # Read anew: the rules may be stricter than when the URL was taken.
            target = read_callback_url(url, self._rules)
        except CallbackUrlRefused as exc:
            raise NotSent("rejected", exc.reason) from exc
        backend = _GuardedBackend(until, self._look_ups, private=self._rules.private)
        try:
            return self._exchange(target, headers, body, backend)
        except NotSent as exc:
            exc.address = backend.dialled
            raise
        except httpcore.TimeoutException as exc:
            late = f"no answer within {self._deadline:g} s"
            raise NotSent("timeout", late, backend.dialled) from exc
        except httpcore.ConnectError as exc:
            raise NotSent("connect", str(exc), backend.dialled) from exc
        except httpcore.NetworkError as exc:
            raise NotSent("connection", str(exc) or "lost", backend.dialled) from exc
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as exc:
            raise NotSent("protocol", str(exc), backend.dialled) from exc

    def _exchange(
        self,
        target: CallbackUrl,
        headers: Mapping[str, str],
        body: bytes,
        backend: _GuardedBackend,
    ) -> Answer:
        # Put together from the parts that were checked: no second reader of the URL.
        url = httpcore.URL(
            scheme=target.scheme, host=target.host, port=target.port, target=target.target
        )
        sent = {
            **headers,
            "host": target.authority,
            "accept-encoding": "identity",
            "connection": "close",
        }
        with (
            httpcore.ConnectionPool(
                ssl_context=self._tls, network_backend=backend, max_keepalive_connections=0
            ) as pool,
            pool.stream("POST", url, headers=list(sent.items()), content=body) as response,
        ):
            return Answer(
                response.status,
                _header(response, b"retry-after"),
                _first_bytes(response),
                backend.dialled,
            )


def _header(response: httpcore.Response, name: bytes) -> str | None:
    for key, value in response.headers:
        if key.lower() == name:
            return value.decode("latin-1")
    return None


def _first_bytes(response: httpcore.Response) -> bytes:
    received = b""
    # The status is known and decides; a body cut short changes nothing.
    with suppress(httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        for chunk in response.iter_stream():
            received += chunk
            if len(received) >= MAX_ANSWER:
                break
    return received[:MAX_ANSWER]


class _Resolver:
    """Name look-ups, each in a thread of its own: they can't be interrupted, only left behind.

    One for each name at a time, which all who ask for it wait for: a name whose servers hang holds
    one thread only.
    """

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[list[str]]] = {}
        self._room = threading.BoundedSemaphore(MAX_LOOKUPS)

    def addresses(self, host: str, until: float) -> list[str]:
        """Return the addresses of a name. Raises NotSent."""
        try:
            return self._join(host, until).result(_left(until))
        except (FutureTimeout, httpcore.TimeoutException) as exc:
            raise NotSent("dns", f"looking up {host} took too long") from exc
        except (OSError, UnicodeError) as exc:
            raise NotSent("dns", f"{host} can't be looked up: {exc}") from exc

    def _join(self, host: str, until: float) -> Future[list[str]]:
        with self._lock:
            if host in self._under_way:
                return self._under_way[host]
        if not self._room.acquire(timeout=_left(until)):
            raise NotSent(
                "dns", f"{host} can't be looked up: {MAX_LOOKUPS} other names take too long"
            )
        with self._lock:
            if host in self._under_way:
                self._room.release()
                return self._under_way[host]
            answer: Future[list[str]] = Future()
            look_up = threading.Thread(
                target=self._run, args=(host, answer), name="look-up", daemon=True
            )
            try:
                look_up.start()  # it can't end before it is noted, for want of the lock
            except RuntimeError:  # no more threads: nobody must wait for this one
                self._room.release()
                raise
            self._under_way[host] = answer
            return answer

    def _run(self, host: str, answer: Future[list[str]]) -> None:
        try:
            found = self._resolve(host)
        except Exception as exc:  # noqa: BLE001  # whoever waits gets it
            self._end(host)
            answer.set_exception(exc)
        else:
            self._end(host)
            answer.set_result(found)

    def _end(self, host: str) -> None:
        with self._lock:
            del self._under_way[host]
        self._room.release()


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to where it may, and reads and writes until a moment of the monotonic clock.

    `dialled` is the address that was last connected to, or tried.
    """

    def __init__(self, until: float, look_ups: _Resolver, *, private: bool) -> None:
        self.dialled: str | None = None
        self._until = until
        self._look_ups = look_ups
        self._private = private
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # ours is the deadline
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = [host] if _is_literal(host) else self._look_ups.addresses(host, self._until)
        if not self._private and not all(map(is_public, addresses)):
            # Which one is not told: the name may be one that only our network knows.
            raise NotSent("rejected", f"{host} has an address that is no public address")
        failure: Exception = NotSent("dns", f"{host} has no address")
        to_dial = in_turn(addresses)[:MAX_DIALLED]
        for place, address in enumerate(to_dial):
            self.dialled = address
            # Each has its share of what is left: one that swallows packets must not take it all.
            share = _left(self._until) / (len(to_dial) - place)
            try:
                stream = self._backend.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
            else:
                return _BoundedStream(stream, self._until)
        raise failure


def in_turn(addresses: list[str]) -> list[str]:
    """Put IPv6 and IPv4 addresses in turn, the first one's family first (RFC 8305, 4)."""
    families: tuple[list[str], list[str]] = [], []
    for address in addresses:
        families[(":" in address) != (":" in addresses[0])].append(address)
    return [address for address in chain(*zip_longest(*families)) if address]


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, until: float) -> None:
        self._stream = stream
        self._until = until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._until, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # By hand, as httpcore's own stream gives each piece of a buffer the whole time anew.
        connection: socket.socket = self._stream.get_extra_info("socket")
        unsent = memoryview(buffer)
        try:
            while unsent:
                connection.settimeout(_left(self._until, httpcore.WriteTimeout))
                unsent = unsent[connection.send(unsent) :]
        except TimeoutError as exc:
            raise httpcore.WriteTimeout from exc
        except OSError as exc:
            raise httpcore.WriteError(str(exc)) from exc

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._until))
        except httpcore.ConnectError as exc:
            raise NotSent("tls", str(exc)) from exc
        return _BoundedStream(stream, self._until)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(until: float, error: type[httpcore.TimeoutException] = httpcore.ConnectTimeout) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise error
    return left
