"""The one place from which requests leave for addresses that users chose.

Built on httpcore's public parts, as no client bounds the whole of a request: here one deadline
covers name look-up, connecting, TLS, sending and reading. No redirect is followed, no proxy and
no environment variable is heeded, nothing is decompressed, and of the answer only the first
bytes are read.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import certifi
import httpcore

from catalogue.addresses import is_public
from catalogue.errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_ANSWER: Final = 4096
_LOOKUPS: Final = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """A receiver's answer; `body` is at most its first 4096 bytes, as sent."""

    status: int
    retry_after: str | None
    body: bytes


class NotSent(CatalogueError):
    """No answer came.

    `error` is its class: timeout, dns, connect, tls, connection or protocol, or rejected when the
    receiver's address is none that we send to.
    """

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(f"{error}: {detail}")
        self.error = error


class Egress:
    """Sends POSTs. Safe to use from several threads; close it when done.

    Unless `private` addresses are allowed, a name is only connected to if every address it
    resolves to is public, and the address that was looked at is the one that is dialled.
    """

    def __init__(
        self, *, deadline: float, private: bool, tls: ssl.SSLContext | None = None
    ) -> None:
        self._deadline = deadline
        self._private = private
        self._tls = tls or ssl.create_default_context(cafile=certifi.where())
        # Name look-ups can't be interrupted, only left behind: hence threads, and few of them.
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lookup")

    def close(self) -> None:
        """Let go of the look-up threads."""
        self._lookups.shutdown(wait=False, cancel_futures=True)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST a body and return the answer, whatever its status, within the deadline.

        Raises:
            NotSent: no answer's status came.

        """
        until = time.monotonic() + self._deadline
        sent = {**headers, "accept-encoding": "identity", "connection": "close"}
        try:
            target = httpcore.URL(url)
        except (TypeError, ValueError) as exc:
            raise NotSent("protocol", f"not a URL: {exc}") from exc
        try:
            with (
                httpcore.ConnectionPool(
                    ssl_context=self._tls,
                    network_backend=_GuardedBackend(until, self._lookups, private=self._private),
                    max_keepalive_connections=0,
                ) as pool,
                pool.stream("POST", target, headers=list(sent.items()), content=body) as response,
            ):
                return Answer(
                    response.status, _header(response, b"retry-after"), _first_bytes(response)
                )
        except httpcore.TimeoutException as exc:
            raise NotSent("timeout", f"no answer within {self._deadline:g} s") from exc
        except httpcore.ConnectError as exc:
            raise NotSent("connect", str(exc)) from exc
        except httpcore.NetworkError as exc:
            raise NotSent("connection", str(exc) or "lost") from exc
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as exc:
            raise NotSent("protocol", str(exc)) from exc


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


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to where it may, and reads and writes until a moment of the monotonic clock."""

    def __init__(self, until: float, lookups: ThreadPoolExecutor, *, private: bool) -> None:
        self._until = until
        self._lookups = lookups
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
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        addresses = self._addresses(host, port)
        if not self._private and (bad := [each for each in addresses if not is_public(each)]):
            raise NotSent("rejected", f"{host} is at {bad[0]}, which is no public address")
        for address in addresses:
            try:
                stream = self._backend.connect_tcp(
                    address, port, _left(self._until), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
            else:
                return _BoundedStream(stream, self._until)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host.strip("[]")))]
        answer = self._lookups.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = answer.result(_left(self._until))
        except FutureTimeout as exc:
            answer.cancel()
            raise NotSent("dns", f"looking up {host} took too long") from exc
        except (OSError, UnicodeError) as exc:
            raise NotSent("dns", f"{host} can't be looked up: {exc}") from exc
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


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
