"""No byte is sent to an address that is not public, by whatever URL or name."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from catalogue.callback_url import CallbackRules, read_callback_url
from catalogue.errors import CallbackUrlRefused
from notifier.egress import Egress, NotSent, _GuardedBackend

# As lenient as rules get that forbid private addresses: what is refused is so for its host.
LENIENT = CallbackRules(http=True, ports=frozenset(range(1, 65_536)))

# Each names this machine, a private network or a metadata service in some way.
HOSTILE = [
    "http://127.0.0.1/",
    "http://127.0.0.1:8000/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0x7F.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://127.000.000.001/",
    "http://10.0.0.1/",
    "http://10.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://192.168.257/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://169.254.43518/",
    "http://168.63.129.16/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://a.localhost/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]/",
    "http://[fe80::1%lo]/",
    "http://[ff02::1]/",
    "http://[v1.127.0.0.1]/",
    "http://user@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "http://127.0.0.1?@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://127.0.0.1\\.example.com/",
    "http://127%2e0%2e0%2e1/",
    "http://%31%32%37.0.0.1/",
    "http://\u2460\u2461\u2466.0.0.1/",
    "http://127\u30020\u30020\u30021/",
    "http://127\uff0e0\uff0e0\uff0e1/",
    "http://l\u00f6calhost/",
    "http://loc\tal\nhost/",
    "http://127.0.0.1\r\nHost: example.com/",
    "http:///127.0.0.1/",
    "http:127.0.0.1/",
    "//127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "ftp://127.0.0.1/",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "http://metadata/computeMetadata/v1/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://instance-data.ec2.internal/",
    "http://printer.local/",
    "http://router.home.arpa/",
    "http://intranet/",
    "http://db.corp/",
    "http://hidden.onion/",
    "http://1.1.1.1.1/",
    "http://1.2.3/",
    "http://0x/",
    "http://example.com.0x7f000001/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[100::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[::1/",
    "http://[[::1]]/",
    "http://[::1]a/",
    "http://[::1].example.com/",
    "http://example.com:0/",
    "http://example.com:/",
    "http://example.com:080/",
    "http://example.com:65536/",
    "http://example.com:-1/",
    "http://example.com:8_0/",
    "http://example.com:80:80/",
    "http://example.com:80@127.0.0.1/",
    "http://:80/",
    "http://.example.com/",
    "http://example..com/",
    "http://example.com../",
    "http://-example.com/",
    "http://exa_mple-.com/",
    "http://" + "a" * 64 + ".com/",
    "http://" + "a." * 126 + "com/",
    "http://exam%70le.com/",
    "http://example.com%00.evil.example/",
    "http://\u0131p6-localhost/",
    "http://loca\u00adlhost/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://127.0.0.1\u2024/",
    "http:\\\\127.0.0.1\\",
    "http:/\\127.0.0.1/",
    "http:////127.0.0.1/",
    "http://\t127.0.0.1/",
    " http://example.com/",
    "http://example.com/ HTTP/1.1",
    "http://example.com/\x00",
    "http://example.com/\r\nX-Injected: 1",
    "\ufeffhttp://example.com/",
    "javascript:alert(1)",
    "https:example.com",
    "ws://example.com/",
    "http://",
    "",
    "http://example.com/" + "a" * 2048,
]


# As getaddrinfo reads them, most are addresses of this machine.
HOSTILE_HOSTS = [
    "127.1", "127.0.1", "0", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "127.000.000.001", "localhost", "LOCALHOST", "localhost.", "a.localhost", "10.1",
    "169.254.43518", "::1", "::",
    "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1", "fe80::1%lo", "127.0.0.1",
    "0.0.0.0", "169.254.169.254", "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "",
]  # fmt: skip


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Egress:
    """The guard, on a machine where any attempt to connect fails the test."""

    def connect(_self: socket.socket, address: Any) -> None:
        raise AssertionError(f"connected to {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    return Egress(deadline=5, rules=LENIENT)


def resolves_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have each look-up give the next answer; return the names asked for."""
    asked: list[str] = []
    left = list(answers)

    def look_up(host: str, port: int | None, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [
            (
                socket.AF_INET6 if ":" in ip else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (ip, port),
            )
            for ip in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_never_connected_to(guarded: Egress, url: str) -> None:
    """It is read again before each sending, by the reader that took it."""
    with pytest.raises(NotSent) as kept:
        guarded.post(url, {}, b"{}")
    assert kept.value.error == "rejected"


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused_at_once(url: str) -> None:
    """The client that gave it learns why."""
    with pytest.raises(CallbackUrlRefused):
        read_callback_url(url, LENIENT)


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_a_hostile_host_is_never_connected_to(guarded: Egress, host: str) -> None:
    """Even if it came past the reader: the system's own resolver knows the odd forms."""
    backend = _GuardedBackend(time.monotonic() + 5, guarded._look_ups, private=False)
    with pytest.raises(NotSent) as kept:
        backend.connect_tcp(host, 80)
    assert kept.value.error in ("rejected", "dns")


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


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["2606:4700:4700::1111", "fe80::1%eth0"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a9fe:a9fe", "8.8.8.8"],
    ],
)
def test_a_name_with_any_private_address_is_rejected(
    guarded: Egress, monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    """One bad answer among good ones is enough: the next connection could take it."""
    resolves_to(monkeypatch, found)
    with pytest.raises(NotSent, match="no public address") as rejected:
        guarded.post("http://receiver.example/", {}, b"{}")
    assert rejected.value.error == "rejected"


def test_a_name_is_looked_up_once_and_the_address_seen_is_dialled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that answers otherwise the second time (rebinding) is not asked a second time."""
    asked = resolves_to(monkeypatch, ["203.0.112.7"], ["127.0.0.1"])
    dialled: list[str] = []

    def create_connection(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        dialled.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    egress = Egress(deadline=5, rules=LENIENT)
    with pytest.raises(NotSent, match="connect"):
        egress.post("http://receiver.example/", {}, b"{}")
    assert asked == ["receiver.example"]
    assert dialled == ["203.0.112.7"]
