"""The webhook client against hostile and broken servers on loopback."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import repeat
from typing import Any

import pytest

from core.domain.webhook_url import CallbackRules
from notifier.http.client import (
    MAX_ADDRESSES,
    MAX_RESPONSE_BYTES,
    Response,
    SendError,
    WebhookClient,
    alternate_families,
)
from notifier.http.resolver import MAX_LOOKUPS
from tests.support.certificates import DAY, Authority
from tests.support.hostile import (
    OK,
    HostileServer,
    Script,
    answering,
    dripping,
    hanging,
    read_request,
    resetting,
)

ANYWHERE = CallbackRules(private=True)
HERE = "127.0.0.1"
DEADLINE = 20.0  # of requests that succeed on a machine under load too
SHORT = 0.5  # of requests that must fail
BOTH = 2.0  # where one client has requests of both kinds
# For machines under load. The servers here go on for longer, or end with another error.
LEEWAY = 4.0
ENDLESS = 1_000_000
HEADERS = {"content-type": "application/json", "webhook-id": "msg_1"}

Serve = Callable[..., HostileServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[HostileServer] = []

    def start(script: Script, tls: ssl.SSLContext | None = None) -> HostileServer:
        servers.append(HostileServer(script, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def client() -> WebhookClient:
    return WebhookClient(deadline=DEADLINE, rules=ANYWHERE)


@pytest.fixture
def impatient() -> WebhookClient:
    return WebhookClient(deadline=SHORT, rules=ANYWHERE)


def post(client: WebhookClient, url: str, body: bytes = b"{}") -> Response:
    """Send a POST request and assert that it ends within the deadline."""
    started = time.monotonic()
    try:
        return client.post(url, HEADERS, body)
    finally:
        assert time.monotonic() - started < client._deadline + LEEWAY


def send_error(client: WebhookClient, url: str, body: bytes = b"{}") -> SendError:
    with pytest.raises(SendError) as caught:
        post(client, url, body)
    assert str(caught.value).startswith(f"{caught.value.error}: ")
    return caught.value


def error_of(client: WebhookClient, url: str, body: bytes = b"{}") -> str:
    return send_error(client, url, body).error


@contextmanager
def black_hole(address: str, port: int = 0) -> Iterator[int]:
    """Make a port of this machine drop connection attempts, by a full backlog."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    waiting: list[socket.socket] = []
    with socket.socket(family) as listener:
        try:
            listener.bind((address, port))
        except OSError:
            pytest.skip(f"there is no {address} here")
        listener.listen(0)
        for _ in range(4):
            waiting.append(socket.socket(family))
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for each in waiting:
                each.close()


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


# Names


def client_at(*addresses: str, deadline: float = DEADLINE) -> WebhookClient:
    """A client for which every name has these addresses."""
    return WebhookClient(deadline=deadline, rules=ANYWHERE, resolve=lambda _: list(addresses))


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),  # NXDOMAIN
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),  # SERVFAIL
        UnicodeError("label too long"),
    ],
)
def test_failed_lookup_is_a_dns_error(error: Exception) -> None:
    def resolve(_: str) -> list[str]:
        raise error

    client = WebhookClient(deadline=DEADLINE, rules=ANYWHERE, resolve=resolve)
    assert error_of(client, "http://no.such.host/") == "dns"


def test_system_resolver_is_called_once_per_request(
    client: WebhookClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that it returns twice is tried once."""
    hosts: list[str] = []

    def getaddrinfo(host: str, port: int | None, *_: Any, **__: Any) -> Any:
        hosts.append(host)
        known = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
        return [known, known] if host == "some.host" else real(host, port, *_, **__)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    assert post(client, server.url("some.host")).status == 200
    assert hosts.count("some.host") == 1


def test_name_without_addresses_is_a_dns_error() -> None:
    assert error_of(client_at(), "http://empty.host/") == "dns"


class HangingResolver:
    """Doesn't return for names that start with `slow` until the test ends."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.hosts: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.hosts.append(host)
        if host.startswith("slow"):
            self.end.wait(10)
        return ["127.0.0.1"]


@pytest.fixture
def resolver() -> Iterator[HangingResolver]:
    resolver = HangingResolver()
    yield resolver
    resolver.end.set()


def test_slow_lookup_ends_at_the_deadline(resolver: HangingResolver) -> None:
    """It is abandoned, because it can't be interrupted."""
    client = WebhookClient(deadline=SHORT, rules=ANYWHERE, resolve=resolver)
    assert error_of(client, "http://slow.host/") == "dns"


def test_requests_for_a_hanging_name_share_one_lookup(
    serve: Serve, resolver: HangingResolver
) -> None:
    """Lookups of other names proceed meanwhile."""
    client = WebhookClient(deadline=BOTH, rules=ANYWHERE, resolve=resolver)
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(error_of, client, "http://slow.host/") for _ in range(50)]
        assert post(client, server.url("quick.host")).status == 200
        assert {each.result() for each in waiting} == {"dns"}
    assert resolver.hosts.count("slow.host") == 1


def test_forty_hanging_lookups_delay_no_other(serve: Serve, resolver: HangingResolver) -> None:
    """Neither while requests wait for them nor after they are abandoned."""
    client = WebhookClient(deadline=BOTH, rules=ANYWHERE, resolve=resolver)
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(error_of, client, f"http://slow{n}.host/") for n in range(40)]
        assert post(client, server.url("quick.host")).status == 200
        assert {each.result() for each in waiting} == {"dns"}
    assert post(client, server.url("quick.host")).status == 200


def test_number_of_running_lookups_is_limited(serve: Serve, resolver: HangingResolver) -> None:
    """Another lookup waits within its deadline, and runs when there is room."""
    client = WebhookClient(deadline=BOTH, rules=ANYWHERE, resolve=resolver)
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    with ThreadPoolExecutor(MAX_LOOKUPS + 1) as pool:
        for n in range(MAX_LOOKUPS + 1):
            pool.submit(client.post, f"http://slow{n}.host/", {}, b"")
    assert len(resolver.hosts) == MAX_LOOKUPS
    assert error_of(client, server.url("quick.host")) == "dns"
    resolver.end.set()
    assert post(client, server.url("quick.host")).status == 200


def test_failed_thread_start_frees_its_lookup(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request waits for it, and it uses no room."""
    client = client_at(HERE)
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as out_of_threads:
        out_of_threads.setattr(threading.Thread, "start", fail)
        for _ in range(MAX_LOOKUPS + 1):
            with pytest.raises(RuntimeError):
                post(client, server.url("some.host"))
    assert post(client, server.url("some.host")).status == 200


@pytest.mark.slow
def test_hanging_lookup_does_not_keep_the_process_alive() -> None:
    code = """if True:
        import time
        from core.domain.webhook_url import CallbackRules
        from notifier.http.client import SendError, WebhookClient
        RULES = CallbackRules()
        try:
            client = WebhookClient(deadline=0.1, rules=RULES, resolve=lambda _: time.sleep(60))
            client.post(
                "https://slow.example/", {}, b"{}"
            )
        except SendError as exc:
            print(exc.error)
    """
    ended = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=20
    )
    assert ended.stdout == "dns\n"


def test_addresses_are_tried_in_order_after_one_lookup(serve: Serve) -> None:
    """The Host header holds the name."""
    hosts: list[bytes] = []

    def script(connection: socket.socket) -> None:
        hosts.append(read_request(connection))
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    server = serve(script)
    response = post(client_at("127.0.0.9", "127.0.0.1"), server.url("some.host"))
    assert (response.status, response.address) == (200, "127.0.0.1")
    assert f"host: some.host:{server.port}\r\n".encode() in hosts[0].lower()


@pytest.mark.parametrize("silent", ["127.0.0.2", "::1"])
def test_address_that_drops_packets_leaves_time_for_the_next(serve: Serve, silent: str) -> None:
    """For example an IPv6 address in an IPv4 network."""
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    with black_hole(silent, server.port):
        response = post(client_at(silent, HERE, deadline=BOTH), server.url("some.host"))
    assert (response.status, response.address) == (200, HERE)


def test_addresses_that_drop_packets_share_the_deadline() -> None:
    """The last one tried is reported."""
    with black_hole("127.0.0.2") as port, black_hole("127.0.0.3", port):
        failure = send_error(
            client_at("127.0.0.2", "127.0.0.3", deadline=SHORT), f"http://two.host:{port}/"
        )
    assert (failure.error, failure.address) == ("timeout", "127.0.0.3")


def test_only_the_first_addresses_of_a_name_are_tried() -> None:
    """So a webhook can't scan a network, and each address gets enough time."""
    with socket.create_server((HERE, 0)) as listener:
        port = listener.getsockname()[1]
    many = client_at(*(f"127.0.0.{number}" for number in range(1, 100)))
    failure = send_error(many, f"http://many.host:{port}/")
    assert (failure.error, failure.address) == ("connect", f"127.0.0.{MAX_ADDRESSES}")


@pytest.mark.parametrize(
    ("found", "order"),
    [
        ([], []),
        (["1.1.1.1"], ["1.1.1.1"]),
        (["::1", "::2", "::3", "1.1.1.1"], ["::1", "1.1.1.1", "::2", "::3"]),
        (["1.1.1.1", "1.1.1.2", "::1", "::2"], ["1.1.1.1", "::1", "1.1.1.2", "::2"]),
    ],
)
def test_address_families_alternate(found: list[str], order: list[str]) -> None:
    """Many dead IPv6 addresses don't delay the first IPv4 address."""
    assert alternate_families(found) == order


def test_ipv6_address_is_in_brackets_in_the_host_header(client: WebhookClient) -> None:
    """RFC 9110, 7.2."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    requests: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            requests.append(read_request(connection))
            connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    with listener:
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        assert post(client, f"http://[0:0::1]:{port}/").address == "::1"
        thread.join()
    assert f"\r\nhost: [::1]:{port}\r\n".encode() in requests[0]


def test_error_holds_the_last_address_tried() -> None:
    """Or none without an address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for client, address in ((client_at("127.0.0.1"), "127.0.0.1"), (client_at(), None)):
        with pytest.raises(SendError) as caught:
            post(client, f"http://some.host:{port}/")
        assert caught.value.address == address


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_proxy_of_the_environment_is_ignored(
    client: WebhookClient, serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A proxy would see the webhook and could reach private addresses."""
    proxy = serve(answering(b"HTTP/1.1 502 Proxy\r\nContent-Length: 0\r\n\r\n"))
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    monkeypatch.setenv(name, proxy.url())
    assert post(client, server.url()).status == 200
    assert proxy.connections == 0


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


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
