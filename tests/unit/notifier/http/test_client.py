"""The webhook client against hostile and broken servers on loopback."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest

from notifier.http.client import MAX_RESPONSE_BYTES, Response, SendError, WebhookClient
from tests.support.webhooks.certificates import Authority
from tests.support.webhooks.clients import (
    ANYWHERE,
    BOTH,
    DEADLINE,
    ENDLESS,
    HEADERS,
    HERE,
    SHORT,
    Serve,
    black_hole,
    error_of,
    post,
    send_error,
)
from tests.support.webhooks.hostile import (
    OK,
    Script,
    answering,
    dripping,
    hanging,
    read_request,
    resetting,
)


def test_post_sends_path_query_headers_and_body(client: WebhookClient, serve: Serve) -> None:
    """It asks for no compression and no keep-alive."""
    requests: list[bytes] = []

    def script(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(OK + b"Content-Length: 4\r\n\r\nfine")

    server = serve(script)
    assert post(client, server.url(), b'{"a":1}') == Response(200, None, b"fine", HERE)
    head, _, body = requests[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /hook?a=b HTTP/1.1"
    assert body == b'{"a":1}'
    assert dict(line.lower().split(": ", 1) for line in headers) == {
        **HEADERS,
        "host": f"127.0.0.1:{server.port}",
        "accept-encoding": "identity",
        "connection": "close",
        "content-length": "7",
    }


@pytest.mark.parametrize("status", [200, 204, 299, 301, 304, 400, 404, 410, 429, 500, 503, 599])
def test_any_status_is_returned_with_its_retry_after(
    client: WebhookClient, serve: Serve, status: int
) -> None:
    """The header's value is unchanged."""
    head = f"HTTP/1.1 {status} So\r\nretry-AFTER: 1e9 \r\nContent-Length: 0\r\n\r\n"
    server = serve(answering(head.encode()))
    assert post(client, server.url()) == Response(status, "1e9", b"", HERE)


def test_informational_responses_are_skipped(client: WebhookClient, serve: Serve) -> None:
    """100 and 103 come before the final response."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    server = serve(answering(early, OK + b"Content-Length: 0\r\n\r\n"))
    assert post(client, server.url()).status == 200


def test_response_before_the_end_of_the_request_is_returned(
    client: WebhookClient, serve: Serve
) -> None:
    """Servers that refuse a body don't read it."""

    def script(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.05)

    assert post(client, serve(script).url(), b"x" * 20_000).status == 413


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(client: WebhookClient, serve: Serve, status: int) -> None:
    target = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    moved = f"HTTP/1.1 {status} Moved\r\nLocation: {target.url()}\r\nContent-Length: 0\r\n\r\n"
    assert post(client, serve(answering(moved.encode())).url()).status == status
    assert target.connections == 0


# Time


def header_drip() -> Iterator[bytes]:
    return (b"X-%d: y\r\n" % n for n in range(ENDLESS))


@pytest.mark.parametrize(
    "script",
    [
        hanging,
        dripping(OK, header_drip()),
        dripping(b"", (bytes([byte]) for byte in OK * 100)),
        dripping(b"", repeat(b"HTTP/1.1 100 Continue\r\n\r\n", ENDLESS)),
    ],
    ids=["hang", "header drip", "byte drip", "endless 100 Continue"],
)
def test_response_after_the_deadline_is_a_timeout(
    impatient: WebhookClient, serve: Serve, script: Script
) -> None:
    """Even if every single wait is short."""
    assert error_of(impatient, serve(script).url()) == "timeout"


@pytest.mark.parametrize(
    "head", [b"Content-Length: 1000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"]
)
def test_slow_body_ends_at_the_deadline_as_a_success(
    impatient: WebhookClient, serve: Serve, head: bytes
) -> None:
    """The status decides, and the body is what was received by then."""
    drop = b"1\r\nx\r\n" if b"chunked" in head else b"x"
    response = post(impatient, serve(dripping(OK + head, repeat(drop, ENDLESS))).url())
    assert response.status == 200
    assert 1 <= len(response.body) <= SHORT / 0.05
    assert set(response.body) == {ord("x")}


@pytest.mark.parametrize("size", [1_000, 100_000, 1_000_000])
def test_slow_reader_is_a_timeout(impatient: WebhookClient, serve: Serve, size: int) -> None:
    """The deadline covers sending the whole body, not each piece."""

    def script(connection: socket.socket) -> None:
        until = time.monotonic() + BOTH
        while time.monotonic() < until and connection.recv(size):
            time.sleep(0.02)

    assert error_of(impatient, serve(script).url(), b"x" * 100_000_000) == "timeout"


def test_receiver_with_a_full_backlog_is_a_timeout(impatient: WebhookClient) -> None:
    with black_hole(HERE) as port:
        failure = send_error(impatient, f"http://{HERE}:{port}/")
    assert (failure.error, failure.address) == ("timeout", HERE)


# Size


def peak_memory(call: Callable[[], Any]) -> int:
    """The most memory that Python allocated during a call, in bytes."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("head", "chunk"),
    [
        (b"Content-Length: 999999999\r\n\r\n", b"x" * 65536),
        (b"\r\n", b"x" * 65536),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"3B9AC9FF\r\n" + b"x" * 65536),
    ],
    ids=["length", "no length", "chunks", "one huge chunk"],
)
def test_only_the_first_4_kb_of_a_huge_body_are_read(
    client: WebhookClient, serve: Serve, head: bytes, chunk: bytes
) -> None:
    """The client returns at once and uses little memory."""
    responses = []

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(OK + head)
        for _ in range(ENDLESS):
            connection.sendall(chunk)

    url = serve(script).url()
    assert peak_memory(lambda: responses.append(post(client, url))) < 3_000_000
    assert responses == [Response(200, None, b"x" * MAX_RESPONSE_BYTES, HERE)]


def test_compressed_body_is_not_decompressed(client: WebhookClient, serve: Serve) -> None:
    """A gzip bomb has no effect."""
    bomb = gzip.compress(bytes(30_000_000))
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    url = serve(answering(OK + head + bomb)).url()
    responses = []
    assert peak_memory(lambda: responses.append(post(client, url))) < 3_000_000
    assert responses[0].body == bomb[:MAX_RESPONSE_BYTES]


@pytest.mark.parametrize(
    "head",
    [b"X-Big: " + b"x" * 10_000_000, b"X: y\r\n" * 2_000_000],
    ids=["one header", "many headers"],
)
def test_huge_headers_are_a_protocol_error(
    client: WebhookClient, serve: Serve, head: bytes
) -> None:
    """The client stops long before their end."""
    url = serve(answering(OK, head)).url()
    assert peak_memory(lambda: error_of(client, url)) < 3_000_000
    assert error_of(client, url) == "protocol"


# Broken connections and invalid HTTP


def test_reset_before_the_headers_is_a_connection_error(
    client: WebhookClient, serve: Serve
) -> None:
    """The receiver may have handled the webhook; the webhook-id lets it detect the retry."""
    assert error_of(client, serve(resetting(b"")).url()) == "connection"


@pytest.mark.parametrize("start", [b"", b"HT", b"HTTP/1.1 2", OK, OK + b"Content-Le"])
def test_close_before_the_headers_end_is_a_connection_error(
    client: WebhookClient, serve: Serve, start: bytes
) -> None:
    """Like a reset: the receiver stopped, or a proxy gave up."""
    error = send_error(client, serve(answering(start)).url())
    assert error.error == "connection"
    assert "closed the connection before the response" in str(error)


def test_close_without_a_byte_over_tls_is_a_connection_error(
    serve: Serve, authority: Authority
) -> None:
    server = serve(answering(b""), authority.server("127.0.0.1"))
    client = WebhookClient(deadline=DEADLINE, rules=ANYWHERE, tls=authority.trusted())
    assert error_of(client, server.url()) == "connection"


def test_body_that_ends_with_the_connection_is_whole(client: WebhookClient, serve: Serve) -> None:
    """RFC 9112, 6.3."""
    assert post(client, serve(answering(OK + b"\r\nfine")).url()).body == b"fine"


@pytest.mark.parametrize(
    ("end", "head"),
    [
        (resetting, b"Content-Length: 100\r\n\r\n"),
        (answering, b"Content-Length: 100\r\n\r\n"),
        (answering, b"Transfer-Encoding: chunked\r\n\r\n64\r\n"),
        (answering, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        (answering, b"Transfer-Encoding: chunked\r\n\r\n5\r\npart"),
    ],
)
def test_truncated_body_is_a_response(
    client: WebhookClient, serve: Serve, end: Callable[[bytes], Script], head: bytes
) -> None:
    """The status was received."""
    response = post(client, serve(end(OK + head)).url())
    assert response.status == 200


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"\x00" * 200,
    ],
)
def test_invalid_http_is_a_protocol_error(
    client: WebhookClient, serve: Serve, nonsense: bytes
) -> None:
    assert error_of(client, serve(answering(nonsense)).url()) == "protocol"


def test_protocol_switch_is_no_success(client: WebhookClient, serve: Serve) -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxyz"
    try:
        assert post(client, serve(answering(head)).url()).status == 101
    except SendError as exc:
        assert exc.error == "protocol"  # noqa: PT017  # either will do


def test_closed_port_is_a_connect_error(client: WebhookClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert error_of(client, f"http://127.0.0.1:{port}/") == "connect"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "nonsense",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:port/",
        "http://[::1/",
        "http://é/",
    ],
)
def test_invalid_url_is_rejected(client: WebhookClient, url: str) -> None:
    """The mutation createUpload refuses it too. A retry would not help."""
    assert error_of(client, url) == "rejected"


def test_hanging_request_does_not_block_other_threads(client: WebhookClient, serve: Serve) -> None:
    release = threading.Event()

    def script(connection: socket.socket) -> None:
        read_request(connection)
        release.wait(DEADLINE)
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    slow, quick = serve(script), serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(post(client, slow.url()).status))
    thread.start()
    assert [post(client, quick.url()).status for _ in range(5)] == [200] * 5
    assert statuses == []
    release.set()
    thread.join()
    assert statuses == [200]
