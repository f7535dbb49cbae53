"""Callback URLs: one strict reading of them, and where webhooks may go. Pure.

Whoever checks a URL and whoever sends to it read it here, and nowhere else: two readers that differ
in one odd form are all that an attacker needs. The forms are those of RFC 3986 that every reader
agrees on; what browsers would mend (WHATWG URL) is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

from core.domain.errors import CallbackUrlRefused

MAX_URL: Final = 2048
DEFAULT_PORTS: Final = frozenset({80, 443, 8443})

_PORT_OF: Final = {"http": 80, "https": 443}
_HIGHEST_PORT: Final = 65_535
_MAX_NAME: Final = 253
_URL: Final = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY: Final = re.compile(
    r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?", re.IGNORECASE
)
_NAME: Final = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
# A host whose last part is a number is an IPv4 address in some form (WHATWG URL, 3.5).
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Names that no public host has: RFC 6761, 6762 with its appendix G, 7686, 9476, those ICANN keeps
# out, and arpa, which is the DNS's own, with home.arpa (RFC 8375).
_SPECIAL: Final = re.compile(
    r"(.*\.)?(localhost|local|arpa|invalid|test|onion|alt|internal|corp|home|mail|lan|intranet"
    r"|private|localdomain)"
)


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """Where webhooks may go.

    `private` is for a developer's machine or an internal network: any address, any port, and plain
    http. Otherwise only public addresses, on one of `ports`, and by https unless `http` is allowed.
    """

    private: bool = False
    http: bool = False
    ports: frozenset[int] = DEFAULT_PORTS

    @classmethod
    def from_settings(
        cls, settings: CallbackSettings, *, private_default: bool = False
    ) -> CallbackRules:
        """Return the rules of a service; `private_default` is for settings that leave it open."""
        private = settings.private_callbacks
        return cls(
            private=private_default if private is None else private,
            http=settings.http_callbacks,
            ports=frozenset(settings.callback_ports),
        )


class CallbackSettings(Protocol):
    """The settings that callback rules are made of."""

    @property
    def private_callbacks(self) -> bool | None: ...  # noqa: D102
    @property
    def http_callbacks(self) -> bool: ...  # noqa: D102
    @property
    def callback_ports(self) -> tuple[int, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """A URL taken apart: `host` without brackets, `target` as a request has it, path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORT_OF[self.scheme] else f"{host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Scheme, host, port and path: what receivers are told apart by, however it was written."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"


def read_callback_url(url: str, rules: CallbackRules) -> CallbackUrl:
    """Take a URL apart.

    A name at a private address can't be told by its looks: whoever connects must see to that.

    Raises:
        CallbackUrlRefused: it is malformed, or no webhook may go there; with what to do about it.

    """
    if len(url) > MAX_URL:
        raise CallbackUrlRefused(url[:MAX_URL], f"it is longer than {MAX_URL} characters")
    if not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        raise CallbackUrlRefused(
            url,
            "it has spaces, backslashes or characters beyond ASCII; percent-encode them in the "
            "path, and write an international name in Punycode",
        )
    parts = _URL.fullmatch(url)
    if parts is None:
        other = " or http://" if rules.private or rules.http else ""
        raise CallbackUrlRefused(url, f"it must start with https://{other}")
    scheme, authority, target = parts[1].lower(), parts[2], parts[3]
    if "@" in authority:
        raise CallbackUrlRefused(url, "it must not hold a user name or password")
    where = _AUTHORITY.fullmatch(authority)
    port = int(where[2] or _PORT_OF[scheme]) if where else 0
    if where is None or port > _HIGHEST_PORT:
        raise CallbackUrlRefused(url, "what stands between // and the path is no host and port")
    host = _read_host(url, where[1].lower())
    if not rules.private:
        _check_public(url, scheme, host, port, rules)
    return CallbackUrl(scheme, host, port, target if target.startswith("/") else f"/{target}")


def _read_host(url: str, text: str) -> str:
    from ipaddress import IPv4Address, IPv6Address  # not for a Lambda's start  # noqa: PLC0415

    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        name = text.removesuffix(".")
        if _NUMBER.fullmatch(name.rpartition(".")[2]):
            return str(IPv4Address(text))
    except ValueError as exc:
        raise CallbackUrlRefused(
            url, "its host is an IP address in a form that readers disagree on; write it plainly"
        ) from exc
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise CallbackUrlRefused(url, "its host is no name of the DNS")
    return name


def _check_public(url: str, scheme: str, host: str, port: int, rules: CallbackRules) -> None:
    from core.domain.ip_addresses import is_public  # not for a Lambda's start  # noqa: PLC0415

    literal = ":" in host or host.replace(".", "").isdigit()
    if literal and not is_public(host):
        raise CallbackUrlRefused(url, f"{host} is no public address")
    if not literal and ("." not in host or _SPECIAL.fullmatch(host)):
        raise CallbackUrlRefused(url, f"{host} is no name on the public internet")
    if scheme != "https" and not rules.http:
        raise CallbackUrlRefused(url, "it must start with https://")
    if port not in rules.ports:
        known = ", ".join(map(str, sorted(rules.ports)))
        raise CallbackUrlRefused(url, f"its port {port} is none of {known}")
