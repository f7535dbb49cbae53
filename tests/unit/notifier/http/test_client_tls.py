"""The webhook client against servers with bad certificates, or without TLS."""

from __future__ import annotations

import socket
import time
from datetime import timedelta

import pytest

from notifier.http.client import WebhookClient
from tests.support.webhooks.certificates import DAY, Authority
from tests.support.webhooks.clients import (
    ANYWHERE,
    DEADLINE,
    ENDLESS,
    HERE,
    Serve,
    error_of,
    post,
    send_error,
)
from tests.support.webhooks.hostile import OK, Script, read_request


@pytest.mark.parametrize(
    ("shown", "valid_for", "trusted", "error"),
    [
        ("right.host", DAY, True, None),
        ("wrong.host", DAY, True, "tls"),
        ("right.host", -DAY, True, "tls"),
        ("right.host", DAY, False, "tls"),
    ],
    ids=["right", "another name", "expired", "not trusted"],
)
def test_untrusted_expired_or_other_certificate_is_a_tls_error(
    serve: Serve,
    authority: Authority,
    shown: str,
    valid_for: timedelta,
    trusted: bool,
    error: str | None,
) -> None:
    """The client sends nothing, and never falls back to plain text."""
    requests: list[bytes] = []

    def script(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    server = serve(script, authority.server(shown, valid_for=valid_for))
    client = WebhookClient(
        deadline=DEADLINE,
        rules=ANYWHERE,
        tls=authority.trusted() if trusted else None,
        resolve=lambda _: ["127.0.0.1"],
    )
    if error is None:
        assert post(client, server.url("right.host")).address == "127.0.0.1"
        assert b"host: right.host:" in requests[0].lower()
    else:
        assert error_of(client, server.url("right.host")) == error
        assert requests == []
    assert server.connections == 1


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 200 OK\r\n\r\n", b"", b"\x16\x03\x01nonsense"])
def test_server_without_tls_is_a_tls_error(
    client: WebhookClient, serve: Serve, greeting: bytes
) -> None:
    """The client never falls back to plain text."""

    def script(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(greeting)

    server = serve(script)
    assert error_of(client, server.url().replace("http:", "https:")) == "tls"
    assert server.connections == 1


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def record_by_bytes(connection: socket.socket) -> None:
    """Begin a TLS record of 16 kB and continue byte by byte."""
    connection.sendall(b"\x16\x03\x03\x40\x00\x02")
    for _ in range(ENDLESS):
        time.sleep(0.05)
        connection.sendall(b"\x00")


@pytest.mark.parametrize("script", [silent, record_by_bytes])
def test_endless_handshake_is_a_timeout(
    impatient: WebhookClient, serve: Serve, script: Script
) -> None:
    """The deadline covers all of it."""
    failure = send_error(impatient, serve(script).url().replace("http:", "https:"))
    assert (failure.error, failure.address) == ("timeout", HERE)
