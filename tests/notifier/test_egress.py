"""What a receiver may do to us, tried against real servers on loopback."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from notifier.egress import MAX_ANSWER, Answer, Egress, NotSent
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
def egress() -> Iterator[Egress]:
    egress = Egress(deadline=DEADLINE, private=True)
    yield egress
    egress.close()


def post(egress: Egress, url: str, body: bytes = b"{}") -> Answer:
    """Send a POST; whatever comes of it, it does so within the deadline."""
    began = time.monotonic()
    try:
        return egress.post(url, HEADERS, body)
    finally:
        assert time.monotonic() - began < DEADLINE + LEEWAY


def error_of(egress: Egress, url: str, body: bytes = b"{}") -> str:
    with pytest.raises(NotSent) as caught:
        post(egress, url, body)
    assert str(caught.value).startswith(f"{caught.value.error}: ")
    return caught.value.error


def test_a_post_arrives_whole(egress: Egress, serve: Serve) -> None:
    """Path, query, headers and body; it asks for no compression and no second use."""
    requests: list[bytes] = []

    def script(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(OK + b"Content-Length: 4\r\n\r\nfine")

    server = serve(script)
    assert post(egress, server.url(), b'{"a":1}') == Answer(200, None, b"fine")
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
def test_any_status_is_an_answer(egress: Egress, serve: Serve, status: int) -> None:
    """With its Retry-After as it came."""
    head = f"HTTP/1.1 {status} So\r\nretry-AFTER: 1e9 \r\nContent-Length: 0\r\n\r\n"
    server = serve(answering(head.encode()))
    assert post(egress, server.url()) == Answer(status, "1e9", b"")


def test_informational_answers_are_waited_out(egress: Egress, serve: Serve) -> None:
    """100 and 103 come before the answer."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    server = serve(answering(early, OK + b"Content-Length: 0\r\n\r\n"))
    assert post(egress, server.url()).status == 200


def test_an_answer_before_the_request_is_read_is_an_answer(egress: Egress, serve: Serve) -> None:
    """Servers that refuse a body don't read it."""

    def script(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.05)

    assert post(egress, serve(script).url(), b"x" * 20_000).status == 413


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(egress: Egress, serve: Serve, status: int) -> None:
    """Not to a server that would answer 200."""
    target = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    moved = f"HTTP/1.1 {status} Moved\r\nLocation: {target.url()}\r\nContent-Length: 0\r\n\r\n"
    assert post(egress, serve(answering(moved.encode())).url()).status == status
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
def test_no_answer_in_time_is_a_timeout(egress: Egress, serve: Serve, script: Script) -> None:
    """Though each single wait is short."""
    assert error_of(egress, serve(script).url()) == "timeout"


@pytest.mark.parametrize(
    "head", [b"Content-Length: 1000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"]
)
def test_a_body_that_drips_ends_at_the_deadline(egress: Egress, serve: Serve, head: bytes) -> None:
    """The status has come, and decides; the body is what came of it."""
    drop = b"1\r\nx\r\n" if b"chunked" in head else b"x"
    answer = post(egress, serve(dripping(OK + head, repeat(drop, ENDLESS))).url())
    assert answer.status == 200
    assert 3 <= len(answer.body) <= DEADLINE / 0.05
    assert set(answer.body) == {ord("x")}


@pytest.mark.parametrize("sip", [1_000, 100_000, 1_000_000])
def test_a_receiver_that_reads_slowly_is_a_timeout(egress: Egress, serve: Serve, sip: int) -> None:
    """However large the body: the deadline covers all of its sending, not each piece."""

    def script(connection: socket.socket) -> None:
        until = time.monotonic() + 2 * DEADLINE
        while time.monotonic() < until and connection.recv(sip):
            time.sleep(0.02)

    assert error_of(egress, serve(script).url(), b"x" * 100_000_000) == "timeout"


def test_a_receiver_that_takes_no_connection_is_a_timeout(egress: Egress) -> None:
    """Its backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        try:
            assert error_of(egress, f"http://127.0.0.1:{listener.getsockname()[1]}/") == "timeout"
        finally:
            for each in waiting:
                each.close()


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
    egress: Egress, serve: Serve, head: bytes, chunk: bytes
) -> None:
    """It is an answer, at once, and takes next to no memory."""
    answers = []

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(OK + head)
        for _ in range(ENDLESS):
            connection.sendall(chunk)

    url = serve(script).url()
    assert peak_while(lambda: answers.append(post(egress, url))) < 3_000_000
    assert answers == [Answer(200, None, b"x" * MAX_ANSWER)]


def test_a_compressed_body_stays_compressed(egress: Egress, serve: Serve) -> None:
    """A bomb does not go off."""
    bomb = gzip.compress(bytes(30_000_000))
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    url = serve(answering(OK + head + bomb)).url()
    answers = []
    assert peak_while(lambda: answers.append(post(egress, url))) < 3_000_000
    assert answers[0].body == bomb[:MAX_ANSWER]


@pytest.mark.parametrize(
    "head",
    [b"X-Big: " + b"x" * 10_000_000, b"X: y\r\n" * 2_000_000],
    ids=["one header", "many headers"],
)
def test_huge_headers_are_not_http(egress: Egress, serve: Serve, head: bytes) -> None:
    """They are given up on long before they end."""
    url = serve(answering(OK, head)).url()
    assert peak_while(lambda: error_of(egress, url)) < 3_000_000
    assert error_of(egress, url) == "protocol"


# Broken connections and nonsense


def test_a_reset_before_the_headers_is_no_answer(egress: Egress, serve: Serve) -> None:
    """It may have arrived all the same: that's why webhooks have ids."""
    assert error_of(egress, serve(resetting(b"")).url()) == "connection"


@pytest.mark.parametrize("start", [b"", OK, OK + b"Content-Le"])
def test_an_end_before_the_headers_do_is_no_answer(
    egress: Egress, serve: Serve, start: bytes
) -> None:
    """The server hung up."""
    assert error_of(egress, serve(answering(start)).url()) == "protocol"


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
    egress: Egress, serve: Serve, end: Callable[[bytes], Script], head: bytes
) -> None:
    """The status was there."""
    answer = post(egress, serve(end(OK + head)).url())
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
    egress: Egress, serve: Serve, nonsense: bytes
) -> None:
    """And nothing worse."""
    assert error_of(egress, serve(answering(nonsense)).url()) == "protocol"


def test_a_switch_of_protocols_is_no_success(egress: Egress, serve: Serve) -> None:
    """Nobody asked for one."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxyz"
    try:
        assert post(egress, serve(answering(head)).url()).status == 101
    except NotSent as exc:
        assert exc.error == "protocol"  # noqa: PT017  # either will do


def test_nobody_listening_is_a_connect_error(egress: Egress) -> None:
    """The port was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert error_of(egress, f"http://127.0.0.1:{port}/") == "connect"


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
def test_a_url_that_cannot_be_used_is_a_protocol_error(egress: Egress, url: str) -> None:
    """It uses up its attempts like any other, and stops nothing else."""
    assert error_of(egress, url) == "protocol"


# Names


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses that names have; every other name is unknown."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host.startswith("127."):
            return real(host, port, *args, **kwargs)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")]
)
def test_an_unknown_host_is_a_dns_error(
    egress: Egress, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """So is one that can't be a name."""

    def getaddrinfo(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert error_of(egress, "http://no.such.host/") == "dns"


def test_a_slow_look_up_ends_at_the_deadline(
    egress: Egress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can't be interrupted, only left behind."""
    answered = threading.Event()

    def getaddrinfo(*_: Any, **__: Any) -> Any:
        answered.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        assert error_of(egress, "http://slow.host/") == "dns"
    finally:
        answered.set()


def test_a_name_without_addresses_is_a_connect_error(
    egress: Egress, names: dict[str, list[str]]
) -> None:
    """There is nowhere to connect to."""
    names["empty.host"] = []
    assert error_of(egress, "http://empty.host/") == "connect"


def test_every_address_of_a_name_is_tried(
    egress: Egress, serve: Serve, names: dict[str, list[str]]
) -> None:
    """In turn, after one look-up; the Host header stays the name."""
    hosts: list[bytes] = []

    def script(connection: socket.socket) -> None:
        hosts.append(read_request(connection))
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    server = serve(script)
    names["some.host"] = ["127.0.0.9", "127.0.0.1"]
    assert post(egress, server.url("some.host")).status == 200
    assert b"some.host:" in hosts[0]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_ignored(
    egress: Egress, serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It would see, and could reach, what it should not."""
    proxy = serve(answering(b"HTTP/1.1 502 Proxy\r\nContent-Length: 0\r\n\r\n"))
    server = serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    monkeypatch.setenv(name, proxy.url())
    assert post(egress, server.url()).status == 200
    assert proxy.connections == 0


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a self-signed certificate for right.host, and another for wrong.host."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make certificates")
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("right", "wrong"):
        subprocess.run(
            [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", f"/CN={name}.host",
             "-addext", f"subjectAltName=DNS:{name}.host",
             "-keyout", f"{name}.key", "-out", f"{name}.pem"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
    return folder


def tls_server(folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


@pytest.mark.parametrize(
    ("trusted", "shown", "error"),
    [("right", "right", None), ("wrong", "wrong", "tls"), (None, "right", "tls")],
    ids=["trusted", "another name", "not trusted"],
)
def test_the_certificate_must_be_trusted_and_of_that_name(
    serve: Serve,
    certificates: Path,
    names: dict[str, list[str]],
    trusted: str | None,
    shown: str,
    error: str | None,
) -> None:
    """Else nothing is sent, and nothing is sent without TLS instead."""
    requests: list[bytes] = []

    def script(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    server = serve(script, tls_server(certificates, shown))
    names["right.host"] = ["127.0.0.1"]
    own = ssl.create_default_context(cafile=certificates / f"{trusted}.pem") if trusted else None
    egress = Egress(deadline=DEADLINE, private=True, tls=own)
    if error is None:
        assert post(egress, server.url("right.host")).status == 200
    else:
        assert error_of(egress, server.url("right.host")) == error
        assert requests == []
    assert server.connections == 1
    egress.close()


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 200 OK\r\n\r\n", b"", b"\x16\x03\x01nonsense"])
def test_a_server_without_tls_is_a_tls_error(egress: Egress, serve: Serve, greeting: bytes) -> None:
    """It is never tried in the clear."""

    def script(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(greeting)

    server = serve(script)
    assert error_of(egress, server.url().replace("http:", "https:")) == "tls"
    assert server.connections == 1


def test_a_handshake_that_hangs_is_a_timeout(egress: Egress, serve: Serve) -> None:
    """The deadline covers it."""

    def script(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    assert error_of(egress, serve(script).url().replace("http:", "https:")) == "timeout"


def test_several_threads_send_at_once(egress: Egress, serve: Serve) -> None:
    """One that hangs holds up no other."""
    slow, quick = serve(hanging), serve(answering(OK + b"Content-Length: 0\r\n\r\n"))
    held: list[str] = []
    thread = threading.Thread(target=lambda: held.append(error_of(egress, slow.url())))
    thread.start()
    began = time.monotonic()
    assert [post(egress, quick.url()).status for _ in range(5)] == [200] * 5
    assert time.monotonic() - began < DEADLINE
    thread.join()
    assert held == ["timeout"]
