"""What a receiver may do to us, tried against real servers on loopback."""

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
DEADLINE = 0.5
LEEWAY = 0.2
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


def post(client: WebhookClient, url: str, body: bytes = b"{}") -> Response:
    """Send a POST; whatever comes of it, it does so within the deadline."""
    began = time.monotonic()
    try:
        return client.post(url, HEADERS, body)
    finally:
        assert time.monotonic() - began < DEADLINE + LEEWAY


def not_sent(client: WebhookClient, url: str, body: bytes = b"{}") -> SendError:
    with pytest.raises(SendError) as caught:
        post(client, url, body)
    assert str(caught.value).startswith(f"{caught.value.error}: ")
    return caught.value


def error_of(client: WebhookClient, url: str, body: bytes = b"{}") -> str:
    return not_sent(client, url, body).error


@contextmanager
def black_hole(address: str, port: int = 0) -> Iterator[int]:
    """Have an address of this machine take no connection, nor refuse one: its backlog is full."""
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


def test_a_post_arrives_whole(client: WebhookClient, serve: Serve) -> None:
    """Path, query, headers and body; it asks for no compression and no second use."""
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
def test_any_status_is_an_answer(client: WebhookClient, serve: Serve, status: int) -> None:
    """With its Retry-After as it came."""
    head = f"HTTP/1.1 {status} So\r\nretry-AFTER: 1e9 \r\nContent-Length: 0\r\n\r\n"
    server = serve(answering(head.encode()))
    assert post(client, server.url()) == Response(status, "1e9", b"", HERE)


def test_informational_answers_are_waited_out(client: WebhookClient, serve: Serve) -> None:
    """100 and 103 come before the answer."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    server = serve(answering(early, OK + b"Content-Length: 0\r\n\r\n"))
    assert post(client, server.url()).status == 200


def test_an_answer_before_the_request_is_read_is_an_answer(
    client: WebhookClient, serve: Serve
) -> None:
    """Servers that refuse a body don't read it."""

    def script(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.05)

    assert post(client, serve(script).url(), b"x" * 20_000).status == 413


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(client: WebhookClient, serve: Serve, status: int) -> None:
    """Not to a server that would answer 200."""
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
    ids=["hang", "header drip", "byte drip", "100 Continue for ever"],
)
def test_no_answer_in_time_is_a_timeout(
    client: WebhookClient, serve: Serve, script: Script
) -> None:
    """Though each single wait is short."""
    assert error_of(client, serve(script).url()) == "timeout"


@pytest.mark.parametrize(
    "head", [b"Content-Length: 1000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"]
)
def test_a_body_that_drips_ends_at_the_deadline(
    client: WebhookClient, serve: Serve, head: bytes
) -> None:
    """The status has come, and decides; the body is what came of it."""
    drop = b"1\r\nx\r\n" if b"chunked" in head else b"x"
    answer = post(client, serve(dripping(OK + head, repeat(drop, ENDLESS))).url())
    assert answer.status == 200
    assert 3 <= len(answer.body) <= DEADLINE / 0.05
    assert set(answer.body) == {ord("x")}


@pytest.mark.parametrize("sip", [1_000, 100_000, 1_000_000])
def test_a_receiver_that_reads_slowly_is_a_timeout(
    client: WebhookClient, serve: Serve, sip: int
) -> None:
    """However large the body: the deadline covers all of its sending, not each piece."""

    def script(connection: socket.socket) -> None:
        until = time.monotonic() + 2 * DEADLINE
        while time.monotonic() < until and connection.recv(sip):
            time.sleep(0.02)

    assert error_of(client, serve(script).url(), b"x" * 100_000_000) == "timeout"


def test_a_receiver_that_takes_no_connection_is_a_timeout(client: WebhookClient) -> None:
    """Its backlog is full."""
    with black_hole(HERE) as port:
        failure = not_sent(client, f"http://{HERE}:{port}/")
    assert (failure.error, failure.address) == ("timeout", HERE)


# Size


def peak_while(call: Callable[[], Any]) -> int:
    """The most memory that Python took during a call, in bytes."""
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
def test_of_a_huge_body_the_first_4_kb_are_read(
    client: WebhookClient, serve: Serve, head: bytes, chunk: bytes
) -> None:
    """It is an answer, at once, and takes next to no memory."""
    answers = []

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(OK + head)
        for _ in range(ENDLESS):
            connection.sendall(chunk)

    url = serve(script).url()
    assert peak_while(lambda: answers.append(post(client, url))) < 3_000_000
    assert answers == [Response(200, None, b"x" * MAX_RESPONSE_BYTES, HERE)]


def test_a_compressed_body_stays_compressed(client: WebhookClient, serve: Serve) -> None:
    """A bomb does not go off."""
    bomb = gzip.compress(bytes(30_000_000))
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    url = serve(answering(OK + head + bomb)).url()
    answers = []
    assert peak_while(lambda: answers.append(post(client, url))) < 3_000_000
    assert answers[0].body == bomb[:MAX_RESPONSE_BYTES]


@pytest.mark.parametrize(
    "head",
    [b"X-Big: " + b"x" * 10_000_000, b"X: y\r\n" * 2_000_000],
    ids=["one header", "many headers"],
)
def test_huge_headers_are_not_http(client: WebhookClient, serve: Serve, head: bytes) -> None:
    """They are given up on long before they end."""
    url = serve(answering(OK, head)).url()
    assert peak_while(lambda: error_of(client, url)) < 3_000_000
    assert error_of(client, url) == "protocol"


# Broken connections and nonsense


def test_a_reset_before_the_headers_is_no_answer(client: WebhookClient, serve: Serve) -> None:
    """It may have arrived all the same: that's why webhooks have ids."""
    assert error_of(client, serve(resetting(b"")).url()) == "connection"


@pytest.mark.parametrize("start", [b"", OK, OK + b"Content-Le"])
def test_an_end_before_the_headers_do_is_no_answer(
    client: WebhookClient, serve: Serve, start: bytes
) -> None:
    """The server hung up."""
    assert error_of(client, serve(answering(start)).url()) == "protocol"


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
def test_a_body_cut_short_is_an_answer(
    client: WebhookClient, serve: Serve, end: Callable[[bytes], Script], head: bytes
) -> None:
    """The status was there."""
    answer = post(client, serve(end(OK + head)).url())
    assert answer.status == 200


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
def test_what_is_not_http_is_a_protocol_error(
    client: WebhookClient, serve: Serve, nonsense: bytes
) -> None:
    """And nothing worse."""
    assert error_of(client, serve(answering(nonsense)).url()) == "protocol"


def test_a_switch_of_protocols_is_no_success(client: WebhookClient, serve: Serve) -> None:
    """Nobody asked for one."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxyz"
    try:
        assert post(client, serve(answering(head)).url()).status == 101
    except SendError as exc:
        assert exc.error == "protocol"  # noqa: PT017  # either will do


def test_nobody_listening_is_a_connect_error(client: WebhookClient) -> None:
    """The port was free a moment ago."""
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
def test_a_url_that_cannot_be_used_is_rejected(client: WebhookClient, url: str) -> None:
    """As createUpload would; trying it again would be for nothing."""
    assert error_of(client, url) == "rejected"


# Names


def client_at(*addresses: str) -> WebhookClient:
    """For a world where every name has these addresses."""
    return WebhookClient(deadline=DEADLINE, rules=ANYWHERE, resolve=lambda _: list(addresses))


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),  # NXDOMAIN
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),  # SERVFAIL
        UnicodeError("label too long"),
    ],
)
def test_a_host_that_cannot_be_looked_up_is_a_dns_error(error: Exception) -> None:
    """Whatever the reason."""

    def resolve(_: str) -> list[str]:
        raise error

    client = WebhookClient(deadline=DEADLINE, rules=ANYWHERE, resolve=resolve)
    assert error_of(client, "http://no.such.host/") == "dns"


def test_the_system_is_asked_for_addresses(
    client: WebhookClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each request; every address once."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int | None, *_: Any, **__: Any) -> Any:
        asked.append(host)
        known = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
        return [known, known] if host == "some.host" else real(host, port, *_, **__)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    assert post(client, server.url("some.host")).status == 200
    assert asked.count("some.host") == 1


def test_a_name_without_addresses_is_a_dns_error() -> None:
    """There is nowhere to connect to."""
    assert error_of(client_at(), "http://empty.host/") == "dns"


class Hanging:
    """Looks up names that start with `slow` for as long as the test lasts."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.end.wait(10)
        return ["127.0.0.1"]


@pytest.fixture
def resolver() -> Iterator[Hanging]:
    resolver = Hanging()
    yield resolver
    resolver.end.set()


def test_a_slow_look_up_ends_at_the_deadline(resolver: Hanging) -> None:
    """It can't be interrupted, only left behind."""
    client = WebhookClient(deadline=DEADLINE, rules=ANYWHERE, resolve=resolver)
    assert error_of(client, "http://slow.host/") == "dns"


def test_a_name_that_hangs_holds_one_look_up(serve: Serve, resolver: Hanging) -> None:
    """However many wait for it; other names are looked up all the while."""
    client = WebhookClient(deadline=DEADLINE, rules=ANYWHERE, resolve=resolver)
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(error_of, client, "http://slow.host/") for _ in range(50)]
        assert post(client, server.url("quick.host")).status == 200
        assert {each.result() for each in waiting} == {"dns"}
    assert resolver.asked.count("slow.host") == 1


def test_forty_names_that_hang_hold_up_no_other(serve: Serve, resolver: Hanging) -> None:
    """Neither while they are waited for nor once they are left behind."""
    client = WebhookClient(deadline=DEADLINE, rules=ANYWHERE, resolve=resolver)
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(error_of, client, f"http://slow{n}.host/") for n in range(40)]
        assert post(client, server.url("quick.host")).status == 200
        assert {each.result() for each in waiting} == {"dns"}
    assert post(client, server.url("quick.host")).status == 200


def test_names_that_hang_are_bounded_too(serve: Serve, resolver: Hanging) -> None:
    """Beyond so many a name waits for its turn, within the deadline, and has it once there is."""
    client = WebhookClient(deadline=DEADLINE, rules=ANYWHERE, resolve=resolver)
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    with ThreadPoolExecutor(MAX_LOOKUPS + 1) as pool:
        for n in range(MAX_LOOKUPS + 1):
            pool.submit(client.post, f"http://slow{n}.host/", {}, b"")
    assert len(resolver.asked) == MAX_LOOKUPS
    assert error_of(client, server.url("quick.host")) == "dns"
    resolver.end.set()
    assert post(client, server.url("quick.host")).status == 200


def test_a_thread_that_cannot_be_had_leaves_nothing_behind(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it, and it takes no room."""
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
def test_a_look_up_that_hangs_keeps_no_process_from_ending() -> None:
    """It was left behind, after all."""
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


def test_every_address_of_a_name_is_tried(serve: Serve) -> None:
    """In turn, after one look-up; the Host header stays the name."""
    hosts: list[bytes] = []

    def script(connection: socket.socket) -> None:
        hosts.append(read_request(connection))
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    server = serve(script)
    answer = post(client_at("127.0.0.9", "127.0.0.1"), server.url("some.host"))
    assert (answer.status, answer.address) == (200, "127.0.0.1")
    assert f"host: some.host:{server.port}\r\n".encode() in hosts[0].lower()


@pytest.mark.parametrize("silent", ["127.0.0.2", "::1"])
def test_an_address_that_swallows_packets_leaves_time_for_the_next(
    serve: Serve, silent: str
) -> None:
    """As an IPv6 address may where only IPv4 gets through."""
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    with black_hole(silent, server.port):
        answer = post(client_at(silent, HERE), server.url("some.host"))
    assert (answer.status, answer.address) == (200, HERE)


def test_addresses_that_swallow_packets_end_at_the_deadline_together() -> None:
    """The one dialled last is on record."""
    with black_hole("127.0.0.2") as port, black_hole("127.0.0.3", port):
        failure = not_sent(client_at("127.0.0.2", "127.0.0.3"), f"http://two.host:{port}/")
    assert (failure.error, failure.address) == ("timeout", "127.0.0.3")


def test_a_name_of_very_many_addresses_is_not_dialled_at_all_of_them() -> None:
    """One webhook is no scan of a network, and each dialled has time enough."""
    with socket.create_server((HERE, 0)) as listener:
        port = listener.getsockname()[1]
    many = client_at(*(f"127.0.0.{number}" for number in range(1, 100)))
    failure = not_sent(many, f"http://many.host:{port}/")
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
def test_families_of_addresses_take_turns(found: list[str], order: list[str]) -> None:
    """Many dead IPv6 addresses don't keep it from the first IPv4 one."""
    assert alternate_families(found) == order


def test_an_ipv6_address_stands_in_brackets_in_the_host_header(client: WebhookClient) -> None:
    """As RFC 9110, 7.2 has it."""
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


def test_what_failed_says_which_address_it_was() -> None:
    """The last one tried; none where there was nothing to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for client, address in ((client_at("127.0.0.1"), "127.0.0.1"), (client_at(), None)):
        with pytest.raises(SendError) as caught:
            post(client, f"http://some.host:{port}/")
        assert caught.value.address == address


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_ignored(
    client: WebhookClient, serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It would see, and could reach, what it should not."""
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
def test_the_certificate_must_be_trusted_and_of_that_name_and_time(
    serve: Serve,
    authority: Authority,
    shown: str,
    valid_for: timedelta,
    trusted: bool,
    error: str | None,
) -> None:
    """Else nothing is sent, and nothing is sent without TLS instead."""
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
def test_a_server_without_tls_is_a_tls_error(
    client: WebhookClient, serve: Serve, greeting: bytes
) -> None:
    """It is never tried in the clear."""

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
    """Begin a TLS record of 16 kB, and go on byte by byte."""
    connection.sendall(b"\x16\x03\x03\x40\x00\x02")
    for _ in range(ENDLESS):
        time.sleep(0.05)
        connection.sendall(b"\x00")


@pytest.mark.parametrize("script", [silent, record_by_bytes])
def test_a_handshake_without_an_end_is_a_timeout(
    client: WebhookClient, serve: Serve, script: Script
) -> None:
    """The deadline covers all of it."""
    failure = not_sent(client, serve(script).url().replace("http:", "https:"))
    assert (failure.error, failure.address) == ("timeout", HERE)


def test_several_threads_send_at_once(client: WebhookClient, serve: Serve) -> None:
    """One that hangs holds up no other."""
    slow, quick = serve(hanging), serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    held: list[str] = []
    thread = threading.Thread(target=lambda: held.append(error_of(client, slow.url())))
    thread.start()
    began = time.monotonic()
    assert [post(client, quick.url()).status for _ in range(5)] == [200] * 5
    assert time.monotonic() - began < DEADLINE
    thread.join()
    assert held == ["timeout"]
