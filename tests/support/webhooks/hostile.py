"""A server on loopback that does to its clients whatever a script says."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable

from tests.support.waiting import PATIENCE

Script = Callable[[socket.socket], None]

OK = b"HTTP/1.1 200 OK\r\n"


class HostileServer:
    """Runs a script on each connection, in a thread of its own, and ends by itself."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def url(self, host: str = "127.0.0.1") -> str:
        """Where to send."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/hook?a=b"

    def close(self) -> None:
        """Stop listening; scripts end when their clients are gone."""
        # `close` alone would not end an `accept` that is under way.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a script did not end"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._run, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._script(connection)
        except OSError:
            pass  # the client is gone, as it should be
        finally:
            connection.close()


def read_request(connection: socket.socket) -> bytes:
    """Read a request to its end: its length must be in its headers."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += received(connection)
    head, _, body = request.partition(b"\r\n\r\n")
    (length,) = (
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += received(connection)
    return head + b"\r\n\r\n" + body


def received(connection: socket.socket) -> bytes:
    if not (data := connection.recv(65536)):
        raise ConnectionResetError
    return data


def answering(*parts: bytes) -> Script:
    """Read the request, send these bytes, close."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        for part in parts:
            connection.sendall(part)

    return script


def dripping(start: bytes, drip: Iterable[bytes], pause: float = 0.05) -> Script:
    """Read the request, send a start, then drop after drop until the client has had enough."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        for drop in drip:
            time.sleep(pause)
            connection.sendall(drop)

    return script


def resetting(start: bytes) -> Script:
    """Read the request, send a start, then break the connection (RST rather than FIN)."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script


def hanging(connection: socket.socket) -> None:
    """Read the request and say nothing until the client is gone."""
    read_request(connection)
    while connection.recv(65536):
        pass
