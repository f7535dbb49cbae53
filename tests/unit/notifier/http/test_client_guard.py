"""No byte is sent to an address that is not public, whatever the URL or name."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from unittest.mock import patch

import httpcore
import pytest
from hypothesis import example, given

from core.domain.errors import CallbackUrlRefused
from core.domain.ip_addresses import is_public
from core.domain.webhook_url import CallbackRules, CallbackUrl, read_callback_url
from notifier.http.client import Response, SendError, WebhookClient, _GuardedBackend
from notifier.http.resolver import Resolver
from tests.support.webhooks.hostile_urls import HOSTILE, url_like

# The most lenient rules that forbid private addresses, so a refusal is due to the host.
LENIENT = CallbackRules(http=True, ports=frozenset(range(1, 65_536)))

TLS = ssl.create_default_context()  # shared, because it loads slowly
PUBLIC_4, PUBLIC_6 = "203.0.112.7", "2606:4700:4700::1111"

# getaddrinfo reads most of these as addresses of this machine.
HOSTILE_HOSTS = [
    "127.1", "127.0.1", "0", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "127.000.000.001", "localhost", "LOCALHOST", "localhost.", "a.localhost", "10.1",
    "169.254.43518", "::1", "::",
    "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1", "fe80::1%lo", "127.0.0.1",
    "0.0.0.0", "169.254.169.254", "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "",
]  # fmt: skip


# (trick, result of the lookup)
HOSTILE_NAMES = [
    ("loopback", ["127.0.0.1"]),
    ("IPv6 loopback", ["::1"]),
    ("metadata service", ["169.254.169.254"]),
    ("unspecified", ["0.0.0.0"]),
    ("private after public", [PUBLIC_4, "127.0.0.1"]),
    ("private before public", ["10.0.0.1", PUBLIC_4]),
    ("private among many", [*(f"203.0.112.{n}" for n in range(20)), "192.168.0.1"]),
    ("private AAAA, public A", ["fd00::1", PUBLIC_4]),
    ("public AAAA, private A", [PUBLIC_6, "10.0.0.1"]),
    ("link-local with a zone", [PUBLIC_6, "fe80::1%eth0"]),
    ("IPv4-mapped", ["::ffff:10.0.0.1"]),
    ("NAT64", ["64:ff9b::a9fe:a9fe", PUBLIC_4]),
    ("6to4", ["2002:7f00:1::"]),
    ("Teredo", ["2001:0:4136:e378:8000:63bf:80ff:fffe"]),
    ("shared address space", ["100.64.0.1"]),
    ("no address at all", ["nonsense"]),
    ("an empty one", [""]),
]


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The addresses that sockets tried to connect to. Every connection is refused."""
    addresses: list[Any] = []

    def connect(_self: socket.socket, address: Any) -> None:
        addresses.append(address)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    return addresses


class FakeResolver:
    """Returns the next of its results at each lookup, and repeats the last one."""

    def __init__(self, *responses: list[str]) -> None:
        self.hosts: list[str] = []
        self._responses = list(responses)

    def __call__(self, name: str) -> list[str]:
        self.hosts.append(name)
        return self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]


def guard(resolve: Callable[[str], list[str]], rules: CallbackRules = LENIENT) -> WebhookClient:
    """A client with these rules and this resolver."""
    return WebhookClient(deadline=5, rules=rules, resolve=resolve, tls=TLS)


def error_of(client: WebhookClient, url: str) -> str:
    with pytest.raises(SendError) as caught:
        client.post(url, {}, b"{}")
    return caught.value.error


@pytest.mark.parametrize(("trick", "url"), HOSTILE)
def test_hostile_url_is_refused_when_parsed(trick: str, url: str) -> None:
    """So createUpload returns the reason."""
    with pytest.raises(CallbackUrlRefused):
        read_callback_url(url, LENIENT)


@pytest.mark.parametrize(("trick", "url"), HOSTILE)
def test_hostile_url_is_never_connected_to(addresses: list[Any], trick: str, url: str) -> None:
    """The client parses it again before sending, and rejects it before any lookup."""
    resolver = FakeResolver([PUBLIC_4])
    assert error_of(guard(resolver), url) == "rejected"
    assert (resolver.hosts, addresses) == ([], [])


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_hostile_host_is_never_connected_to(addresses: list[Any], host: str) -> None:
    """This holds even if the parser accepted it: the system's resolver reads unusual forms."""
    backend = _GuardedBackend(time.monotonic() + 5, Resolver(), private=False)
    with pytest.raises(SendError) as caught:
        backend.connect_tcp(host, 80)
    assert caught.value.error in ("rejected", "dns")
    assert addresses == []


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://example.com:8443/hook?key=1",
        "http://1.1.1.1/",
        "https://[2606:4700:4700::1111]/",
        "https://xn--bcher-kva.example/",
        "https://1password.example/",
        "https://a_b.example./",
    ],
)
def test_public_url_is_accepted(url: str) -> None:
    """The addresses of its name are checked before each connection."""
    read_callback_url(url, LENIENT)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("trick", "found"), HOSTILE_NAMES)
def test_name_with_any_private_address_is_rejected(
    addresses: list[Any], trick: str, found: list[str], scheme: str
) -> None:
    """One private address is enough, because a later connection might use it."""
    client = guard(FakeResolver(found))
    with pytest.raises(SendError, match="an address that is not public") as rejected:
        client.post(f"{scheme}://receiver.example/", {}, b"{}")
    assert (rejected.value.error, rejected.value.address) == ("rejected", None)
    assert addresses == []
    assert not any(address in str(rejected.value) for address in found if address)


def test_checked_address_is_connected_to_after_one_lookup(addresses: list[Any]) -> None:
    """So a name can't return another address after the check (DNS rebinding)."""
    resolver = FakeResolver([PUBLIC_4], ["127.0.0.1"])
    with pytest.raises(SendError, match="connect") as caught:
        guard(resolver).post("http://receiver.example/", {}, b"{}")
    assert resolver.hosts == ["receiver.example"]
    assert addresses == [(PUBLIC_4, 80)]
    assert caught.value.address == PUBLIC_4


def test_addresses_are_checked_for_every_request(
    addresses: list[Any],
) -> None:
    """A result of an earlier lookup is not reused."""
    client = guard(FakeResolver([PUBLIC_4], ["127.0.0.1"]))
    errors = [error_of(client, "http://receiver.example/") for _ in range(2)]
    assert errors == ["connect", "rejected"]
    assert addresses == [(PUBLIC_4, 80)]


def test_only_looked_up_addresses_are_tried(addresses: list[Any]) -> None:
    """All of them, and no other."""
    client = guard(FakeResolver([PUBLIC_6, PUBLIC_4, "1.1.1.1"]))
    assert error_of(client, "https://receiver.example:8443/") == "connect"
    assert [address[:2] for address in addresses] == [
        (PUBLIC_6, 8443), (PUBLIC_4, 8443), ("1.1.1.1", 8443),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url", ["http://receiver.example/", "https://receiver.example:22/", "https://10.0.0.1/"]
)
def test_stricter_rules_apply_to_urls_accepted_before(addresses: list[Any], url: str) -> None:
    """The error tells the reason and what to do."""
    read_callback_url(url, CallbackRules(private=True))
    with pytest.raises(
        SendError, match=r"with https://|port 22 is not one of|not a public address"
    ) as caught:
        guard(FakeResolver([PUBLIC_4]), CallbackRules()).post(url, {}, b"{}")
    assert caught.value.error == "rejected"
    assert addresses == []


def listener_at(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 0), family=family)
    listener.settimeout(0)
    return listener


def was_reached(listener: socket.socket) -> bool:
    """Whether a client connected."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


FORMS = [
    *("127.0.0.1", "127.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1"),
    *("017700000001", "127.000.000.001", "127.0.0.1.", "localhost", "a.localhost", "LOCALHOST."),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::1%25lo]"),
    *("[::127.0.0.1]", "[64:ff9b::7f00:1]", "user@127.0.0.1", "example.com@127.0.0.1", "127%2e1"),
    *("%6cocalhost", "127\u30020\u30020\u30021", "\uff11\uff12\uff17.0.0.1", "l\u043ecalhost"),
    *("example.com\\@127.0.0.1", "127.0.0.1 ", "\t127.0.0.1", "127.0.0.1\r\n", "receiver.example"),
]


def test_no_form_of_url_reaches_a_loopback_listener() -> None:
    """A client that allows private addresses reaches it."""
    free = WebhookClient(deadline=0.1, rules=CallbackRules(private=True))
    loopback = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
    for address in loopback:
        guarded = guard(FakeResolver([address]))
        with listener_at(address) as listener:
            port = listener.getsockname()[1]
            for form in FORMS:
                for scheme in ("http", "https"):
                    assert error_of(guarded, f"{scheme}://{form}:{port}/") == "rejected"
            assert not was_reached(listener)
            host = f"[{address}]" if ":" in address else address
            assert error_of(free, f"http://{host}:{port}/") == "timeout"
            assert was_reached(listener)


class MemoryStream(httpcore.NetworkStream):
    """A receiver that responses every request with 200."""

    def __init__(self) -> None:
        self.sent = b""
        self.name: str | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.sent += buffer

    def close(self) -> None:
        pass

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self.name = server_hostname
        return self

    def get_extra_info(self, info: str) -> Any:
        # The guarded stream writes to the socket itself.
        return self if info == "socket" else None

    def settimeout(self, timeout: float) -> None:
        pass

    def send(self, buffer: bytes) -> int:
        self.sent += buffer
        return len(buffer)


def is_address(host: str) -> bool:
    """Whether the standard library reads it as an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def read(text: str) -> CallbackUrl | str:
    """A URL's parts, or the reason for its refusal."""
    try:
        return read_callback_url(text, LENIENT)
    except CallbackUrlRefused as refusal:
        return refusal.reason


@given(text=url_like())
@example("http://8.8.8.8:8080/a?b=c#d")
@example("https://[2606:4700:4700:0::1111]")
@example("https://Receiver.Example.:8443?a=b")
def test_any_text_is_sent_to_the_checked_host_or_not_at_all(text: str) -> None:
    """Lookup, TLS and Host header all use the checked name."""
    resolver = FakeResolver([PUBLIC_4])
    addresses: list[tuple[str, int]] = []
    stream = MemoryStream()

    def connect_tcp(_self: Any, host: str, port: int, *_: Any, **__: Any) -> MemoryStream:
        addresses.append((host, port))
        return stream

    url = read(text)
    with patch.object(httpcore.SyncBackend, "connect_tcp", connect_tcp):
        if isinstance(url, str):
            with pytest.raises(SendError) as caught:
                guard(resolver).post(text, {}, b"{}")
            assert str(caught.value) == f"rejected: {url}"
            assert (addresses, resolver.hosts) == ([], [])
            return
        response = guard(resolver).post(text, {}, b"{}")
        name = [] if is_address(url.host) else [url.host]
        address = PUBLIC_4 if name else url.host
    assert is_public(address)
    assert response == Response(200, None, b"", address)
    assert addresses == [(address, url.port)]
    assert resolver.hosts == name
    assert stream.name == (url.host if url.scheme == "https" else None)
    first, *lines = stream.sent.decode().split("\r\n")
    assert first == f"POST {url.target} HTTP/1.1"
    assert f"host: {url.authority}" in lines
