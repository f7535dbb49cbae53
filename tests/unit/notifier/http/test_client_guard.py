"""No byte is sent to an address that is not public, by whatever URL or name."""

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
from tests.support.hostile_urls import HOSTILE, url_like

# As lenient as rules get that forbid private addresses: what is refused is so for its host.
LENIENT = CallbackRules(http=True, ports=frozenset(range(1, 65_536)))

TLS = ssl.create_default_context()  # one for all: it takes long to load
PUBLIC_4, PUBLIC_6 = "203.0.112.7", "2606:4700:4700::1111"

# As getaddrinfo reads them, most are addresses of this machine.
HOSTILE_HOSTS = [
    "127.1", "127.0.1", "0", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "127.000.000.001", "localhost", "LOCALHOST", "localhost.", "a.localhost", "10.1",
    "169.254.43518", "::1", "::",
    "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1", "fe80::1%lo", "127.0.0.1",
    "0.0.0.0", "169.254.169.254", "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "",
]  # fmt: skip


# (trick, what the name's look-up gives)
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
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Where sockets tried to connect to, on a machine where none can."""
    dialled: list[Any] = []

    def connect(_self: socket.socket, address: Any) -> None:
        dialled.append(address)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    return dialled


class FakeResolver:
    """Gives each look-up the next answer, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def guard(resolve: Callable[[str], list[str]], rules: CallbackRules = LENIENT) -> WebhookClient:
    """A sender as strict as its rules, with a resolver of its own."""
    return WebhookClient(deadline=5, rules=rules, resolve=resolve, tls=TLS)


def error_of(client: WebhookClient, url: str) -> str:
    with pytest.raises(SendError) as kept:
        client.post(url, {}, b"{}")
    return kept.value.error


@pytest.mark.parametrize(("trick", "url"), HOSTILE)
def test_a_hostile_url_is_refused_at_once(trick: str, url: str) -> None:
    """The client that gave it learns why."""
    with pytest.raises(CallbackUrlRefused):
        read_callback_url(url, LENIENT)


@pytest.mark.parametrize(("trick", "url"), HOSTILE)
def test_a_hostile_url_is_never_connected_to(dialled: list[Any], trick: str, url: str) -> None:
    """It is read again before each sending, and rejected before anything is looked up."""
    resolver = FakeResolver([PUBLIC_4])
    assert error_of(guard(resolver), url) == "rejected"
    assert (resolver.asked, dialled) == ([], [])


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_a_hostile_host_is_never_connected_to(dialled: list[Any], host: str) -> None:
    """Even if it came past the reader: the system's own resolver knows the odd forms."""
    backend = _GuardedBackend(time.monotonic() + 5, Resolver(), private=False)
    with pytest.raises(SendError) as kept:
        backend.connect_tcp(host, 80)
    assert kept.value.error in ("rejected", "dns")
    assert dialled == []


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
def test_a_public_url_is_taken(url: str) -> None:
    """Whether its name is at a public address shows when it is called."""
    read_callback_url(url, LENIENT)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("trick", "found"), HOSTILE_NAMES)
def test_a_name_with_any_private_address_is_rejected(
    dialled: list[Any], trick: str, found: list[str], scheme: str
) -> None:
    """One bad answer among good ones is enough: the next connection could take it."""
    client = guard(FakeResolver(found))
    with pytest.raises(SendError, match="an address that is no public address") as rejected:
        client.post(f"{scheme}://receiver.example/", {}, b"{}")
    assert (rejected.value.error, rejected.value.address) == ("rejected", None)
    assert dialled == []
    assert not any(address in str(rejected.value) for address in found if address)


def test_a_name_is_looked_up_once_and_the_address_seen_is_dialled(dialled: list[Any]) -> None:
    """A name that answers otherwise the second time (rebinding) is not asked a second time."""
    resolver = FakeResolver([PUBLIC_4], ["127.0.0.1"])
    with pytest.raises(SendError, match="connect") as kept:
        guard(resolver).post("http://receiver.example/", {}, b"{}")
    assert resolver.asked == ["receiver.example"]
    assert dialled == [(PUBLIC_4, 80)]
    assert kept.value.address == PUBLIC_4


def test_a_name_that_rebinds_between_webhooks_is_held_against_the_rules_each_time(
    dialled: list[Any],
) -> None:
    """Nothing of an earlier look-up is believed."""
    client = guard(FakeResolver([PUBLIC_4], ["127.0.0.1"]))
    errors = [error_of(client, "http://receiver.example/") for _ in range(2)]
    assert errors == ["connect", "rejected"]
    assert dialled == [(PUBLIC_4, 80)]


def test_all_that_is_dialled_was_seen(dialled: list[Any]) -> None:
    """Every address of the answer, and no other."""
    client = guard(FakeResolver([PUBLIC_6, PUBLIC_4, "1.1.1.1"]))
    assert error_of(client, "https://receiver.example:8443/") == "connect"
    assert [address[:2] for address in dialled] == [
        (PUBLIC_6, 8443), (PUBLIC_4, 8443), ("1.1.1.1", 8443),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url", ["http://receiver.example/", "https://receiver.example:22/", "https://10.0.0.1/"]
)
def test_rules_that_were_tightened_hold_for_urls_taken_before(dialled: list[Any], url: str) -> None:
    """The reason is told, and what to do."""
    read_callback_url(url, CallbackRules(private=True))
    with pytest.raises(
        SendError, match=r"with https://|port 22 is none of|no public address"
    ) as kept:
        guard(FakeResolver([PUBLIC_4]), CallbackRules()).post(url, {}, b"{}")
    assert kept.value.error == "rejected"
    assert dialled == []


def listener_at(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 0), family=family)
    listener.settimeout(0)
    return listener


def was_reached(listener: socket.socket) -> bool:
    """Whether somebody connected."""
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


def test_a_listener_on_this_machine_hears_nothing() -> None:
    """By no way of writing its address, nor by names that lead to it; and it could have."""
    free = WebhookClient(deadline=0.1, rules=CallbackRules(private=True))
    addresses = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
    for address in addresses:
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
    """A receiver that answers 200 to whatever it is sent."""

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
        # The stream of the guard writes to the socket itself.
        return self if info == "socket" else None

    def settimeout(self, timeout: float) -> None:
        pass

    def send(self, buffer: bytes) -> int:
        self.sent += buffer
        return len(buffer)


def is_address(host: str) -> bool:
    """As the standard library has it."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def read(text: str) -> CallbackUrl | str:
    """A URL's parts, or why it is refused."""
    try:
        return read_callback_url(text, LENIENT)
    except CallbackUrlRefused as refusal:
        return refusal.reason


@given(text=url_like())
@example("http://8.8.8.8:8080/a?b=c#d")
@example("https://[2606:4700:4700:0::1111]")
@example("https://Receiver.Example.:8443?a=b")
def test_what_is_read_is_what_is_sent_to(text: str) -> None:
    """Whatever the text: host and port are those that were checked, or nothing is connected to.

    The name is what is looked up, what TLS asks for and what the Host header says.
    """
    resolver = FakeResolver([PUBLIC_4])
    dialled: list[tuple[str, int]] = []
    stream = MemoryStream()

    def connect_tcp(_self: Any, host: str, port: int, *_: Any, **__: Any) -> MemoryStream:
        dialled.append((host, port))
        return stream

    url = read(text)
    with patch.object(httpcore.SyncBackend, "connect_tcp", connect_tcp):
        if isinstance(url, str):
            with pytest.raises(SendError) as kept:
                guard(resolver).post(text, {}, b"{}")
            assert str(kept.value) == f"rejected: {url}"
            assert (dialled, resolver.asked) == ([], [])
            return
        answer = guard(resolver).post(text, {}, b"{}")
        name = [] if is_address(url.host) else [url.host]
        address = PUBLIC_4 if name else url.host
    assert is_public(address)
    assert answer == Response(200, None, b"", address)
    assert dialled == [(address, url.port)]
    assert resolver.asked == name
    assert stream.name == (url.host if url.scheme == "https" else None)
    first, *lines = stream.sent.decode().split("\r\n")
    assert first == f"POST {url.target} HTTP/1.1"
    assert f"host: {url.authority}" in lines
