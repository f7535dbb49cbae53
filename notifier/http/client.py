"""HTTP client for URLs that users choose: the only place that sends requests to them.

It is built on httpcore's public parts, because no HTTP client limits the total time of a request.
Here one deadline covers the DNS lookup, connecting, TLS, sending and reading. The client follows no
redirects, ignores proxies and environment variables, decompresses nothing and reads only the first
bytes of a response.
"""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final

import certifi
import httpcore

from core.domain.errors import CallbackUrlRefused, LabellingError
from core.domain.ip_addresses import is_public
from core.domain.webhook_url import CallbackRules, CallbackUrl, read_callback_url
from notifier.http.resolver import LookupFailed, Resolver, system_addresses

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping

    from notifier.http.resolver import Resolve

MAX_RESPONSE_BYTES: Final = 4096
HTTP: Final = b"HTTP/"  # how every response starts (RFC 9112, 2.3)
MAX_ADDRESSES: Final = 8  # that one request tries, of a name's addresses


@dataclass(frozen=True, slots=True)
class Response:
    """A receiver's response; `body` holds at most its first 4096 bytes, as sent.

    `address` is the IP address of the receiver.
    """

    status: int
    retry_after: str | None
    body: bytes
    address: str | None = None


class SendError(LabellingError):
    """No response was received.

    `error` is the class of the error: timeout, dns, connect, tls, connection or protocol, or
    rejected when the rules forbid the receiver's address. `address` is the last one the client
    tried to connect to, if any.
    """

    def __init__(self, error: str, detail: str, address: str | None = None) -> None:
        super().__init__(f"{error}: {detail}")
        self.error = error
        self.address = address


class WebhookClient:
    """Sends POST requests. Safe to use from several threads.

    Unless the rules allow private addresses, the client connects to a name only if all its
    addresses are public, and it connects to the very addresses that it checked.
    """

    def __init__(
        self,
        *,
        deadline: float,
        rules: CallbackRules,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = system_addresses,
    ) -> None:
        self._deadline = deadline
        self._rules = rules
        self._tls = tls or trusting(None)
        self._resolver = Resolver(resolve)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Send a POST request and return the response, whatever its status.

        Raises:
            SendError: no status was received within the deadline.

        """
        until = time.monotonic() + self._deadline
        try:
            # Parsed again: the rules may be stricter than when the URL was accepted.
            target = read_callback_url(url, self._rules)
        except CallbackUrlRefused as exc:
            raise SendError("rejected", exc.reason) from exc
        backend = _GuardedBackend(until, self._resolver, private=self._rules.private)
        try:
            return self._send(target, headers, body, backend)
        except SendError as exc:
            exc.address = backend.address
            raise
        except httpcore.TimeoutException as exc:
            reason = f"no response within {self._deadline:g} s"
            raise SendError("timeout", reason, backend.address) from exc
        except httpcore.ConnectError as exc:
            raise SendError("connect", str(exc), backend.address) from exc
        except httpcore.NetworkError as exc:
            reason = str(exc) or "the connection was lost"
            raise SendError("connection", reason, backend.address) from exc
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as exc:
            raise SendError("protocol", str(exc), backend.address) from exc

    def _send(
        self,
        target: CallbackUrl,
        headers: Mapping[str, str],
        body: bytes,
        backend: _GuardedBackend,
    ) -> Response:
        # Built from the checked parts, so that no second parser reads the URL.
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
            return Response(
                response.status,
                _header(response, b"retry-after"),
                _first_bytes(response),
                backend.address,
            )


def trusting(authorities: str | None) -> ssl.SSLContext:
    """Return TLS settings that trust the usual authorities, and those of a PEM file besides.

    Raises OSError (or its ssl.SSLError) where the file can't be read.
    """
    tls = ssl.create_default_context(cafile=certifi.where())
    if authorities:
        tls.load_verify_locations(authorities)
    return tls


def _header(response: httpcore.Response, name: bytes) -> str | None:
    for key, value in response.headers:
        if key.lower() == name:
            return value.decode("latin-1")
    return None


def _first_bytes(response: httpcore.Response) -> bytes:
    received = b""
    # The status decides the outcome, so a truncated body is not an error.
    with suppress(httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        for chunk in response.iter_stream():
            received += chunk
            if len(received) >= MAX_RESPONSE_BYTES:
                break
    return received[:MAX_RESPONSE_BYTES]


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to allowed addresses only, and limits all I/O to a point of the monotonic clock.

    `address` is the last address that the backend tried to connect to.
    """

    def __init__(self, until: float, resolver: Resolver, *, private: bool) -> None:
        self.address: str | None = None
        self._until = until
        self._resolver = resolver
        self._private = private
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # the deadline replaces it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = [host] if _is_literal(host) else self._addresses(host)
        if not self._private and not all(map(is_public, addresses)):
            # The message omits the address: the name may be known in our network only.
            raise SendError("rejected", f"{host} has an address that is not public")
        failure: Exception = SendError("dns", f"{host} has no address")
        candidates = alternate_families(addresses)[:MAX_ADDRESSES]
        for number, address in enumerate(candidates):
            self.address = address
            # The addresses share the time left, so that one that drops packets can't use it up.
            share = _remaining(self._until) / (len(candidates) - number)
            try:
                stream = self._backend.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
            else:
                return _BoundedStream(stream, self._until)
        raise failure

    def _addresses(self, host: str) -> list[str]:
        try:
            return self._resolver.addresses(host, self._until - time.monotonic())
        except LookupFailed as exc:
            raise SendError("dns", str(exc)) from exc


def alternate_families(addresses: list[str]) -> list[str]:
    """Alternate IPv6 and IPv4 addresses, starting with the family of the first (RFC 8305, 4)."""
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
        self._start = b""  # of what was received

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        received = self._stream.read(max_bytes, _remaining(self._until, httpcore.ReadTimeout))
        self._start += received[: len(HTTP) - len(self._start)]
        # httpcore would take the end of a response that has not begun, or of a part of its head,
        # for an error of the protocol. After the head `_first_bytes` ignores it.
        if not received and HTTP.startswith(self._start):
            raise httpcore.ReadError("the receiver closed the connection before the response")
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # httpcore's own stream would apply the whole timeout to each piece of the buffer.
        connection: socket.socket = self._stream.get_extra_info("socket")
        unsent = memoryview(buffer)
        try:
            while unsent:
                connection.settimeout(_remaining(self._until, httpcore.WriteTimeout))
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
            stream = self._stream.start_tls(ssl_context, server_hostname, _remaining(self._until))
        except httpcore.ConnectError as exc:
            raise SendError("tls", str(exc)) from exc
        return _BoundedStream(stream, self._until)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _remaining(
    until: float, error: type[httpcore.TimeoutException] = httpcore.ConnectTimeout
) -> float:
    """Return the seconds until then. Raises `error` if none are left."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise error
    return seconds
