"""Lookups of names, and the addresses that they give."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from notifier.http.client import MAX_ADDRESSES, SendError, WebhookClient, alternate_families
from notifier.http.resolver import MAX_LOOKUPS
from tests.support.webhooks.clients import (
    ANYWHERE,
    BOTH,
    DEADLINE,
    HERE,
    SHORT,
    Serve,
    black_hole,
    error_of,
    post,
    send_error,
)
from tests.support.webhooks.hostile import OK, answering, read_request


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
